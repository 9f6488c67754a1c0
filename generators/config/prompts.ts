// Turns parameters into questions for Yeoman (inquirer), with the choices that can work with the answers so far.
import type { Gathered } from './gather.js';
import { type Answers, type Key, type Machine, table } from './parameters.js';
import { malformed, offersFor, type Settled } from './settle.js';
import { type Given, YOUR_ANSWER } from './sources.js';
import { kindOf, readText } from './values.js';
import { COLUMNS, wrap } from './wrap.js';

export interface Choice {
  name: string;
  short: string;
  value: unknown;
  checked?: boolean;
  /** Why it cannot be chosen. */
  disabled?: string;
}

export interface Question {
  name: Key | 'confirmation' | 'back' | 'replace' | 'trust';
  message: string;
  type: 'select' | 'checkbox' | 'confirm' | 'input' | 'path';
  /** Printed once, above the question. */
  intro?: string;
  choices?: Choice[];
  default?: unknown;
  validate?: (answer: unknown) => true | string;
  pageSize?: number;
  loop?: false;
}

/** Why an answer cannot work with the others, without and with the hint; undefined if it can. */
export type Refuse = (given: Given) => { reason: string; advice: string } | undefined;

/** What a question depends on besides the answers. */
export interface QuestionContext {
  asked: ReadonlySet<Key>;
  machine: Machine;
  refuse: Refuse;
  /** Earlier answers, which are the defaults of questions asked again. */
  earlier: ReadonlyMap<Key, unknown>;
}

/** The next question: for an open parameter with more than one answer that can work. */
export function nextQuestion(
  { open, answers, needed }: Settled & Pick<Gathered, 'needed'>,
  context: QuestionContext,
): Question | undefined {
  const decided = Object.fromEntries(Object.entries(answers).filter(([key]) => isDecided(key as Key, open, context)));
  const key = open.find(
    (each) =>
      !context.asked.has(each) && (each in needed || !isSilent(each, decided)) && isQuestion(each, answers, context),
  );
  if (!key) return undefined;
  const question = questionFor(key, answers, context);
  const reason = needed[key];
  return reason ? { ...question, intro: wrap(`\n${reason}.`) } : question;
}

const isDecided = (key: Key, open: readonly Key[], { asked }: QuestionContext) => !open.includes(key) || asked.has(key);

function isSilent(key: Key, known: Answers): boolean {
  const { silent } = table[key];
  return typeof silent === 'function' ? silent(known) : silent === true;
}

/** Whether there is a choice. There is none for a boolean that cannot be true. */
function isQuestion(key: Key, known: Answers, { refuse, machine }: QuestionContext): boolean {
  if (kindOf(key) === 'boolean') return !refuse({ key, value: true, from: YOUR_ANSWER });
  return table[key].required === true || offersFor(key, known, machine).length !== 1;
}

/** The text of the prompt for a parameter. */
export function promptOf(key: Key, known: Answers): string {
  const { prompt, about } = table[key];
  return (typeof prompt === 'function' ? prompt(known) : prompt) ?? about;
}

function questionFor(key: Key, answers: Answers, context: QuestionContext): Question {
  const before = context.earlier.get(key);
  const standard = answers[key];
  const isRefused = before !== undefined && problemWith(key, before, context.refuse) !== undefined;
  const earlier = isRefused ? standard : (before ?? standard);
  const prompt = promptOf(key, answers);
  const text =
    earlier === undefined
      ? prompt
      : prompt.replace(/\([^()]*Enter\b[^)]*\)/, '(Enter: keep this value, Backspace: clear it)');
  const note = table[key].note?.(answers, context.machine);
  const common = { name: key, message: `${text}:`, default: earlier, ...(note && { intro: wrap(note) }) };
  const validate = (answer: unknown) => problemWith(key, answer, context.refuse) ?? true;
  if (kindOf(key) === 'boolean') return { ...common, message: `${text}?`, type: 'confirm' };
  const choices = choicesOf(key, answers, context);
  if (!choices.length) return { ...common, type: table[key].isPath ? 'path' : 'input', validate };
  const list = { choices, pageSize: PAGE_LINES, loop: false as const };
  if (kindOf(key) === 'array') {
    const selected = (earlier ?? []) as readonly unknown[];
    const checked = choices.map((each) => ({ ...each, checked: selected.includes(each.value) && !each.disabled }));
    return { ...common, type: 'checkbox', ...list, choices: checked, validate };
  }
  const possible = choices.filter(({ disabled }) => !disabled);
  const initial = [earlier, standard].map((each) => possible.find(({ value }) => value === each)).find(Boolean);
  return { ...common, type: 'select', ...list, default: (initial ?? possible[0])?.value };
}

/** Lines of a list shown at once. Only the regions need more. */
const PAGE_LINES = 18;
/** Width of a value in a list, before its description. */
const VALUE_COLUMNS = 16;
/** Width of the cursor of a list and of its check boxes. */
const MARK_COLUMNS = 4;

function choicesOf(key: Key, answers: Answers, { refuse, machine }: QuestionContext): Choice[] {
  const isList = kindOf(key) === 'array';
  return offersFor(key, answers, machine).map((value) => {
    const short = String(value);
    const refused = refuse({ key, value: isList ? [value] : value, from: YOUR_ANSWER });
    if (refused) return { name: short.padEnd(VALUE_COLUMNS), short, value, disabled: fit(`(${refused.reason})`) };
    const label = table[key].labels?.(short, answers);
    return { name: label ? `${short.padEnd(VALUE_COLUMNS)} ${fit(label)}` : short, short, value };
  });
}

/** Wraps a description into the columns to the right of the value. */
function fit(text: string): string {
  const indent = MARK_COLUMNS + VALUE_COLUMNS + 1;
  return wrap(text, { width: COLUMNS - indent }).replaceAll('\n', `\n${' '.repeat(indent - 2)}`);
}

/** Parses an answer. The value is undefined if an optional parameter was left empty. */
export function readAnswer(key: Key, typed: unknown): Given {
  const from = YOUR_ANSWER;
  const answer = typeof typed === 'string' ? typed.trim() : typed;
  if (answer === undefined || (answer === '' && !table[key].required)) return { key, value: undefined, from };
  return { key, value: typeof answer === 'string' ? readText(key, answer) : answer, from };
}

/** What is wrong with an answer, by itself or with the others; undefined if it is valid. */
export function problemWith(key: Key, answer: unknown, refuse: Refuse): string | undefined {
  const given = readAnswer(key, Array.isArray(answer) ? answer.map((each) => each?.value ?? each) : answer);
  const problem = given.value === undefined ? undefined : malformed(given);
  if (problem)
    return wrap([problem.message, problem.hint].filter(Boolean).join('; '), { width: COLUMNS - MARK_COLUMNS });
  const refused = refuse(given);
  return refused && wrap(refused.advice, { width: COLUMNS - MARK_COLUMNS });
}
