// `ml-container-creator inspect PATH`: describes a model file, for people or, with --json, for programs.
import { basename, resolve } from 'node:path';
import { dangerOf, isStandard, packageOf } from './catalog/packages.js';
import { RequestError, show } from './config/problems.js';
import { projectNameFrom } from './config/settle.js';
import { type Field, UnreadableError } from './model/facts.js';
import { dangersIn, ownModules } from './model/judge.js';
import { type Model, readModel } from './model/read.js';
import { quoteFor } from './project/quote.js';
import { fail } from './report.js';

const shell = quoteFor('next.sh');

/** Runs the command. Returns the exit status: 0, or 2 if there is no model. */
export function inspect(argv: readonly string[]): number {
  const json = argv.includes('--json');
  try {
    const path = pathIn(argv);
    const model = read(path);
    process.stdout.write(json ? `${JSON.stringify(toJson(model))}\n` : describe(model));
    return 0;
  } catch (error) {
    return fail(error, json ? { json } : {});
  }
}

function pathIn(argv: readonly string[]): string {
  const words = argv.filter((word) => word !== '--json' && word !== '--');
  const unknown = argv.indexOf('--') < 0 ? words.find((word) => word.startsWith('-')) : undefined;
  const [path, ...more] = words;
  const usage = 'run: ml-container-creator inspect PATH [--json]';
  if (unknown) throw problem('', 'the command line', `unknown flag ${show(unknown)}`, usage);
  if (path === undefined) throw problem('', 'the command line', 'inspect needs the path of a model', usage);
  if (more.length) throw problem('', 'the command line', `unexpected argument ${show(more[0])}`, usage);
  return path;
}

const problem = (key: string, from: string, message: string, hint: string) =>
  new RequestError([{ key, from, message, hint }], 'nothing was read');

function read(path: string): Model {
  try {
    return { ...readModel(resolve(path)), path };
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
    throw problem('', 'the command line', `${path}: ${error.message}`, error.hint);
  }
}

const warningsOf = (model: Model): string[] => [
  ...dangersIn(model).map((danger) => `loading this model ${danger}`),
  ...(model.warnings ?? []),
  ...(model.obstacle ? [model.obstacle] : []),
];

/** The command that generates a project; null if the model cannot be served as it is, or should not be loaded. */
function commandFor(model: Model): string | null {
  if (model.obstacle || !model.framework || dangersIn(model).length) return null;
  const name = projectNameFrom(basename(model.path).replace(/(\.[a-z]\w*)+$/i, ''));
  const own = ownModules(model);
  const code = own.length ? [`--code=${own.includes('__main__') ? 'FILE.py' : 'PATH'}`] : [];
  return ['ml-container-creator', ...(name ? [name] : []), `--model=${shell(model.path)}`, ...code].join(' ');
}

function toJson(model: Model): object {
  const { path, kind, framework, modelFormat, frameworkVersion, pythonVersion, inputs, outputs } = model;
  const own = new Set(ownModules(model));
  const modules = [...(model.modules ?? [])].map(([name, names]) => ({
    name,
    classes: [...names],
    package: packageOf(name) ?? null,
    own: own.has(name),
    danger: [...names].some((each) => dangerOf(name, each) !== undefined),
  }));
  const known = { framework, modelFormat, frameworkVersion, pythonVersion, inputs, outputs };
  const facts = Object.fromEntries(Object.entries(known).map(([key, value]) => [key, value ?? null]));
  return { path, kind, ...facts, modules, warnings: warningsOf(model), command: commandFor(model) };
}

function sizeOf(bytes: number): string {
  const unit = ['bytes', 'KB', 'MB', 'GB'][Math.min(3, Math.floor(Math.log10(Math.max(1, bytes)) / 3))] ?? 'GB';
  const value = bytes / { bytes: 1, KB: 1e3, MB: 1e6, GB: 1e9 }[unit as 'KB'];
  return `${value < 10 && unit !== 'bytes' ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

const few = (words: readonly string[], max = 8) =>
  words.length > max ? `${words.slice(0, max).join(', ')} and ${words.length - max} more` : words.join(', ');

function describeFields(fields: readonly Field[]): string {
  const [first] = fields;
  if (fields.length === 1 && first?.shape.length === 2 && first.shape[0] === -1)
    return `${first.shape[1] === -1 ? 'any number of' : first.shape[1]} ${first.type} values per record`;
  return few(
    fields.map(
      ({ name, type, shape }) =>
        `${name} (${type}${shape.length > 1 ? `, shape [${shape.map((each) => (each < 0 ? '?' : each)).join(', ')}]` : ''})`,
    ),
  );
}

/** What loading the model imports, by package: the user's own modules last. */
function describeImports(model: Model): string[] {
  const own = new Set(ownModules(model));
  const packages = [
    ...new Set([...(model.modules?.keys() ?? [])].map((name) => packageOf(name)).filter((name) => name !== undefined)),
  ];
  const standard = [...(model.modules?.keys() ?? [])].filter((name) => isStandard(name));
  const mine = [...own].map(
    (name) => `${[...(model.modules?.get(name) ?? [])].join(', ')} from ${name} (your own code)`,
  );
  return [
    ...(packages.length ? [few(packages)] : []),
    ...(standard.length ? [`${few(standard)} (standard library)`] : []),
    ...mine,
  ];
}

/** The description for people: one screen. */
function describe(model: Model): string {
  const { framework, modelFormat, savedBy, pythonVersion, inputs, outputs, classes } = model;
  const rows: [string, string | undefined][] = [
    ['model', `${model.what}, ${sizeOf(model.size)}`],
    ['saved by', savedBy],
    ['Python', pythonVersion],
    ['framework', framework && [framework, modelFormat].filter(Boolean).join(', format ')],
    ['inputs', inputs && describeFields(inputs)],
    ['outputs', outputs && !classes ? describeFields(outputs) : undefined],
    ['classes', classes && few(classes.map(String))],
    ['imports', describeImports(model).join('; ') || undefined],
  ];
  const lines = rows.flatMap(([name, text]) => (text ? [`  ${name.padEnd(11)} ${text}`] : []));
  const warnings = warningsOf(model).map((each) => `\nWarning: ${each}`);
  const command = commandFor(model);
  const next = command ? `\nTo generate a project that serves this model, run:\n\n  ${command}\n` : '';
  return `${model.path}\n${lines.join('\n')}\n${warnings.join('')}${warnings.length ? '\n' : ''}${next}`;
}
