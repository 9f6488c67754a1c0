// requirements.in and its lock, requirements.txt: what a project asks for, at the versions of a set in templates/requirements.
// A set is what `uv pip compile --annotation-style=line` prints for everything that a project can ask for of one release:
// each line says which packages need it, so the lock of a project is the part of the set that its packages reach.
import { createHash } from 'node:crypto';
import type { Format, FrameworkEntry } from '../catalog/frameworks.js';
import type { ServerEntry } from '../catalog/servers.js';
import { packageName, patchOf, type Release, setOf } from '../catalog/versions.js';
import type { Answers } from '../config/parameters.js';

/** What an image installs. */
export interface Requirements {
  /** The set in templates/requirements. */
  readonly set: string;
  /** The model's library, as `name`, `name==version` or with a marker; without a version: that of the set. */
  readonly library: readonly string[];
  /** What the user adds, as `name` or `name==version`: it replaces a line of the same name. The set may not have it. */
  readonly packages: readonly string[];
  /** What serves, or makes, a model. */
  readonly others: readonly string[];
  /** Packages that PyPI has no builds of. */
  readonly sources: readonly string[];
  readonly python: string;
  readonly cpuBuild: FrameworkEntry['cpuBuild'];
  /** Where it takes its versions from a lock that is there: training from serving. */
  readonly constraint?: string;
}

/** What is added to the image of an engine. */
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

/** What the image of a project installs. */
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

/** The lines of a set that these packages are, or need. */
export function reach(set: string, names: readonly string[]): string[] {
  const needed = new Set(names);
  const lines = linesOf(set);
  for (let before = -1; before < needed.size; ) {
    before = needed.size;
    for (const line of lines) if (parentsOf(line).some((parent) => needed.has(parent))) needed.add(packageName(line));
  }
  return lines.filter((line) => needed.has(packageName(line))).map(pinOf);
}

/** A requirement at its version in the set, where it names none. */
function pinned(requirement: string, set: string): string {
  const pin = linesOf(set).find((line) => packageName(line) === packageName(requirement));
  return requirement.includes('==') || !pin ? requirement : (pinOf(pin).split(' ;', 1)[0] ?? requirement);
}

const forCpus = ({ cpuBuild }: Requirements) => (cpuBuild ? [`# ${cpuBuild.package} for CPUs: ${cpuBuild.index}`] : []);
const forGpus = ({ set }: Requirements) => (set.endsWith('-gpu') ? ['# With CUDA, for x86_64.'] : []);

/** requirements.in: the library at its versions; the rest is free, for lock.sh to choose. */
export function inputOf(requirements: Requirements, set: string): string {
  const { library, packages, others, sources, constraint } = requirements;
  const added = new Set(packages.map(packageName));
  const kept = (names: readonly string[]) => names.filter((name) => !added.has(packageName(name)));
  const own = kept(library).map((each) => (constraint ? each : pinned(each, set)));
  const lines = [
    '# What the image installs. After a change here or in .python-version: ./lock.sh',
    ...forCpus(requirements),
    ...forGpus(requirements),
    ...(constraint ? [`-c ${constraint}`] : []),
    ...own,
    ...packages,
    ...(others.length && !constraint ? ['# What serves it.'] : []),
    ...kept(others),
    ...sources.map((name) => `--no-binary ${name}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** requirements.txt, as lock.sh would write it; undefined where the set does not have all that is asked for. */
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
  const body = ['# Made by ./lock.sh from requirements.in: change that.', ...forCpus(requirements), ...pins, ''].join(
    '\n',
  );
  return `${checkOf(inputOf(requirements, set), python, body)}\n${body}`;
}

/** The first line of a lock, by which lock.sh knows that it belongs to its input and is as it was made. */
export function checkOf(input: string, python: string, body: string): string {
  const hash = createHash('sha256').update(`${input}${python}\n${body}`).digest('hex');
  return `# Check: ${hash.slice(0, 16)}`;
}

/** What is installed in addition to a lock: what `names` need more, of its own set and of others of the same time. */
export function additionOf(
  requirements: Requirements,
  names: readonly string[],
  set: string,
  others: readonly string[] = [],
): string {
  const there = new Set(
    reach(set, [...requirements.library, ...requirements.others].map(packageName)).map(packageName),
  );
  const wanted = [set, ...others].flatMap((each) => reach(each, names.map(packageName)));
  const more = [...new Set(wanted)].filter((pin) => !there.has(packageName(pin)));
  return `# Installed beside ../requirements.txt, to make the sample.\n${more.join('\n')}\n`;
}
