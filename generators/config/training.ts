// What --requirements names: a `pip freeze` of the environment that the model was trained in. Of it only the packages that
// the model needs are taken, at those versions.
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { entryOf } from '../catalog/frameworks.js';
import { minorOf, packageName, releaseOf } from '../catalog/versions.js';
import type { Answers } from './parameters.js';
import type { Problem } from './problems.js';
import type { Given, Source } from './sources.js';

/** The lines about one package. */
interface Entry {
  line: number;
  text: string;
}

const freeze =
  'in the training environment, type: pip list --format=freeze > training.txt, and give --requirements=training.txt';
const otherFormats: readonly [RegExp, string][] = [
  [/^(name|channels|dependencies|prefix):/m, 'is a conda environment'],
  [/^# This file may be used to create an environment using:/m, 'is a list of conda packages'],
  [/^\[[a-z[]/m, 'is TOML, not a list of requirements'],
  [/^\s*[{[]/, 'is JSON, not a list of requirements'],
];

/** What a requirements file gives: packages, which complete those that were asked for, and the framework's version. */
export interface Training {
  packages: Source;
  version: Source;
}

const source = (values: readonly Given[], problems: readonly Problem[] = []): Source => ({
  values,
  problems,
  warnings: [],
});

/** Reads a requirements file for the framework and packages that are known. */
export function readTraining(path: string, from: string, cwd: string, answers: Answers): Training {
  const problem = (message: string, hint = freeze): Problem => ({ key: 'requirements', from, message, hint });
  const refuse = (...said: Parameters<typeof problem>): Training => ({
    packages: source([], [problem(...said)]),
    version: source([]),
  });
  const file = resolve(cwd, path);
  if (!existsSync(file)) return refuse(`${path} does not exist`, `it is looked for at ${file}`);
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
    return refuse(`${path} does not name ${own[0]}, the package of ${label}`);
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

/** Gives the version of a package, undefined where it is not there; what is wrong with those it was asked for. */
function versionsIn(text: string): { versionOf: (name: string) => string | undefined; problems: string[] } {
  const entries = entriesOf(text);
  const problems: string[] = [];
  const versionOf = (name: string) => {
    const [entry, ...more] = entries.get(name) ?? [];
    if (!entry) return undefined;
    const version = /^[^=<>!~@;]*==\s*([\w.!+-]+)/.exec(entry.text)?.[1];
    if (more.length)
      problems.push(`lines ${[entry, ...more].map(({ line }) => line).join(' and ')}: ${name} is there twice`);
    else if (!version) problems.push(`line ${entry.line}: "${entry.text}" gives no version of ${name}`);
    return version?.replace(/\+.*$/, ''); // without +cpu
  };
  return { versionOf, problems };
}

const isVersioned = (requirement: string) => requirement.includes('{}');
/** What else a library is called on PyPI. */
const aliases: Readonly<Record<string, readonly string[]>> = {
  tensorflow: ['tensorflow-gpu', 'tensorflow-intel', 'tensorflow-macos'],
  onnx: ['onnxruntime-gpu'],
};

/** A version as the catalogue has it: post releases and patches that it lacks are their minor version. */
export function versionToTake(framework: NonNullable<Answers['framework']>, version: string): string {
  const plain = /^\d+\.\d+(\.\d+)?/.exec(version)?.[0] ?? version;
  return releaseOf(framework, plain) || !releaseOf(framework, minorOf(plain)) ? plain : minorOf(plain);
}

/** UTF-8, or UTF-16 as PowerShell's > writes it. */
function decode(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.subarray(2).toString('utf16le');
  return bytes.toString('utf8').replace(/^\uFEFF/, '');
}

/** The lines about each package, by its name; a backslash at the end of a line continues it in the next. */
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
