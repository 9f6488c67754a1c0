// Reads --requirements, a `pip freeze` of the training environment. Uses only the versions of packages that the model
// needs.
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { entryOf } from '../catalog/frameworks.js';
import { minorOf, packageName, releaseOf } from '../catalog/versions.js';
import type { Answers } from './parameters.js';
import type { Problem } from './problems.js';
import type { Given, Source } from './sources.js';

/** A line about a package, with its line number. */
interface Entry {
  line: number;
  text: string;
}

const freeze =
  'in the training environment, run: pip list --format=freeze > training.txt; then pass --requirements=training.txt';
const otherFormats: readonly [RegExp, string][] = [
  [/^(name|channels|dependencies|prefix):/m, 'is a conda environment file'],
  [/^# This file may be used to create an environment using:/m, 'is a conda package list, not a pip requirements file'],
  [/^\[[a-z[]/m, 'is TOML, not a list of requirements'],
  [/^\s*[{[]/, 'is JSON, not a list of requirements'],
];

/** What a requirements file provides: the requested packages with their versions, and the framework's version. */
export interface Training {
  packages: Source;
  version: Source;
}

const source = (values: readonly Given[], problems: readonly Problem[] = []): Source => ({
  values,
  problems,
  warnings: [],
});

/** Reads the versions of the framework and of the packages in `answers` from a requirements file. */
export function readTraining(path: string, from: string, cwd: string, answers: Answers): Training {
  const problem = (message: string, hint = freeze): Problem => ({ key: 'requirements', from, message, hint });
  const refuse = (...args: Parameters<typeof problem>): Training => ({
    packages: source([], [problem(...args)]),
    version: source([]),
  });
  const file = resolve(cwd, path);
  if (!existsSync(file)) return refuse(`${path} does not exist`, `expected at ${file}`);
  const text = decode(readFileSync(file));
  const other = otherFormats.find(([pattern]) => pattern.test(text));
  if (other) return refuse(`${path} ${other[1]}`);
  const { framework, packages = [] } = answers;
  if (!framework) return { packages: source([]), version: source([]) };
  const { library, label } = entryOf(framework);
  const { versionOf, problems } = versionsIn(text);
  const own = library.filter(isVersioned).map(packageName);
  const version = [...own, ...(aliases[framework] ?? [])].map(versionOf).find(Boolean);
  if (own.length && !version && !problems.length)
    return refuse(`${path} does not list ${own[0]}${own[0] === label ? '' : `, the package of ${label}`}`);
  const free = [...library.filter((each) => !isVersioned(each)), ...packages].filter((each) => !each.includes('=='));
  const pins = free.map(packageName).flatMap((name) => {
    const found = versionOf(name);
    return found ? [`${name}==${found}`] : [];
  });
  const kept = packages.filter((each) => !pins.some((pin) => packageName(pin) === packageName(each)));
  const given = (key: Given['key'], value: unknown) => [{ key, value, from: path }];
  return {
    packages: source(
      pins.length ? given('packages', [...kept, ...pins]) : [],
      problems.map((message) => problem(`${path}, ${message}`)),
    ),
    version: source(version ? given('frameworkVersion', versionToTake(framework, version)) : []),
  };
}

/** Returns a function that looks up a version, and the problems with the packages looked up so far. */
function versionsIn(text: string): { versionOf: (name: string) => string | undefined; problems: string[] } {
  const entries = entriesOf(text);
  const problems: string[] = [];
  const versionOf = (name: string) => {
    const [entry, ...more] = entries.get(name) ?? [];
    if (!entry) return undefined;
    const version = /^[^=<>!~@;]*==\s*([\w.!+-]+)/.exec(entry.text)?.[1];
    if (more.length)
      problems.push(`lines ${[entry, ...more].map(({ line }) => line).join(' and ')}: ${name} is listed twice`);
    else if (!version) problems.push(`line ${entry.line}: "${entry.text}" does not pin the version of ${name}`);
    return version?.replace(/\+.*$/, ''); // without +cpu
  };
  return { versionOf, problems };
}

const isVersioned = (requirement: string) => requirement.includes('{}');
/** Other names of a framework on PyPI. */
const aliases: Readonly<Record<string, readonly string[]>> = {
  tensorflow: ['tensorflow-gpu', 'tensorflow-intel', 'tensorflow-macos'],
  onnx: ['onnxruntime-gpu'],
};

/** The version to use. Post releases and patch releases missing from the catalogue become the minor version. */
export function versionToTake(framework: NonNullable<Answers['framework']>, version: string): string {
  const plain = /^\d+\.\d+(\.\d+)?/.exec(version)?.[0] ?? version;
  return releaseOf(framework, plain) || !releaseOf(framework, minorOf(plain)) ? plain : minorOf(plain);
}

/** Decodes UTF-8, or UTF-16 as PowerShell's > writes it. */
function decode(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.subarray(2).toString('utf16le');
  return bytes.toString('utf8').replace(/^\uFEFF/, '');
}

/** The lines about each package, by its name. A backslash at the end continues a line. */
function entriesOf(text: string): Map<string, Entry[]> {
  const entries = new Map<string, Entry[]>();
  let before = '';
  for (const [at, raw] of text.split(/\r?\n/).entries()) {
    const line = before + raw;
    before = line.endsWith('\\') ? line.slice(0, -1) : '';
    if (before) continue;
    const entry = {
      line: at + 1,
      text: line
        .replace(/(^|\s)#.*$/, '')
        .replace(/\s--hash=\S+/g, '')
        .trim(),
    };
    const name = packageName(/#egg=(\S+)/.exec(line)?.[1] ?? entry.text);
    if (name) entries.set(name, [...(entries.get(name) ?? []), entry]);
  }
  return entries;
}
