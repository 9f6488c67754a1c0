// npm run docs: writes docs/parameters.md from the table of parameters.
import { writeFileSync } from 'node:fs';
import { referencePage } from '../generators/config/describe.js';

writeFileSync(new URL('parameters.md', import.meta.url), referencePage());
