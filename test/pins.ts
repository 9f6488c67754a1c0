// Refreshes the pins in templates/requirements: npm run pins [SET …]
// Each set names in its first line what it asks for; uv resolves that for Python 3.11 and newer on both architectures.
import { writeFileSync } from 'node:fs';
import { fileOf, isComment, machinesOf, read, resolve, servers, sets } from './support/pins.js';
import { installTools } from './support/tools.js';

const nameOf = (pin: string) => pin.split('==', 1)[0] ?? '';

/** What a set asks for, as pip names it, and the set it is installed beside, if it says so. */
function header(set: string): { asked: string; beside?: string | undefined } {
  const found = /^# Asked for: (.*)\. The rest is what these need(?:, beside (\S+)\.txt)?\.$/.exec(read(set)[0] ?? '');
  if (!found?.[1]) throw new Error(`${set}.txt: the first line does not say what is asked for`);
  return { asked: found[1].replaceAll(' ', '\n'), beside: found[2] };
}

/** Rewrites a set, its comments kept; a pin of one architecture only gets a marker that says so. */
async function refresh(set: string): Promise<void> {
  const { asked, beside } = header(set);
  const others = servers.includes(set) ? servers.slice(0, servers.indexOf(set)) : [...servers, beside ?? []].flat();
  const where = { python: '3.11', gpu: set.endsWith('-gpu') };
  const pins = await Promise.all(machinesOf(set).map((machine) => resolve(asked, { ...where, machine }, others)));
  const marker = (at: number) => `; platform_machine ${at ? '!=' : '=='} "x86_64"`;
  const marked = pins.flatMap((each, at) =>
    each.map((pin) => (pins.every((other) => other.includes(pin)) ? pin : `${pin}${marker(at)}`)),
  );
  const known = new Set(beside ? read(beside) : []);
  const lines = [...new Set(marked)]
    .filter((pin) => !known.has(pin))
    .sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
  writeFileSync(fileOf(set), `${[...read(set).filter(isComment), ...lines].join('\n')}\n`);
  console.log(`${set}: ${lines.length} packages`);
}

installTools();
const order = [...servers, ...sets.filter((set) => !servers.includes(set)).sort()];
const wanted = process.argv.slice(2);
for (const set of order) if (wanted.length === 0 || wanted.includes(set)) await refresh(set);
