// Refreshes the pins in templates/requirements: npm run pins [SET …]
// Each set names in its first line what it asks for; uv resolves that for Python 3.11 and newer on both architectures.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installTools, root, tool } from './support/tools.js';

const folder = join(root, 'templates/requirements');
const machines = ['x86_64', 'aarch64'] as const;
/** Sets that go with any framework are resolved first, and the others to them. */
const servers = ['fastapi', 'flask'];
/** What PyPI's builds bring for a GPU; sets without -gpu in their name take other builds, or do without. */
const forGpu = /^(nvidia-|cuda-|triton==)/;

const read = (set: string) => readFileSync(join(folder, `${set}.txt`), 'utf8').split('\n');
const isComment = (line: string) => line.startsWith('#');
const nameOf = (pin: string) => pin.split('==', 1)[0] ?? '';

/** What a set asks for, as pip names it, and the set it is installed beside, if it says so. */
function header(set: string): { asked: string; beside?: string | undefined } {
  const found = /^# Asked for: (.*)\. The rest is what these need(?:, beside (\S+)\.txt)?\.$/.exec(read(set)[0] ?? '');
  if (!found?.[1]) throw new Error(`${set}.txt: the first line does not say what is asked for`);
  return { asked: found[1].replaceAll(' ', '\n'), beside: found[2] };
}

/** The pins of a set on one architecture, agreeing with those of `others`. */
function resolve(set: string, machine: string, others: readonly string[]): string[] {
  const { status, stdout, stderr } = spawnSync(
    tool('uv'),
    ['pip', 'compile', '-', '--quiet', '--no-header', '--no-annotate', '--python-version=3.11']
      .concat(`--python-platform=${machine}-manylinux_2_28`)
      .concat(others.flatMap((other) => ['--constraint', join(folder, `${other}.txt`)])),
    { input: header(set).asked, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`${set} does not resolve on ${machine}: ${stderr}`);
  return stdout.split('\n').filter((line) => line && (set.endsWith('-gpu') || !forGpu.test(line)));
}

/** Rewrites a set, its comments kept; a pin of one architecture only gets a marker that says so. */
function refresh(set: string): void {
  const { beside } = header(set);
  const others = servers.includes(set) ? servers.slice(0, servers.indexOf(set)) : [...servers, beside ?? []].flat();
  const targets = set.endsWith('-gpu') ? machines.slice(0, 1) : machines;
  const pins = targets.map((machine) => resolve(set, machine, others));
  const marker = (at: number) => `; platform_machine ${at ? '!=' : '=='} "x86_64"`;
  const marked = pins.flatMap((each, at) =>
    each.map((pin) => (pins.every((other) => other.includes(pin)) ? pin : `${pin}${marker(at)}`)),
  );
  const known = new Set(beside ? read(beside) : []);
  const lines = [...new Set(marked)]
    .filter((pin) => !known.has(pin))
    .sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
  writeFileSync(join(folder, `${set}.txt`), `${[...read(set).filter(isComment), ...lines].join('\n')}\n`);
  console.log(`${set}: ${lines.length} packages`);
}

installTools();
const sets = readdirSync(folder).map((name) => name.replace(/\.txt$/, ''));
const order = [...servers, ...sets.filter((set) => !servers.includes(set)).sort()];
const wanted = process.argv.slice(2);
for (const set of order) if (wanted.length === 0 || wanted.includes(set)) refresh(set);
