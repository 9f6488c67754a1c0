// The sources of answers. Each gives raw values and says where they came from; none of them judges a value.
import { flagOf, isKey, type Key, keys, variableOf } from './parameters.js';
import { didYouMean, type Problem, show } from './problems.js';
import { kindOf, readText } from './values.js';

/** A value as a source has it; `from` is what a user calls the place: --framework, ML_FRAMEWORK, a file's name. */
export interface Given {
  key: Key;
  value: unknown;
  from: string;
}

/** What an answer to a prompt comes from. */
export const YOUR_ANSWER = 'your answer';

/** What one source says. The order of sources is the precedence: the strongest comes first. */
export interface Source {
  values: readonly Given[];
  problems: readonly Problem[];
  warnings: readonly string[];
}

/** What is for this run only, and stored nowhere. */
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
  config: 'Read answers from this JSON file',
  skipPrompts: 'Ask nothing; take the defaults',
  force: 'Overwrite files in the way; what you edited is saved as NAME.orig',
  dryRun: 'List what would be written (update: as a diff), write nothing',
  json: 'Print one JSON object on stdout, the rest on stderr',
  explain: 'Print each value and where it came from',
  help: 'Print this help',
  version: 'Print the version',
};
const isRunFlag = (word: string): word is keyof RunFlags => Object.hasOwn(runFlags, word);

export interface CommandLine extends Source {
  run: RunFlags;
}

const camel = (flag: string) => flag.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** Reads flags and the one argument, the project's name; flags come first in `values`, as they are stronger. */
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
      hint: 'only the project name is given without a flag',
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
    into.problems.push({ key, from: flag, message: `${flag} needs a value`, hint: `${flag}=VALUE` });
  } else if (isKey(key)) {
    const read = readText(key, value);
    into.flags.push({ key, value: no && typeof read === 'boolean' ? !read : read, from: flag });
  } else if (key === 'config') into.run[key] = value;
  else if (/^(true|1|false|0)$/i.test(value)) {
    if (/^(true|1)$/i.test(value) !== Boolean(no)) into.run[key] = true;
  } else into.problems.push({ key, from: flag, message: `${flag} takes no value, not ${show(value)}` });
}

/** One value for each flag: lists given twice are joined, anything else given twice must agree. */
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
        message: `given twice: ${show(before.value)} and ${show(flag.value)}`,
      });
    }
  }
  return [...seen.values()];
}

/** Reads options that a program hands to the generator (yeoman-test, composition); what is not ours is Yeoman's. */
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

/** Reads ML_* variables; the AWS tools' own region variables feed awsRegion where ML_AWS_REGION does not. */
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
      warnings.push(`the variable ${variable} is not one of this generator's and is ignored${hint ? `: ${hint}` : ''}`);
    }
  }
  for (const variable of ['AWS_REGION', 'AWS_DEFAULT_REGION']) {
    const value = env[variable];
    if (value && !values.some(({ key }) => key === 'awsRegion'))
      values.push({ key: 'awsRegion', value, from: variable });
  }
  return { values, problems: [], warnings };
}

/** Reads a JSON object's keys as parameters. A string stands for the same as in a flag. */
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

/** Within one source: a literal ml.… type means custom with that type, and a type given alone means custom. */
export function withInstanceImplied(source: Source): Source {
  const kind = source.values.find(({ key }) => key === 'instanceType');
  const type = source.values.find(({ key }) => key === 'customInstanceType');
  const others = source.values.filter((each) => each !== kind);
  if (kind && typeof kind.value === 'string' && kind.value.startsWith('ml.')) {
    const custom = { ...kind, value: 'custom' };
    const implied: Given[] = type ? [] : [{ key: 'customInstanceType', value: kind.value, from: kind.from }];
    if (type && type.value !== kind.value) return source;
    return { ...source, values: [custom, ...implied, ...others] };
  }
  if (!kind && type)
    return { ...source, values: [{ key: 'instanceType', value: 'custom', from: type.from }, ...others] };
  return source;
}
