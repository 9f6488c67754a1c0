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
export function isPossible(collect: Collect, progress: Progress, machine: Machine): boolean {
  const { problems, open, answers } = collect(progress.answered);
  const real = realProblems(problems);
  if (!real.length) return true;
  if (real.some(({ key }) => !SOLVABLE.has(key))) return false;
  const key = ADJUSTABLE.find((each) => open.includes(each) && !progress.asked.has(each));
  return key !== undefined && valuesToTry(key, answers, machine).some((value) => tryAnswer({ key, value }));

  function tryAnswer({ key, value }: { key: Key; value: unknown }): boolean {
    return isPossible(collect, withAnswer(progress, { key, value, from: YOUR_ANSWER }), machine);
  }
}

/** The answers to try. `custom` is left out, because its type is not known yet. */
const valuesToTry = (key: Key, answers: Answers, machine: Machine) =>
  offersFor(key, answers, machine).filter((value) => value !== 'custom');

/** Adds an answer, which replaces an earlier one to the same question. */
export const withAnswer = ({ answered, asked }: Progress, given: Given): Progress => ({
  answered: [...answered.filter(({ key }) => key !== given.key), given],
  asked: new Set([...asked, given.key]),
});

/** Returns a function that explains why an answer cannot work. */
export function refuser(collect: Collect, progress: Progress, machine: Machine): Refuse {
  const before = new Set(realProblems(collect(progress.answered).problems).map(({ message }) => message));
  return (given) => {
    const next = withAnswer(progress, given);
    if (isPossible(collect, next, machine)) return undefined;
    const problems = realProblems(collect(next.answered).problems);
    const [problem] = problems.filter(({ message }) => !before.has(message)).concat(problems);
    return problem && { reason: problem.message, advice: problemText(problem) };
  };
}

/** A problem on one line: the reason, then the hint, for prompts, which have no --force. */
export const problemText = ({ key, message, hint }: Problem) =>
  inWords([message, key === CONFLICT ? 'choose another --project-dir' : hint].filter(Boolean).join(': '));
