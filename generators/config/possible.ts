// Checks whether answers can still lead to a project. Refuses one only if no answer to the open questions would fix it.
import type { Collect } from './gather.js';
import type { Answers, Key, Machine } from './parameters.js';
import { CONFLICT, noSource, type Problem } from './problems.js';
import type { Refuse } from './prompts.js';
import { offersFor } from './settle.js';
import { type Given, YOUR_ANSWER } from './sources.js';
import { inWords } from './summary.js';

/** The answers so far, and the questions that were asked. */
export interface Progress {
  answered: readonly Given[];
  asked: ReadonlySet<Key>;
}

/** Questions whose default might not work, while other answers do. */
const ADJUSTABLE: readonly Key[] = ['modelServer', 'instanceType', 'serverlessMemory'];
/** The keys of problems that other answers to those questions can solve. */
const SOLVABLE: ReadonlySet<string> = new Set<Key>([
  ...ADJUSTABLE,
  'deployTarget',
  'multiModel',
  'modelDelivery',
  'includeSampleModel',
]);

/** Problems except missing values, which the prompts ask for. */
export const realProblems = (problems: readonly Problem[]) => problems.filter(({ from }) => from !== noSource);

/** Whether the answers work, or would work with other answers to the open questions. */
export const isPossible = (...args: Parameters<typeof obstacles>): boolean => !obstacles(...args).length;

/** The problems that no answer to the open questions solves: with their defaults, or with the last answer tried. */
function obstacles(collect: Collect, progress: Progress, machine: Machine): readonly Problem[] {
  const { problems, open, answers } = collect(progress.answered);
  const real = realProblems(problems);
  if (!real.length || real.some(({ key }) => !SOLVABLE.has(key))) return real;
  const key = ADJUSTABLE.find((each) => open.includes(each) && !progress.asked.has(each));
  let last: readonly Problem[] = real;
  for (const value of key ? valuesToTry(key, answers, machine) : []) {
    last = obstacles(collect, withAnswer(progress, { key: key as Key, value, from: YOUR_ANSWER }), machine);
    if (!last.length) return last;
  }
  return real.some((each) => each.key === 'instanceType') ? real : last; // a default type that is too small says most
}

/** The reason to ask for the size of a model: nothing works with the size in its name, but a smaller one would do. */
export function doubtfulSize(collect: Collect, progress: Progress, machine: Machine): string | undefined {
  if (!progress.asked.has('modelName') || !collect(progress.answered).open.includes('modelMemory')) return undefined;
  const [problem] = progress.asked.has('modelMemory') ? [] : obstacles(collect, progress, machine);
  const isSmaller = { key: 'modelMemory', value: 1, from: YOUR_ANSWER } as const;
  if (!problem || !isPossible(collect, withAnswer(progress, isSmaller), machine)) return undefined;
  return problemText({ ...problem, hint: problem.hint?.split(';')[0] ?? '' }); // the rest is about the size
}

/** The answers to try. `custom` is left out, because its type is not known yet. */
const valuesToTry = (key: Key, answers: Answers, machine: Machine) =>
  offersFor(key, answers, machine).filter((value) => value !== 'custom');

/** Adds an answer, which replaces an earlier one to the same question. */
export const withAnswer = ({ answered, asked }: Progress, given: Given): Progress => ({
  answered: [...answered.filter(({ key }) => key !== given.key), given],
  asked: new Set([...asked, given.key]),
});

/** Returns a function that explains why an answer cannot work. A name that gives a doubtful size can. */
export function refuser(collect: Collect, progress: Progress, machine: Machine): Refuse {
  const before = new Set(realProblems(collect(progress.answered).problems).map(({ message }) => message));
  return (given) => {
    const next = withAnswer(progress, given);
    const problems = obstacles(collect, next, machine);
    if (!problems.length || (given.key === 'modelName' && doubtfulSize(collect, next, machine))) return undefined;
    const [problem] = problems.filter(({ message }) => !before.has(message)).concat(problems);
    return problem && { reason: problem.message, advice: problemText(problem) };
  };
}

/** A problem on one line: the reason, then the hint, for prompts, which have no --force. */
export const problemText = ({ key, message, hint }: Problem) =>
  inWords([message, key === CONFLICT ? 'choose another --project-dir' : hint].filter(Boolean).join(': '));
