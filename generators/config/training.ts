// What --requirements names: a `pip freeze` of the environment that the model was trained in. Of it only the packages that
// the model needs are taken, at those versions.
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { entryOf } from '../catalog/frameworks.js';
import { minorOf, releaseOf } from '../catalog/versions.js';
import { packageName } from '../project/requirements.js';
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

/** The values that a requirements file gives, for the framework and packages that are known. */
export function readTraining(path: string, from: string, cwd: string, answers: Answers): Source {
  const refuse = (message: string, hint = freeze): Source => ({
    values: [],
    warnings: [],
    problems: [{ key: 'requirements', from, message: `${path} ${message}`, hint }],
  });
  const file = resolve(cwd, path);
  if (!existsSync(file)) return refuse('does not exist', `it is looked for at ${file}`);
  const text = decode(readFileSync(file));
  const other = otherFormats.find(([pattern]) => pattern.test(text));
  if (other) return refuse(other[1]);
  const { framework, packages = [] } = answers;
  if (!framework) return { values: [], warnings: [], problems: [] };
  const entries = entriesOf(text);
  const problems: Problem[] = [];
  const complain = (message: string) =>
    problems.push({ key: 'requirements', from, message: `${path}, ${message}`, hint: freeze });
  const versionOf = (name: string): string | undefined => {
    const [entry, ...more] = entries.get(name) ?? [];
    if (!entry) return undefined;
    const version = /^[^=<>!~@;]*==\s*([\w.!+-]+)/.exec(entry.text)?.[1];
    if (more.length)
      complain(`lines ${[entry, ...more].map(({ line }) => line).join(' and ')}: ${name} is there twice`);
    else if (!version) complain(`line ${entry.line}: "${entry.text}" gives no version of ${name}`);
    return version?.replace(/\+.*$/, '');
  };
  const { library, label } = entryOf(framework);
  const [own, others] = [library.filter(isVersioned), library.filter((each) => !isVersioned(each))].map((each) => [
    ...new Set(each.map(packageName)),
  ]) as [string[], string[]];
  const version = [...own, ...(aliases[framework] ?? [])].map(versionOf).find(Boolean);
  if (own.length && !version && !problems.length) return refuse(`does not name ${own[0]}, the package of ${label}`);
  const asked = packages.map(packageName);
  const pins = [...others, ...asked].flatMap((name) => {
    const found = packages.some((each) => packageName(each) === name && each.includes('=='))
      ? undefined
      : versionOf(name);
    return found ? [`${name}==${found}`] : [];
  });
  const kept = packages.filter((each) => !pins.some((pin) => packageName(pin) === packageName(each)));
  const values: Given[] = [];
  if (version) values.push({ key: 'frameworkVersion', value: versionToTake(framework, version), from: path });
  if (pins.length) values.push({ key: 'packages', value: [...kept, ...pins], from: path });
  return { values, problems, warnings: [] };
}

const isVersioned = (requirement: string) => requirement.includes('{}');
/** What else a library is called on PyPI. */
const aliases: Readonly<Record<string, readonly string[]>> = {
  tensorflow: ['tensorflow-gpu', 'tensorflow-intel', 'tensorflow-macos'],
  onnx: ['onnxruntime-gpu'],
};

/** A version as the catalogue has it: post releases and patches that it lacks are their minor version. */
function versionToTake(framework: NonNullable<Answers['framework']>, version: string): string {
  const plain = /^\d+\.\d+(\.\d+)?/.exec(version)?.[0] ?? version;
  return releaseOf(framework, plain) || !releaseOf(framework, minorOf(plain)) ? plain : minorOf(plain);
}

/** UTF-8, or UTF-16 as PowerShell's > writes it. */
function decode(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.subarray(2).toString('utf16le');
  return bytes.toString('utf8').replace(/^\uFEFF/, '');
}

/** The lines about each package, by its name; a line that ends in a backslash goes on in the next. */
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
