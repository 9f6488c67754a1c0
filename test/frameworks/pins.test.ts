// The requirement sets resolve to exactly their pins, for every Python version and platform they support.
import assert from 'node:assert/strict';
import { entryOf, type Framework, frameworkNames } from '../../generators/catalog/frameworks.js';
import { packageName } from '../../generators/catalog/versions.js';
import { engineSet, libraryOf, type PinSet, platformsOf, read, resolve, sets } from '../support/pins.js';

const pinOf = (line: string) => line.split('  #', 1)[0] ?? '';
const otherMachines: Readonly<Record<string, readonly string[]>> = {
  x86_64: ['platform_machine != "x86_64"', 'platform_machine == "aarch64"', 'sys_platform == "darwin"'],
  aarch64: ['platform_machine == "x86_64"', 'platform_machine != "aarch64"', 'sys_platform == "darwin"'],
};

/** The pins of a set that apply to a platform of images. */
function pinsOn(set: PinSet, platform: string): string[] {
  const excluded = otherMachines[platform.split('-')[0] ?? ''] ?? [];
  const lines = read(set.name).map(pinOf);
  const included = lines.filter((pin) => !excluded.some((marker) => pin.endsWith(marker)));
  return included.map((pin) => pin.split(' ;', 1)[0] ?? '').sort();
}

const oldest = ({ release }: PinSet) => release.pythons[0];
const newest = ({ release }: PinSet) => release.pythons.at(-1) ?? '';

/** Fails unless a set resolves to its own pins. */
async function check(set: PinSet, platform: string, python: string): Promise<void> {
  const pins = pinsOn(set, platform);
  const found = await resolve(pins, { platform, python, gpu: set.gpu, sources: set.sources });
  assert.deepEqual(found.map(pinOf).sort(), pins);
}

/** Fails unless a set also resolves with another patch of its library. */
async function checkPatch(set: PinSet, framework: Framework, patch: string): Promise<void> {
  const platform = platformsOf(set)[0] ?? '';
  const library = libraryOf(framework, set.release, false, patch).filter((each) => each.includes('=='));
  const names = library.map(packageName);
  const pins = pinsOn(set, platform).filter((pin) => !names.includes(packageName(pin)));
  await resolve([...library, ...pins], { platform, python: newest(set), sources: set.sources });
}

describe('the requirements of', function () {
  this.timeout(600_000);
  const checks = [...sets, engineSet].flatMap((set) => {
    const { name, release, framework, gpu } = set;
    const [x86 = '', arm] = platformsOf(set);
    return [
      ...[x86, ...(arm ? [arm] : [])].map((platform) => ({
        title: `${name} on ${platform} resolve to their pins`,
        run: () => check(set, platform, newest(set)),
      })),
      ...(oldest(set) === newest(set)
        ? []
        : [{ title: `${name} also support Python ${oldest(set)}`, run: () => check(set, x86, oldest(set)) }]),
      ...(framework && !gpu ? release.patches.slice(1) : []).map((patch) => ({
        title: `${name} resolve with ${patch}`,
        run: () => checkPatch(set, framework as Framework, patch),
      })),
    ];
  });
  let results: readonly Promise<void>[];

  before(() => {
    // A few at once, because most of the time is spent waiting for the index. They share uv's cache.
    const rows = Array.from({ length: 4 }, () => Promise.resolve());
    results = checks.map(({ run }, at) => {
      const result = (rows[at % rows.length] as Promise<void>).then(run);
      rows[at % rows.length] = result.catch(() => {});
      return result;
    });
  });

  for (const [at, { title }] of checks.entries()) it(title, () => results[at]);

  for (const framework of frameworkNames) {
    const { gpu } = entryOf(framework);
    if (!gpu?.cuda) continue;
    it(`${framework} for GPUs include the CUDA version in the catalog`, () => {
      for (const { name, release } of sets.filter((set) => set.framework === framework && set.gpu)) {
        const versions = read(name).flatMap((pin) => /-cu(\d+)==/.exec(pin)?.[1] ?? []);
        const named = String(release.cuda ?? gpu.cuda);
        assert.ok(
          versions.every((version) => version === named),
          `${name}: ${versions}`,
        );
      }
    });
  }
});
