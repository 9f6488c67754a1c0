// The requirements sets in templates/requirements, one for each release of a framework, and their resolution with uv.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { entryOf, type Framework, frameworkNames } from '../../generators/catalog/frameworks.js';
import { gpuServers, serverOf } from '../../generators/catalog/servers.js';
import { patchOf, type Release, releasesOf, setOf } from '../../generators/catalog/versions.js';
import { root, tool } from './tools.js';

/** A set: its release, and all packages that projects can require from it. */
export interface PinSet {
  name: string;
  framework: Framework | undefined;
  release: Release;
  gpu: boolean;
  library: readonly string[];
  /** Packages for its formats, training and serving. */
  others: readonly string[];
  /** Packages that PyPI has only as source distributions. */
  sources: readonly string[];
}

/** The requirements for a framework's library at one patch of a release. */
export function libraryOf(framework: Framework, release: Release, gpu: boolean, patch = patchOf(release)): string[] {
  const { library, gpu: cuda } = entryOf(framework);
  const own = release.library ?? (gpu ? cuda?.library : undefined) ?? library;
  return own.map((each) => each.replace('{}', patch));
}

function setFor(framework: Framework, release: Release, gpu: boolean): PinSet {
  const { formats, servers, serving = [], trainingPackages = [], optional = [] } = entryOf(framework);
  const web = servers.filter((server) => !gpuServers.has(server));
  const served = [...web, ...(gpu || framework === 'transformers' ? [] : (['mms'] as const))].map(serverOf);
  return {
    name: setOf(framework, release, gpu),
    framework,
    release,
    gpu,
    library: [...libraryOf(framework, release, gpu), ...optional],
    others: [
      ...formats.flatMap(({ packages }) => packages ?? []),
      ...serving,
      ...trainingPackages,
      ...new Set(served.flatMap(({ requirements }) => requirements)),
    ],
    sources: served.flatMap(({ sources }) => sources ?? []),
  };
}

/** All sets. Those without a library come first, because the others take their server packages' versions from them. */
export const sets: readonly PinSet[] = [...frameworkNames]
  .reverse()
  .flatMap((framework) =>
    releasesOf(framework).flatMap((release) => [
      setFor(framework, release, false),
      ...(entryOf(framework).gpu?.cuda && release.cuda !== false ? [setFor(framework, release, true)] : []),
    ]),
  );

/** The set for the engines' images: packages that are installed in addition to the engine. */
export const engineSet: PinSet = {
  name: 'engine',
  framework: undefined,
  release: { patches: [''], pythons: ['3.12'] },
  gpu: false,
  library: serverOf('vllm').requirements,
  others: [],
  sources: [],
};

export const fileOf = (name: string) => join(root, `templates/requirements/${name}.txt`);
/** Reads the lines of a set. */
export const read = (name: string): string[] => readFileSync(fileOf(name), 'utf8').trimEnd().split('\n');

/** The platforms of a lock: both kinds of image, and macOS for local use. GPU sets are for x86_64 only. */
export const platformsOf = ({ gpu }: PinSet) =>
  gpu ? [linux('x86_64')] : [linux('x86_64'), linux('aarch64'), 'aarch64-apple-darwin'];
const linux = (machine: string) => `${machine}-manylinux_2_28`;

/** Dependencies for GPUs in PyPI's builds. Sets without -gpu in their name omit them. */
const forGpu = /^(nvidia-|cuda-|triton==)/;

interface Where {
  python: string;
  /** uv's name for it. */
  platform: string;
  /** The date after which packages are ignored. */
  asOf?: string | undefined;
  /** Packages to build from source; all others must have builds. */
  sources?: readonly string[];
  gpu?: boolean;
}

/**
 * Resolves requirements to pins, each with the packages that require it, preferring the versions in `preferred`.
 * Throws an Error with uv's message if that fails.
 */
export async function resolve(
  requirements: readonly string[],
  where: Where,
  preferred: readonly string[] = [],
): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'pins-'));
  const output = join(folder, 'requirements.txt');
  writeFileSync(output, preferred.join('\n'));
  const sources = (where.sources ?? []).map((name) => `--no-binary ${name}`);
  const args = ['pip', 'compile', '-', '--quiet', '--no-header', '--annotation-style=line', '--no-build']
    .concat(['--config-file', join(root, 'test/support/uv.toml'), '--output-file', output])
    .concat([`--python-version=${where.python}`, `--python-platform=${where.platform}`])
    .concat(where.asOf ? [`--exclude-newer=${where.asOf}`] : []);
  const env = { ...process.env, UV_PYTHON_DOWNLOADS: 'never', MACOSX_DEPLOYMENT_TARGET: '15.0' };
  const uv = promisify(execFile)(tool('uv'), args, { env });
  uv.child.stdin?.end([...requirements, ...sources].join('\n'));
  try {
    await uv;
    const lines = readFileSync(output, 'utf8').split('\n').filter(Boolean);
    const wanted = lines.filter((line) => where.gpu || !forGpu.test(line));
    return wanted.map((line) => line.replace(/ +# via/, '  # via'));
  } catch (error) {
    throw new Error(`${where.platform}, Python ${where.python}: ${(error as { stderr?: string }).stderr ?? error}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
