// A user who answers prompts as chance has it, and never with what a prompt refuses.
import assert from 'node:assert/strict';
import { instanceTypes } from '../../generators/catalog/instances.data.js';
import type { Choice, Question } from '../../generators/config/prompts.js';

/** Texts typed at each question, good and bad ones; every other question takes an empty line. */
const typed: Readonly<Record<string, readonly string[]>> = {
  projectName: ['', 'demo', 'My Model', '-'],
  modelName: [
    'Qwen/Qwen3-8B',
    'org/model',
    'a/b-70b',
    'Qwen/Qwen3-0.6B',
    'a/b-9000b',
    'no id',
    's3://bucket/llama-13b/',
  ],
  modelMemory: ['', '1', '30', '300', '4000', 'many'],
  customInstanceType: [
    'ml.m5.large',
    'ml.g5.xlarge',
    'ml.m6g.large',
    'ml.c5',
    ...instanceTypes.map(({ type }) => type),
  ],
  instanceCount: ['1', '3', '0', 'x'],
  serverlessMaxConcurrency: ['5', '0'],
  frameworkVersion: ['0.1'],
  awsRoleArn: ['', 'arn:aws:iam::123456789012:role/x', 'arn:aws-cn:iam::123456789012:role/x', 'me'],
  model: ['', 'no-such-model'],
};

export interface Walk {
  ask: (question: Question) => Promise<unknown>;
  /** The questions in the order they came, each with its answer. */
  readonly answers: [string, unknown][];
}

/** Answers as wanted, where that can be chosen; else what is not in `taken` yet, and else what `pick` says, by its number. */
export function walker(
  wanted: Readonly<Record<string, unknown>>,
  pick: (count: number) => number,
  taken: ReadonlySet<string> = new Set(),
): Walk {
  const answers: [string, unknown][] = [];
  let left = 1;
  const answerTo = (question: Question): unknown => {
    const { name, type, choices = [], default: standard } = question;
    if (name === 'confirmation') return left-- > 0 ? 'back' : 'write';
    if (type === 'confirm') return name in wanted ? wanted[name] : pick(2) === 1;
    if (type === 'input' || type === 'path') return textFor(question, wanted[name], pick);
    const possible = choices.filter(({ disabled }) => !disabled);
    assert.ok(possible.length, `${name} offers nothing`);
    if (type === 'checkbox') return [possible[pick(possible.length)]?.value];
    assert.ok(
      possible.some(({ value }) => value === standard),
      `the default of ${name} is not offered`,
    );
    const own = possible.find(({ value }) => value === wanted[name]);
    const fresh = possible.filter(({ value }) => !taken.has(`${name} ${value}`));
    const others = fresh.length ? fresh : possible;
    return (own ?? (others[pick(others.length)] as Choice)).value;
  };
  const ask = async (question: Question) => {
    assert.ok(answers.length < 200, 'the questions do not end');
    const answer = answerTo(question);
    answers.push([question.name, answer]);
    return answer;
  };
  return { ask, answers };
}

/** A text that the question takes: refused ones are typed first. */
function textFor({ name, validate, default: standard }: Question, wanted: unknown, pick: (count: number) => number) {
  const pool = wanted === undefined ? (typed[name] ?? ['']) : [String(wanted)];
  const first = pick(pool.length);
  for (let at = 0; at < pool.length; at++) {
    const text = pool[(first + at) % pool.length] ?? '';
    const answer = text === '' && standard !== undefined ? String(standard) : text;
    const result = validate?.(answer) ?? true;
    if (result === true) return answer;
    assert.ok(result.length > 3, `${name} refuses ${text} without a reason`);
  }
  throw new assert.AssertionError({ message: `${name} takes none of ${pool.slice(0, 6).join(', ')}` });
}
