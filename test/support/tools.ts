// The Python tools that tests use (pytest, ruff, shellcheck, hadolint …), installed once into .venv of the checkout.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));
const venv = join(root, '.venv');
const requirements = [join(root, 'test/serve/requirements.txt'), ...sets()];

function sets(): string[] {
  const folder = join(root, 'templates/requirements');
  return readdirSync(folder).map((name) => join(folder, name));
}

/** The path of a program in the tools' virtual environment. */
export const tool = (name: string): string => join(venv, 'bin', name);

/** Makes the virtual environment if it is not there or not as it should be; says what it downloads. */
export function installTools(): void {
  const wanted = createHash('sha256')
    .update(requirements.map((path) => readFileSync(path, 'utf8')).join('\n'))
    .digest('hex');
  const stamp = join(venv, 'installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.error('Installing the Python tools that the tests use into .venv (about 200 MB from PyPI) …');
  const python = process.env.PYTHON ?? 'python3';
  run(python, ['-m', 'venv', '--clear', venv]);
  run(tool('pip'), [
    'install',
    '--quiet',
    '--disable-pip-version-check',
    ...requirements.flatMap((path) => ['-r', path]),
  ]);
  writeFileSync(stamp, wanted);
}

function run(command: string, args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0)
    throw new Error(`${command} ${args.slice(0, 3).join(' ')} … failed${error ? `: ${error.message}` : ''}`);
}

/** Runs a program; what it printed on both streams, and its exit status. Throws where it cannot be started. */
export function outcome(
  command: string,
  args: readonly string[],
  options: object = {},
): { status: number | null; output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (error) throw error;
  return { status, output: `${stdout}${stderr}` };
}

/** Whether a program is on the PATH. */
export const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
