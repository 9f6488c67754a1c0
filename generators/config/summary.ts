// What is about to be written, in words: shown before writing, with the questions that can be put again.
import { basename } from 'node:path';
import { entryOf } from '../catalog/frameworks.js';
import { instanceFor, specOf } from '../catalog/instances.js';
import type { Gathered } from './gather.js';
import { type Answers, type Key, keys, table } from './parameters.js';
import type { Choice, Question } from './prompts.js';
import { wrap } from './wrap.js';

const TITLE_COLUMNS = 30;
const acronyms: Readonly<Record<string, string>> = { aws: 'AWS', arn: 'ARN' };

/** "Deploy target" of deployTarget. */
export function titleOf(key: Key): string {
  const words = key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).split(' ');
  const title = words.map((word) => acronyms[word] ?? word).join(' ');
  return title.charAt(0).toUpperCase() + title.slice(1);
}

/** A value as people say it, with what it stands for. */
export function valueInWords(key: Key, answers: Answers): string {
  const value = answers[key];
  if (value === undefined) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.join(', ');
  if (key === 'framework' && answers.framework) return entryOf(answers.framework).label;
  if (key === 'instanceType') return instanceInWords(answers);
  if (key === 'model') return basename(String(value));
  const label = table[key].labels?.(String(value), answers);
  return label ? `${value}: ${label}` : String(value);
}

function instanceInWords(answers: Answers): string {
  const instance = instanceFor(answers);
  return instance ? `${instance.type}: ${specOf(instance)}` : String(answers.instanceType);
}

/** What the summary leaves out: it says nothing new, or nothing that matters. */
function isLeftOut(key: Key, { deployTarget }: Answers): boolean {
  if (key === 'instanceType') return deployTarget === 'serverless';
  return key === 'projectDir' || key === 'customInstanceType';
}

/** The summary, a line for each value. */
export function summaryOf({ answers, model, warnings }: Pick<Gathered, 'answers' | 'model' | 'warnings'>): string {
  const row = (title: string, value: string) =>
    wrap(`  ${title}`.padEnd(TITLE_COLUMNS).concat(value), { indent: TITLE_COLUMNS });
  const rows = keys.filter((key) => answers[key] !== undefined && !isLeftOut(key, answers)).map((key) => line(key));
  return ['', 'Your project:', '', ...rows, ...warnings.map((each) => wrap(`\nWarning: ${each}`)), ''].join('\n');

  function line(key: Key): string {
    const what = key === 'model' && model ? ` (${model.what})` : '';
    const [first = '', ...more] = row(titleOf(key), '').split('\n');
    const text = wrap(`${' '.repeat(TITLE_COLUMNS)}${valueInWords(key, answers)}${what}`, { indent: TITLE_COLUMNS });
    return [first.padEnd(TITLE_COLUMNS) + text.slice(TITLE_COLUMNS), ...more].join('\n');
  }
}

/** The last question. */
export function confirmationFor(gathered: Gathered): Question {
  return {
    name: 'confirmation',
    intro: summaryOf(gathered),
    message: 'What next?',
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

/** Which question to put again. */
export function backTo(asked: ReadonlySet<Key>, answers: Answers): Question {
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
  const value = String(answers[key] ?? 'none');
  return value.length > 48 ? `${value.slice(0, 47)}…` : value;
};
const choice = (value: string, name: string): Choice => ({ name, short: name.split(/:| {2}/)[0] ?? name, value });
