// Refreshes the pins in templates/requirements: npm run pins [SET …]
// Each set names in its first line what it asks for; uv resolves that for Python 3.11 and newer, on both architectures of
// images, and on a Mac, where people try their model.
import { writeFileSync } from 'node:fs';
import { fileOf, isComment, platformsOf, read, resolve, servers, sets } from './support/pins.js';
import { installTools } from './support/tools.js';

/** The marker of a pin that is not everywhere, by where it is: x86_64, aarch64, a Mac. */
const markers: Readonly<Record<string, string>> = {
  'yes yes yes': '',
  'yes no no': '; platform_machine == "x86_64"',
  'no yes yes': '; platform_machine != "x86_64"',
  'yes yes no': '; sys_platform == "linux"',
  'no no yes': '; sys_platform != "linux"',
  yes: '',
};

const nameOf = (pin: string) => pin.split('==', 1)[0] ?? '';

/** What a set asks for, as pip names it, and the set it is installed beside, if it says so. */
function header(set: string): { asked: string; beside?: string | undefined } {
  const found = /^# Asked for: (.*)\. The rest is what these need(?:, beside (\S+)\.txt)?\.$/.exec(read(set)[0] ?? '');
  if (!found?.[1]) throw new Error(`${set}.txt: the first line does not say what is asked for`);
  return { asked: found[1].replaceAll(' ', '\n'), beside: found[2] };
}

/** Rewrites a set, its comments kept; a pin that is not for every platform gets a marker that says so. */
async function refresh(set: string): Promise<void> {
  const { asked, beside } = header(set);
  const others = servers.includes(set) ? servers.slice(0, servers.indexOf(set)) : [...servers, beside ?? []].flat();
  const where = { python: '3.11', gpu: set.endsWith('-gpu') };
  const platforms = [...platformsOf(set), ...(where.gpu ? [] : ['aarch64-apple-darwin'])];
  const pins = await Promise.all(platforms.map((platform) => resolve(asked, { ...where, platform }, others)));
  const marked = [...new Set(pins.flat())].map((pin) => {
    const marker = markers[pins.map((each) => (each.includes(pin) ? 'yes' : 'no')).join(' ')];
    if (marker === undefined) throw new Error(`${set}: ${pin} is for platforms that no marker tells apart`);
    return `${pin}${marker}`;
  });
  const known = new Set(beside ? read(beside) : []);
  const lines = marked.filter((pin) => !known.has(pin)).sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
  writeFileSync(fileOf(set), `${[...read(set).filter(isComment), ...lines].join('\n')}\n`);
  console.log(`${set}: ${lines.length} packages`);
}

await installTools();
const order = [...servers, ...sets.filter((set) => !servers.includes(set)).sort()];
const wanted = process.argv.slice(2);
for (const set of order) if (wanted.length === 0 || wanted.includes(set)) await refresh(set);
