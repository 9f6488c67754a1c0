// The requirement sets in templates/requirements, and what uv resolves them to.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root, tool } from './tools.js';

const folder = join(root, 'templates/requirements');
export const sets = readdirSync(folder).map((name) => name.replace(/\.txt$/, ''));
/** The sets that go with any framework. */
export const servers = ['fastapi', 'flask', 'mms'];
export const fileOf = (set: string) => join(folder, `${set}.txt`);
/** The lines of a set. */
export const read = (set: string): string[] => readFileSync(fileOf(set), 'utf8').trimEnd().split('\n');
export const isComment = (line: string) => line.startsWith('#');

/** The architectures of images that a set is for, as uv names them: those for GPUs are for x86_64 only. */
export const platformsOf = (set: string) =>
  ['x86_64', ...(set.endsWith('-gpu') ? [] : ['aarch64'])].map((machine) => `${machine}-manylinux_2_28`);

/** What PyPI's builds bring for a GPU; sets without -gpu in their name take other builds, or do without. */
const forGpu = /^(nvidia-|cuda-|triton==)/;

/** The pins that requirements resolve to, agreeing with the pins of other sets. Throws an Error with uv's reason. */
export async function resolve(
  requirements: string,
  where: { platform: string; python: string; gpu: boolean },
  others: readonly string[] = [],
): Promise<string[]> {
  const args = [
    'pip',
    'compile',
    '-',
    '--quiet',
    '--config-file',
    join(root, 'test/support/uv.toml'),
    '--no-header',
    '--no-annotate',
    `--python-version=${where.python}`,
  ]
    .concat(`--python-platform=${where.platform}`)
    .concat(others.flatMap((other) => ['--constraint', fileOf(other)]));
  const env = { ...process.env, MACOSX_DEPLOYMENT_TARGET: '15.0' }; // what is built for a Mac is built for a release
  const uv = promisify(execFile)(tool('uv'), args, { env });
  uv.child.stdin?.end(requirements);
  try {
    return (await uv).stdout.split('\n').filter((line) => line && (where.gpu || !forGpu.test(line)));
  } catch (error) {
    throw new Error(`${where.platform}, Python ${where.python}: ${(error as { stderr?: string }).stderr ?? error}`);
  }
}
