// Which answers can still lead to a project: an answer is refused only where no answer to the open questions makes it work.
import type { Collect } from './gather.js';
import type { Answers, Key, Machine } from './parameters.js';
import type { Problem } from './problems.js';
import type { Refuse } from './prompts.js';
import { offersFor } from './settle.js';
import { type Given, YOUR_ANSWER } from './sources.js';

/** What has been answered, and which questions have been put. */
export interface Progress {
  answered: readonly Given[];
  asked: ReadonlySet<Key>;
}

/** Questions whose default may not work, and whose other answers may. */
const ADJUSTABLE: readonly Key[] = ['modelServer', 'instanceType', 'serverlessMemory'];
/** What problems are said of that another answer to those questions solves. */
const SOLVABLE: ReadonlySet<string> = new Set<Key>([
  ...ADJUSTABLE,
  'deployTarget',
  'multiModel',
  'modelDelivery',
  'includeSampleModel',
]);

/** Problems but for values that are only missing: those will be asked for. */
export const realProblems = (problems: readonly Problem[]) => problems.filter(({ from }) => from !== 'no source');

/** Whether the answers work, or can with other answers to the questions that are still open. */
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

/** A type that the user has still to name proves nothing. */
const valuesToTry = (key: Key, answers: Answers, machine: Machine) =>
  offersFor(key, answers, machine).filter((value) => value !== 'custom');

/** The progress with one more answer, in place of an earlier one to the same question. */
export const withAnswer = ({ answered, asked }: Progress, given: Given): Progress => ({
  answered: [...answered.filter(({ key }) => key !== given.key), given],
  asked: new Set([...asked, given.key]),
});

/** Says of an answer why it cannot work, each answer checked once. */
export function refuser(collect: Collect, progress: Progress, machine: Machine): Refuse {
  const before = new Set(realProblems(collect(progress.answered).problems).map(({ message }) => message));
  return (given) => {
    const next = withAnswer(progress, given);
    if (isPossible(collect, next, machine)) return undefined;
    const problems = realProblems(collect(next.answered).problems);
    const [problem] = problems.filter(({ message }) => !before.has(message)).concat(problems);
    return problem && { reason: problem.message, advice: inWords(problem) };
  };
}

/** A problem in a line: the reason, and the way out. */
export const inWords = ({ message, hint }: Problem) => [message, hint].filter(Boolean).join(': ');
