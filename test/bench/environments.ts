// The virtual environments of the contenders, each installed once in .bench of the checkout.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertingPins, pinsFor, root } from '../support/tools.js';

const own = (name: string) => () => readFileSync(join(root, `test/bench/requirements/${name}.txt`), 'utf8');

/** The pins of each environment, by contender. */
const requirements = {
  // Without pandas, which scikit-learn would import, as in a project without columns.
  ours: () => [...new Set([...pinsFor('sklearn', []), ...convertingPins()])].join('\n'),
  mlserver: own('mlserver'),
  bentoml: own('bentoml'),
  mlflow: own('mlflow'),
  mms: own('mms'),
  gevent: own('gevent'),
} as const;
export type Environment = keyof typeof requirements;

const folder = (name: Environment): string => join(root, '.bench', name);

/** The path of a program in an environment. */
export const program = (name: Environment, command: string): string => join(folder(name), 'bin', command);

/** The pinned version of a package. */
export const version = (name: Environment, distribution: string): string =>
  requirements[name]().match(new RegExp(`^${distribution}==(.*)$`, 'm'))?.[1] ?? 'unknown';

/**
 * Creates the environment if it is missing or outdated. Its pins are complete. Returns false if that fails; pip prints
 * the reason to stderr.
 */
export function install(name: Environment): boolean {
  const pins = requirements[name]();
  const wanted = createHash('sha256').update(pins).digest('hex');
  const stamp = join(folder(name), 'installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return true;
  console.error(`Installing the packages of ${name} in .bench/${name} (once; takes a minute or two) …`);
  if (!run(process.env.PYTHON ?? 'python3', ['-m', 'venv', '--clear', folder(name)])) return false;
  const file = join(folder(name), 'requirements.txt');
  writeFileSync(file, pins);
  const args = ['install', '--quiet', '--disable-pip-version-check', '--no-deps', '--requirement', file];
  const done = run(program(name, 'pip'), args);
  if (done) writeFileSync(stamp, wanted);
  return done;
}

const run = (command: string, args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
