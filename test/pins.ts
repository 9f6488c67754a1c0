// Updates the pins in templates/requirements: npm run pins [SET …]
// First the library of a release is resolved with packages up to the release's cut-off date. Then everything is resolved
// for the release's oldest Python, preferring those versions, then the server packages' versions in the set without a
// library.
import { existsSync, writeFileSync } from 'node:fs';
import { engineSet, fileOf, type PinSet, platformsOf, read, resolve, sets } from './support/pins.js';
import { installTools } from './support/tools.js';

/** The marker of a pin, by the sum of its platforms: x86_64 is 1, aarch64 2, macOS 4. lock.sh writes the same. */
const markers: readonly string[] = [
  '',
  'platform_machine == "x86_64"',
  'platform_machine == "aarch64"',
  'sys_platform == "linux"',
  'sys_platform == "darwin"',
  'platform_machine != "aarch64"',
  'platform_machine != "x86_64"',
  '',
];

const nameOf = (pin: string) => pin.split('==', 1)[0] ?? '';

/** Merges the pins of all platforms into one list with markers. */
function merge(platforms: readonly (readonly string[])[]): string[] {
  const pins = new Map<string, { where: number; via: Set<string> }>();
  for (const [at, lines] of platforms.entries())
    for (const line of lines) {
      const [pin = '', via = ''] = line.split('  # via ');
      const entry = pins.get(pin) ?? { where: 0, via: new Set() };
      pins.set(pin, {
        where: entry.where | (1 << at),
        via: new Set([...entry.via, ...via.split(', ').filter(Boolean)]),
      });
    }
  const sorted = [...pins].sort(([one], [other]) => (nameOf(one) < nameOf(other) ? -1 : 1));
  return sorted.map(([pin, { where, via }]) => {
    const marker = platforms.length > 1 && markers[where] ? ` ; ${markers[where]}` : '';
    return `${pin}${marker}${via.size ? `  # via ${[...via].sort().join(', ')}` : ''}`;
  });
}

/** Exempt from the cut-off date: a newer joblib reads files from older ones, but not vice versa. */
const alwaysNewest = ['joblib'];

/** Resolves a set for one platform. */
async function lock({ name, release, gpu, library, others, sources }: PinSet, platform: string): Promise<string[]> {
  const { asOf, pythons } = release;
  const where = { python: pythons[0], platform };
  const all = asOf ? await resolve(library, { ...where, asOf, gpu: true }) : [];
  const dated = all.filter((pin) => !alwaysNewest.includes(nameOf(pin)));
  const common = pythons[0] === '3.10' ? 'custom-python3.10' : 'custom';
  const known = name !== common && existsSync(fileOf(common)) ? read(common) : [];
  const names = new Set(dated.map(nameOf));
  const preferred = [...dated, ...known.filter((pin) => !names.has(nameOf(pin)))];
  return resolve([...library, ...others], { ...where, gpu, sources }, preferred);
}

/** Resolves a set for every platform. Old releases have no builds for macOS: it then gets the lock of aarch64. */
function lockAll(set: PinSet): Promise<string[][]> {
  const [x86 = '', ...others] = platformsOf(set);
  const arm = others.slice(0, 1).map((platform) => lock(set, platform));
  const mac = others.slice(1).map((platform) => lock(set, platform).catch(() => arm[0] as Promise<string[]>));
  return Promise.all([lock(set, x86), ...arm, ...mac]);
}

await installTools();
const wanted = process.argv.slice(2);
for (const set of [...sets, engineSet].filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const pins = merge(await lockAll(set));
  writeFileSync(fileOf(set.name), `${pins.join('\n')}\n`);
  console.log(`${set.name}: ${pins.length} packages`);
}
