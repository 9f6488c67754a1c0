// Questions: a parameter as Yeoman's (inquirer's) question, with the choices that fit the answers so far.
import { type Answers, type Key, table } from './parameters.js';
import { conflicts } from './rules.js';
import { choicesFor, malformed, type Settled } from './settle.js';
import type { Given } from './sources.js';
import { kindOf, readText } from './values.js';

export interface Question {
  name: Key;
  message: string;
  type: 'select' | 'checkbox' | 'confirm' | 'input';
  choices?: { name: string; short: string; value: unknown; checked?: boolean }[];
  default?: unknown;
  validate?: (answer: unknown) => true | string;
}

/** The next parameter to ask about: open, and with more than one possible answer. */
export function nextQuestion({ open, answers }: Settled, asked: ReadonlySet<Key>): Question | undefined {
  const key = open.find((each) => !asked.has(each) && !isSilent(each, answers) && isQuestion(each, answers));
  return key && questionFor(key, answers);
}

function isSilent(key: Key, known: Answers): boolean {
  const { silent } = table[key];
  return typeof silent === 'function' ? silent(known) : silent === true;
}

/** Whether there is a choice; a switch is none where it cannot be on. */
function isQuestion(key: Key, known: Answers): boolean {
  if (kindOf(key) === 'boolean')
    return !conflicts({ ...known, [key]: true }, {}).some((problem) => problem.key === key);
  return table[key].required === true || choicesFor(key, known).length !== 1;
}

function questionFor(key: Key, answers: Answers): Question {
  const common = { name: key, message: `${table[key].about}:`, default: answers[key] };
  const validate = (answer: unknown) => problemWith(key, answer) ?? true;
  const choices = choicesFor(key, answers).map((value) => ({
    name: labelOf(key, String(value)),
    short: String(value),
    value,
  }));
  if (kindOf(key) === 'boolean') return { ...common, message: `${table[key].about}?`, type: 'confirm' };
  if (kindOf(key) === 'array') {
    const standard = answers[key] as readonly unknown[];
    return {
      ...common,
      type: 'checkbox',
      choices: choices.map((each) => ({ ...each, checked: standard.includes(each.value) })),
      validate,
    };
  }
  return choices.length ? { ...common, type: 'select', choices } : { ...common, type: 'input', validate };
}

function labelOf(key: Key, value: string): string {
  const label = table[key].labels?.[value];
  return label ? `${value.padEnd(13)} ${label}` : value;
}

/** An answer as a value of its parameter; undefined where an optional one was left empty. */
export function readAnswer(key: Key, answer: unknown): Given | undefined {
  if (answer === undefined || (answer === '' && !table[key].required)) return undefined;
  const value = typeof answer === 'string' ? readText(key, answer) : answer;
  return { key, value, from: 'your answer' };
}

function problemWith(key: Key, answer: unknown): string | undefined {
  const given = readAnswer(key, Array.isArray(answer) ? answer.map((each) => each?.value ?? each) : answer);
  const problem = given && malformed(given);
  return problem && [problem.message, problem.hint].filter(Boolean).join(': ');
}
