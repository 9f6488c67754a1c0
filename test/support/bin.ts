// Runs the package's command as a user would.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './tools.js';

export const bin = join(root, 'dist/generators/cli.js');

export interface Run {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** The environment without variables that are answers or change the run. */
export const quietEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(ML_|AWS_|DEBUG$|NODE_OPTIONS$|FORCE_COLOR$)/.test(name)),
);

/** Runs the command without a terminal. */
export function run(
  cwd: string,
  args: readonly string[],
  env: Record<string, string> = {},
  node: readonly string[] = [],
): Run {
  const options = { cwd, env: { ...quietEnv, ...env }, encoding: 'utf8', input: '' } as const;
  return spawnSync(process.execPath, [...node, bin, ...args], options);
}

/** Creates an empty folder that is removed when the suite ends. */
export function newFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ml-test-')));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The mode and text of every file in a folder, to compare two projects. */
export function contents(folder: string): Record<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    statSync(join(folder, path)).isFile(),
  );
  const described = (path: string) =>
    `${(statSync(join(folder, path)).mode & 0o777).toString(8)} ${readFileSync(join(folder, path), 'utf8')}`;
  return Object.fromEntries(paths.sort().map((path) => [path, described(path)]));
}
