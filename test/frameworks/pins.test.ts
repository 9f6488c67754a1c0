// The requirement sets, as the manifest merges them: they resolve, and to nothing beyond what they pin.
import assert from 'node:assert/strict';
import { entryOf, frameworkNames, gpuServers } from '../../generators/catalog/frameworks.js';
import { isComment, platformsOf, read, resolve, sets } from '../support/pins.js';

const pinsOf = (set: string) => read(set).filter((line) => !isComment(line));

/** A set for every framework, on CPU and GPU, with all that it may be installed beside. */
const combinations = frameworkNames.flatMap((framework) => {
  const { formats, servers } = entryOf(framework);
  const beside = [...new Set(formats.flatMap(({ requirements }) => requirements ?? []))];
  const web = servers.filter((server) => !gpuServers.has(server)); // engines have images of their own
  const own = [framework, `${framework}-gpu`].filter((set) => sets.includes(set));
  return own.flatMap((set) =>
    platformsOf(set).map((platform) => ({ set, platform, all: [set, ...beside, ...web, 'mms'] })),
  );
});

/** Fails unless the sets resolve to their own pins on this architecture, for the oldest Python and that of the image. */
async function check(all: readonly string[], platform: string, gpu: boolean): Promise<void> {
  const pins = [...new Set(all.flatMap(pinsOf))];
  const elsewhere = [platform.startsWith('x86_64') ? '!= "x86_64"' : '== "x86_64"', '!= "linux"'];
  const here = pins
    .filter((pin) => !elsewhere.some((words) => pin.includes(words)))
    .map((pin) => pin.split(';', 1)[0] ?? '');
  for (const python of ['3.11', '3.13'])
    assert.deepEqual((await resolve(pins.join('\n'), { platform, python, gpu })).sort(), here.sort(), python);
}

describe('the requirements of', function () {
  this.timeout(300_000);
  let checks: Map<string, Promise<void>>;

  before(() => {
    // A few at once: most of it is waiting for the index, of which one finds in uv's cache what others have asked for.
    const rows = Array.from({ length: 4 }, () => Promise.resolve());
    const started = combinations.map(({ set, platform, all }, at) => {
      const one = () => check(all, platform, set.endsWith('-gpu'));
      const row = at % rows.length;
      const result = (rows[row] as Promise<void>).then(one);
      rows[row] = result.catch(() => {});
      return result;
    });
    checks = new Map(combinations.map(({ set, platform }, at) => [`${set} ${platform}`, started[at] as Promise<void>]));
  });

  for (const { set, platform } of combinations)
    it(`${set} on ${platform} resolve to what is pinned`, () => checks.get(`${set} ${platform}`));

  for (const framework of frameworkNames) {
    const { gpu, cpuBuild } = entryOf(framework);
    if (gpu?.cuda)
      it(`${framework} for GPUs bring the CUDA that the catalogue names`, () => {
        const versions = pinsOf(`${framework}-gpu`).flatMap((pin) => /-cu(\d+)==/.exec(pin)?.[1] ?? []);
        assert.deepEqual([...new Set(versions)], [String(gpu.cuda)]);
      });
    if (cpuBuild)
      it(`${framework} name the index of ${cpuBuild.package} for CPUs`, () => {
        assert.ok(read(framework).includes(`# ${cpuBuild.package} for CPUs: ${cpuBuild.index}`));
      });
  }
});
