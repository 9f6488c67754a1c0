// The sources of answers. Each returns raw values and their origin. Values are validated later.
import { flagOf, isKey, type Key, keys, variableOf } from './parameters.js';
import { didYouMean, type Problem, show } from './problems.js';
import { kindOf, readText } from './values.js';

/** A value from a source. `from` names the origin for the user: --framework, ML_FRAMEWORK, or the name of a file. */
export interface Given {
  key: Key;
  value: unknown;
  from: string;
  /** The user agreed to a model that runs commands when it is loaded. */
  agreed?: true;
}

/** The origin of an answer to a prompt. */
export const YOUR_ANSWER = 'your answer';

/** The values of one source. Lists of sources are in order of precedence, highest first. */
export interface Source {
  values: readonly Given[];
  problems: readonly Problem[];
  warnings: readonly string[];
}

/** Flags for this run only, which are not stored. */
export interface RunFlags {
  config?: string;
  skipPrompts?: true;
  force?: true;
  dryRun?: true;
  json?: true;
  explain?: true;
  help?: true;
  version?: true;
}

export const runFlags: Readonly<Record<keyof RunFlags, string>> = {
  config: 'Read options from this JSON file',
  skipPrompts: 'Do not prompt; use defaults for whatever is not set',
  force:
    'Overwrite existing files, saving edited ones as NAME.orig; accept a model that runs commands or code when loaded; update: ignore uncommitted changes',
  dryRun: 'List what would be written (update: show a diff); write nothing',
  json: 'Print one JSON object to stdout, all other output to stderr',
  explain: 'Print each value and where it came from',
  help: 'Print this help',
  version: 'Print the version',
};
const isRunFlag = (word: string): word is keyof RunFlags => Object.hasOwn(runFlags, word);

export interface CommandLine extends Source {
  run: RunFlags;
}

const camel = (flag: string) => flag.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** Reads flags and the only argument, the project's name. Flags have precedence, so they come first in `values`. */
export function readArguments(argv: readonly string[]): CommandLine {
  const flags: Given[] = [];
  const words: string[] = [];
  const problems: Problem[] = [];
  const run: Record<string, unknown> = {};
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--') words.push(...rest.splice(0));
    else if (word === '-h') run.help = true;
    else if (!word.startsWith('-') || word === '-') words.push(word);
    else readFlag(word, rest, { flags, problems, run });
  }
  const [name, ...more] = words;
  const argument: Given[] = name === undefined ? [] : [{ key: 'projectName', value: name, from: 'the first argument' }];
  for (const word of more) {
    problems.push({
      key: '',
      from: 'the command line',
      message: `unexpected argument ${show(word)}`,
      hint: 'the only argument is the project name; everything else needs a flag',
    });
  }
  return { values: [...merged(flags, problems), ...argument], problems, warnings: [], run: run as RunFlags };
}

function readFlag(
  word: string,
  rest: string[],
  into: { flags: Given[]; problems: Problem[]; run: Record<string, unknown> },
): void {
  const [, no, name = '', , text] = /^--(no-)?([a-z][a-z0-9-]*)(=([\s\S]*))?$/.exec(word) ?? [];
  const key = camel(name);
  const flag = word.split('=', 1)[0] ?? word;
  const isSwitch = isKey(key) ? kindOf(key) === 'boolean' : key !== 'config';
  if (name === '' || !(isKey(key) || isRunFlag(key)) || (no && !isSwitch)) {
    const known = [...keys, ...Object.keys(runFlags)].map(flagOf);
    const hint = didYouMean(flag, known) ?? 'see ml-container-creator --help';
    into.problems.push({ key: '', from: 'the command line', message: `unknown flag ${show(flag)}`, hint });
    return;
  }
  const follows = rest[0] !== undefined && (isSwitch ? /^(true|false)$/.test(rest[0]) : !rest[0].startsWith('-'));
  const value = text ?? (follows && !no ? rest.shift() : isSwitch ? 'true' : undefined);
  if (value === undefined) {
    into.problems.push({ key: '', from: 'the command line', message: `${flag} needs a value`, hint: `${flag}=VALUE` });
  } else if (isKey(key)) {
    const read = readText(key, value);
    into.flags.push({ key, value: no && typeof read === 'boolean' ? !read : read, from: flag });
  } else if (key === 'config') into.run[key] = value;
  else if (/^(true|1|false|0)$/i.test(value)) {
    if (/^(true|1)$/i.test(value) !== Boolean(no)) into.run[key] = true;
  } else into.problems.push({ key, from: flag, message: `${flag} does not take a value, but got ${show(value)}` });
}

/** One value for each flag. Repeated lists are joined; other repeated flags must have the same value. */
function merged(flags: readonly Given[], problems: Problem[]): Given[] {
  const seen = new Map<Key, Given>();
  for (const flag of flags) {
    const before = seen.get(flag.key);
    if (!before) seen.set(flag.key, flag);
    else if (Array.isArray(before.value) && Array.isArray(flag.value)) {
      before.value = [...new Set([...before.value, ...flag.value])];
    } else if (before.value !== flag.value) {
      problems.push({
        key: flag.key,
        from: flag.from,
        message: `set twice, to different values: ${show(before.value)} and ${show(flag.value)}`,
      });
    }
  }
  return [...seen.values()];
}

/** Reads the options that a program passes to the generator (yeoman-test, composition). Ignores those of Yeoman. */
export function readOptions(options: Readonly<Record<string, unknown>>, words: readonly string[]): CommandLine {
  const values: Given[] = [];
  const run: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    const key = camel(name);
    if (value === undefined) continue;
    if (isRunFlag(key)) run[key] = key === 'config' || value === true ? value : undefined;
    else if (isKey(key))
      values.push({ key, value: typeof value === 'string' ? readText(key, value) : value, from: `option ${name}` });
  }
  const [name] = words;
  if (name !== undefined) values.push({ key: 'projectName', value: name, from: 'the first argument' });
  return { values, problems: [], warnings: [], run: run as RunFlags };
}

/** Reads the ML_* variables. AWS_REGION and AWS_DEFAULT_REGION set awsRegion if ML_AWS_REGION is unset. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Source {
  const variables = new Map(keys.map((key) => [variableOf(key), key]));
  const values: Given[] = [];
  const warnings: string[] = [];
  for (const [variable, text] of Object.entries(env)) {
    const key = variables.get(variable);
    if (text === undefined || text === '') continue;
    if (key) values.push({ key, value: readText(key, text), from: variable });
    else if (variable.startsWith('ML_')) {
      const hint = didYouMean(variable, [...variables.keys()]);
      warnings.push(`ignoring the unknown variable ${variable}${hint ? `: ${hint}` : ''}`);
    }
  }
  for (const variable of ['AWS_REGION', 'AWS_DEFAULT_REGION']) {
    const value = env[variable];
    if (value && !values.some(({ key }) => key === 'awsRegion'))
      values.push({ key: 'awsRegion', value, from: variable });
  }
  return { values, problems: [], warnings };
}

/** Reads the keys of a JSON object as parameters. A string means the same as in a flag. */
export function readObject(object: unknown, from: string): Source {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) {
    const problem = { key: '', from, message: `the configuration must be a JSON object, not ${show(object)}` };
    return { values: [], problems: [problem], warnings: [] };
  }
  const values: Given[] = [];
  const problems: Problem[] = [];
  for (const [key, value] of Object.entries(object)) {
    if (isKey(key)) values.push({ key, value: typeof value === 'string' ? readText(key, value) : value, from });
    else if (key !== '$schema') {
      problems.push({
        key: '',
        from,
        message: `unknown key ${show(key)}`,
        hint: didYouMean(key, keys) ?? 'see ml-container-creator schema',
      });
    }
  }
  return { values, problems, warnings: [] };
}

/** Within one source: an instanceType of ml.… means custom with that type, and so does customInstanceType alone. */
export function withInstanceImplied(source: Source): Source {
  const kind = source.values.find(({ key }) => key === 'instanceType');
  const type = source.values.find(({ key }) => key === 'customInstanceType');
  const others = source.values.filter((each) => each !== kind);
  if (kind && typeof kind.value === 'string' && kind.value.startsWith('ml.')) {
    const custom = { ...kind, value: 'custom' };
    const implied: Given[] = type ? [] : [{ key: 'customInstanceType', value: kind.value, from: kind.from }];
    if (type && type.value !== kind.value) {
      const message = `contradicts customInstanceType ${show(type.value)}`;
      const problem = {
        key: kind.key,
        from: kind.from,
        message: `${show(kind.value)} ${message}`,
        hint: 'set only one',
      };
      return { ...source, values: [custom, ...others], problems: [...source.problems, problem] };
    }
    return { ...source, values: [custom, ...implied, ...others] };
  }
  if (!kind && type)
    return { ...source, values: [{ key: 'instanceType', value: 'custom', from: type.from }, ...others] };
  return source;
}
