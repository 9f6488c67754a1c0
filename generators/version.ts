// The version of this package.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { resolve } = createRequire(import.meta.url);

export const version = (): string => JSON.parse(readFileSync(resolve('#package.json'), 'utf8')).version;
