// requirements.in and its lock, requirements.txt, with versions from a set in templates/requirements. A set is the
// output of `uv pip compile --annotation-style=line` for all packages that projects with one release can need. Each
// line says which packages require it, so the lock of a project is the part of the set that its packages reach.
import { createHash } from 'node:crypto';
import type { Format, FrameworkEntry } from '../catalog/frameworks.js';
import type { ServerEntry } from '../catalog/servers.js';
import { packageName, patchOf, type Release, setOf } from '../catalog/versions.js';
import type { Answers } from '../config/parameters.js';

/** The packages in an image. */
export interface Requirements {
  /** The name of the set in templates/requirements. */
  readonly set: string;
  /** The model's library, as `name` or `name==version`, possibly with a marker. The version defaults to the set's. */
  readonly library: readonly string[];
  /** Packages that the user adds, as `name` or `name==version`. They override others; the set need not contain them. */
  readonly packages: readonly string[];
  /** Packages for serving or training a model. */
  readonly others: readonly string[];
  /** Packages that PyPI has only as source distributions. */
  readonly sources: readonly string[];
  readonly python: string;
  readonly cpuBuild: FrameworkEntry['cpuBuild'];
  /** The lock that fixes the versions, if any: training uses that of serving. */
  readonly constraint?: string;
}

/** Requirements for an engine's image, which contains most packages already. */
const engineRequirements = { set: 'engine', library: [], sources: [], cpuBuild: undefined };

interface Known {
  entry: FrameworkEntry;
  serverEntry: ServerEntry;
  format: Format | undefined;
  release: Release;
  python: string;
  cpuBuild: FrameworkEntry['cpuBuild'];
  gpu: boolean;
}

/** The packages for the image of a project. */
export function requirementsFor({ framework, frameworkVersion, packages = [] }: Answers, known: Known): Requirements {
  const { entry, serverEntry, format, release, python, cpuBuild, gpu } = known;
  const common = { others: [...(entry.serving ?? []), ...serverEntry.requirements], python, packages };
  if (serverEntry.engine || !framework) return { ...engineRequirements, ...common };
  const onGpu = gpu && entry.gpu?.cuda !== undefined;
  const library = release.library ?? (onGpu ? entry.gpu?.library : undefined) ?? entry.library;
  const version = patchOf(release, frameworkVersion);
  return {
    ...common,
    set: setOf(framework, release, onGpu),
    library: [...library.map((each) => each.replace('{}', version)), ...(format?.packages ?? [])],
    sources: serverEntry.sources ?? [],
    cpuBuild,
  };
}

const linesOf = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
const pinOf = (line: string) => (line.split('#', 1)[0] ?? '').trimEnd();
const parentsOf = (line: string) => (line.split('# via ')[1] ?? '').split(', ').map(packageName);

/** The lines of a set for these packages and their dependencies. */
export function reach(set: string, names: readonly string[]): string[] {
  const needed = new Set(names);
  const lines = linesOf(set);
  for (let before = -1; before < needed.size; ) {
    before = needed.size;
    for (const line of lines) if (parentsOf(line).some((parent) => needed.has(parent))) needed.add(packageName(line));
  }
  return lines.filter((line) => needed.has(packageName(line))).map(pinOf);
}

/** A requirement, pinned to its version in the set if it has none. */
function pinned(requirement: string, set: string): string {
  const pin = linesOf(set).find((line) => packageName(line) === packageName(requirement));
  return requirement.includes('==') || !pin ? requirement : (pinOf(pin).split(' ;', 1)[0] ?? requirement);
}

const forCpus = ({ cpuBuild }: Requirements) => (cpuBuild ? [`# ${cpuBuild.package} for CPUs: ${cpuBuild.index}`] : []);
const forGpus = ({ set }: Requirements) => (set.endsWith('-gpu') ? ['# With CUDA, for x86_64.'] : []);

/** The text of requirements.in: pins the library and leaves the other versions to lock.sh. */
export function inputOf(requirements: Requirements, set: string): string {
  const { library, packages, others, sources, constraint } = requirements;
  const added = new Set(packages.map(packageName));
  const kept = (names: readonly string[]) => names.filter((name) => !added.has(packageName(name)));
  const own = kept(library).map((each) => (constraint ? each : pinned(each, set)));
  const lines = [
    '# Packages for the image. After a change here or in .python-version, run ./lock.sh.',
    ...forCpus(requirements),
    ...forGpus(requirements),
    ...(constraint ? [`-c ${constraint}`] : []),
    ...own,
    ...packages,
    ...(others.length && !constraint ? ['# Packages for serving.'] : []),
    ...kept(others),
    ...sources.map((name) => `--no-binary ${name}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** The text of requirements.txt, as lock.sh would write it; undefined if the set lacks one of the packages. */
export function lockOf(requirements: Requirements, set: string): string | undefined {
  const { library, others, packages, python } = requirements;
  const has = (each: string) =>
    linesOf(set).some(
      (line) =>
        packageName(line) === packageName(each) && (!each.includes('==') || pinOf(line).split(' ;', 1)[0] === each),
    );
  if (!packages.every(has)) return undefined;
  const versions = new Map(library.filter((each) => each.includes('==')).map((each) => [packageName(each), each]));
  const pins = reach(set, [...library, ...packages, ...others].map(packageName)).map((pin) => {
    const version = /==([^ ;]+)/.exec(versions.get(packageName(pin)) ?? '')?.[1];
    return version ? pin.replace(/==[^ ;]+/, `==${version}`) : pin;
  });
  const body = [
    '# Generated by ./lock.sh from requirements.in: edit that file instead.',
    ...forCpus(requirements),
    ...pins,
    '',
  ].join('\n');
  return `${checkOf(inputOf(requirements, set), python, body)}\n${body}`;
}

/** The first line of a lock, with which lock.sh checks that it matches requirements.in and has not been edited. */
export function checkOf(input: string, python: string, body: string): string {
  const hash = createHash('sha256').update(`${input}${python}\n${body}`).digest('hex');
  return `# Check: ${hash.slice(0, 16)}`;
}

/** The packages to install in addition to a lock: `names` and their dependencies, from its set and from `others`. */
export function additionOf(
  requirements: Requirements,
  names: readonly string[],
  set: string,
  others: readonly string[] = [],
): string {
  const installed = new Set(
    reach(set, [...requirements.library, ...requirements.others].map(packageName)).map(packageName),
  );
  const wanted = [set, ...others].flatMap((each) => reach(each, names.map(packageName)));
  const more = [...new Set(wanted)].filter((pin) => !installed.has(packageName(pin)));
  return `# Packages needed to train the sample model, in addition to ../requirements.txt.\n${more.join('\n')}\n`;
}
