// The summary shown before writing, and the list of questions that the user can go back to.
import { basename } from 'node:path';
import { entryOf } from '../catalog/frameworks.js';
import { instanceFor, specOf } from '../catalog/instances.js';
import type { Gathered } from './gather.js';
import { type Answers, flagOf, type Key, keys, table } from './parameters.js';
import type { Problem } from './problems.js';
import type { Choice, Question } from './prompts.js';
import { kindOf } from './values.js';
import { wrap } from './wrap.js';

const TITLE_COLUMNS = 30;
const acronyms: Readonly<Record<string, string>> = { aws: 'AWS', arn: 'ARN' };
const titles: Partial<Record<Key, string>> = {
  projectDir: 'Project folder',
  modelMemory: 'Size of the weights',
  multiModel: 'Multi-model endpoint',
  serverlessMaxConcurrency: 'Maximum concurrency',
  deployTool: 'Deployment tools',
  includeSampleModel: 'Sample model',
  includeTests: 'Tests',
  includeTraining: 'Training container',
};

/** A title for a key: "Deploy target" for deployTarget. */
export function titleOf(key: Key): string {
  const own = titles[key];
  if (own) return own;
  const words = key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).split(' ');
  const title = words.map((word) => acronyms[word] ?? word).join(' ');
  return title.charAt(0).toUpperCase() + title.slice(1);
}

const lowerTitle = (key: Key) => titleOf(key).replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());

/**
 * Replaces flags by the titles of the questions, for prompts: "set deploy target to async" for "use --deploy-target=async".
 * Keeps flags that no question stands for.
 */
export const inWords = (text: string): string =>
  text.replace(
    /(?:\b(?:use|set|add|pass) )?--(no-)?([a-z][a-z-]*)(?:=([^\s,;:)]+))?/g,
    (flag, no, name, value = '') => {
      const key = keyOf(name);
      if (!key) return flag;
      if (key === 'projectDir') return lowerTitle('projectName');
      const isPlaceholder = /^[A-Z/]+(\.py)?$/.test(value);
      const { silent } = table[key];
      if (silent === true || (silent && isPlaceholder)) return flag;
      const answer = kindOf(key) === 'boolean' ? (no ? 'no' : 'yes') : isPlaceholder ? '' : value;
      return answer ? `set ${lowerTitle(key)} to ${answer}` : lowerTitle(key);
    },
  );

const keyOf = (name: string) => keys.find((key) => flagOf(key) === `--${name}`);

/** A value with its description. */
export function describeValue(key: Key, answers: Answers): string {
  const value = answers[key];
  if (value === undefined) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.join(', ');
  if (key === 'framework' && answers.framework) return entryOf(answers.framework).label;
  if (key === 'instanceType') return describeInstance(answers);
  if (key === 'frameworkVersion') return `${value} of ${libraryOf(answers)}`;
  if (key === 'model') return basename(String(value));
  const unit = units[key];
  if (unit) return `${value} ${unit}`;
  const label = table[key].labels?.(String(value), answers);
  return label ? `${value}: ${label}` : String(value);
}

/** The library that the framework's version is of: models in ONNX have no version, so it is that of their runtime. */
const libraryOf = ({ framework = 'custom' }: Answers) =>
  framework === 'onnx' ? 'ONNX Runtime' : entryOf(framework).label;

function describeInstance(answers: Answers): string {
  const instance = instanceFor(answers);
  return instance ? `${instance.type}: ${specOf(instance)}` : String(answers.instanceType);
}

/** Values that the summary omits, because they are redundant or have no effect. */
function isOmitted(key: Key, answers: Answers): boolean {
  const { deployTarget, framework, projectDir, projectName } = answers;
  if (key === 'instanceType') return deployTarget === 'serverless';
  if (key === 'projectDir') return projectDir === `./${projectName}`;
  if (key === 'runtime') return !framework || !entryOf(framework).converts;
  if (notForLanguageModels.has(key)) return framework === 'transformers' && !answers[key];
  return key === 'customInstanceType';
}

const notForLanguageModels: ReadonlySet<Key> = new Set(['multiModel', 'includeSampleModel', 'includeTraining']);
const units: Partial<Record<Key, string>> = { modelMemory: 'GiB', serverlessMemory: 'MB' };

/** The summary, with one value per line. */
export function summaryOf({ answers, model, warnings }: Pick<Gathered, 'answers' | 'model' | 'warnings'>): string {
  const wrapTitle = (title: string) => wrap(`  ${title}`.padEnd(TITLE_COLUMNS), { indent: TITLE_COLUMNS });
  const rows = keys.filter((key) => answers[key] !== undefined && !isOmitted(key, answers)).map(row);
  return ['', 'Your project:', '', ...rows, ...warnings.map((each) => wrap(`\nWarning: ${inWords(each)}`)), ''].join(
    '\n',
  );

  function row(key: Key): string {
    const what = key === 'model' && model ? ` (${model.what})` : '';
    const [first = '', ...more] = wrapTitle(titleOf(key)).split('\n');
    const text = wrap(`${' '.repeat(TITLE_COLUMNS)}${describeValue(key, answers)}${what}`, { indent: TITLE_COLUMNS });
    return [first.padEnd(TITLE_COLUMNS) + text.slice(TITLE_COLUMNS), ...more].join('\n');
  }
}

/** The last question: whether to write the files. */
export function confirmationFor(gathered: Gathered): Question {
  return {
    name: 'confirmation',
    intro: summaryOf(gathered),
    message: 'What do you want to do?',
    type: 'select',
    choices: [
      choice('write', 'Write the files'),
      choice('back', 'Go back to a question'),
      choice('cancel', 'Cancel: write nothing'),
    ],
    default: 'write',
    loop: false,
  };
}

/** Asks whether to replace the user's own files that are in the way. */
export const questionToReplace = ({ message }: Problem): Question => ({
  name: 'replace',
  intro: wrap(`\n${message}.`),
  message: 'Replace them? The old files are saved as NAME.orig (n: back to the questions)',
  type: 'confirm',
  default: false,
});

/** Asks whether to use a model that runs commands when it is loaded. */
export const questionToTrust = (danger: string): Question => ({
  name: 'trust',
  intro: wrap(`\n${danger}. Do not use it unless you know why.`),
  message: 'Use it anyway? (n: back to the question)',
  type: 'confirm',
  default: false,
});

/** Asks which question to go back to. */
export function questionToGoBackTo(asked: ReadonlySet<Key>, answers: Answers): Question {
  const questions = keys.filter((key) => asked.has(key));
  const choices = questions.map((key) => choice(key, `${titleOf(key).padEnd(TITLE_COLUMNS)} ${short(key, answers)}`));
  return {
    name: 'back',
    message: 'Which question?',
    type: 'select',
    choices: [...choices, choice('', 'None: back to the summary')],
    default: '',
    pageSize: choices.length + 1,
    loop: false,
  };
}

const short = (key: Key, answers: Answers) => {
  const answer = answers[key];
  const plain = typeof answer === 'boolean' || Array.isArray(answer);
  const value = plain ? describeValue(key, answers) : String(answer ?? 'none');
  return value.length > 48 ? `${value.slice(0, 47)}…` : value;
};
const choice = (value: string, name: string): Choice => ({ name, short: name.split(/:| {2}/)[0] ?? name, value });
