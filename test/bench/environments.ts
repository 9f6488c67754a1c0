// The virtual environments of the contenders, each installed once into .bench of the checkout.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../support/tools.js';

const own = (name: string) => [`test/bench/requirements/${name}.txt`];

/** Whose environment it is, and the files that pin what is in it. */
const requirements = {
  ours: ['sklearn', 'fastapi', 'flask'].map((name) => `templates/requirements/${name}.txt`),
  mlserver: own('mlserver'),
  bentoml: own('bentoml'),
  mlflow: own('mlflow'),
} as const;
export type Environment = keyof typeof requirements;

const folder = (name: Environment): string => join(root, '.bench', name);

/** The path of a program in an environment. */
export const program = (name: Environment, command: string): string => join(folder(name), 'bin', command);

/** The pins of an environment. */
const read = (name: Environment): string =>
  requirements[name].map((path) => readFileSync(join(root, path), 'utf8')).join('\n');

/** The pinned version of a package. */
export const version = (name: Environment, distribution: string): string =>
  read(name).match(new RegExp(`^${distribution}==(.*)$`, 'm'))?.[1] ?? 'unknown';

/** Makes the environment if it is not there or not as it should be. False where that fails; pip says why on stderr. */
export function install(name: Environment): boolean {
  const wanted = createHash('sha256').update(read(name)).digest('hex');
  const stamp = join(folder(name), 'installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return true;
  console.error(`Installing ${requirements[name].join(', ')} into .bench/${name} (once; a minute or two) …`);
  const files = requirements[name].flatMap((path) => ['-r', join(root, path)]);
  const done =
    run(process.env.PYTHON ?? 'python3', ['-m', 'venv', '--clear', folder(name)]) &&
    run(program(name, 'pip'), ['install', '--quiet', '--disable-pip-version-check', ...files]);
  if (done) writeFileSync(stamp, wanted);
  return done;
}

const run = (command: string, args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
