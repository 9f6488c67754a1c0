// The questions, one after the other, to a project or to an explicit cancel: whatever is answered, nothing answered is lost.
import type { Collect, Gathered } from './gather.js';
import { isKey, type Key, keys, type Machine } from './parameters.js';
import { inWords, isPossible, type Progress, realProblems, refuser, withAnswer } from './possible.js';
import { CancelledError, type Problem } from './problems.js';
import { nextQuestion, problemWith, type Question, type Refuse, readAnswer } from './prompts.js';
import type { Given } from './sources.js';
import { backTo, confirmationFor } from './summary.js';
import { wrap } from './wrap.js';

/** Puts one question; its answer is a value of the parameter or the text typed. */
export type Ask = (question: Question) => Promise<unknown>;

/** A user who answers, and what else can be wrong with the answers: files in the way of the project. */
export interface Dialogue {
  ask: Ask;
  check?: (gathered: Gathered) => readonly Problem[];
}

/** Where a dialogue stands. */
interface State extends Progress {
  /** Answers to put again: the defaults of their questions. */
  earlier: ReadonlyMap<Key, unknown>;
  /** Why a question is put again. */
  reason?: string;
}

/** Answers that decide where the project and the model go: the disk is looked at for each. */
const PLACES: ReadonlySet<Key> = new Set<Key>(['projectName', 'model']);
/** Times that the same answers may meet the same problem. Only a program gives them so often. */
const MAX_REPEATS = 10;

/** Asks what is open until the user agrees to the summary. Where no answer can help, what is wrong is returned. */
export async function converse(collect: Collect, dialogue: Dialogue, machine: Machine): Promise<Gathered> {
  const { ask, check = () => [] } = dialogue;
  const repeats = new Map<string, number>();
  let state: State = { answered: [], asked: new Set(), earlier: new Map() };
  for (;;) {
    const gathered = collect(state.answered);
    const isPut = state.asked.size > 0;
    const isStuck = !isPossible(collect, state, machine) || (!isPut && check(gathered).length > 0);
    if (isStuck && !isPut) return withChecks(gathered, check);
    const refuse = withPlaces(refuser(collect, state, machine), (given) =>
      check(collect(withAnswer(state, given).answered)),
    );
    const question = isStuck ? undefined : nextQuestion(gathered, { ...state, machine, refuse });
    if (question) {
      const next = await put(withReason(question, state), ask, state, refuse);
      if (!next) return withChecks(gathered, check);
      state = readmitted(next, collect, machine);
      continue;
    }
    if (!isPut) return gathered;
    const { problems } = withChecks(gathered, check);
    const problem = realProblems(problems)[0] ?? problems[0];
    if (problem) {
      const reached = JSON.stringify([state.answered, problem.message]);
      repeats.set(reached, (repeats.get(reached) ?? 0) + 1);
      if ((repeats.get(reached) ?? 0) > MAX_REPEATS) return { ...gathered, problems };
      state = reopened(state, questionFor(problem, state), inWords(problem));
      continue;
    }
    const decision = await decide(gathered, state, ask);
    if (decision === 'write') return { ...gathered, confirmed: true };
    if (decision) state = reopened(state, decision);
  }
}

/** What was gathered with the problems that only a look at the disk shows. */
function withChecks(gathered: Gathered, check: NonNullable<Dialogue['check']>): Gathered {
  return gathered.problems.length ? gathered : { ...gathered, problems: check(gathered) };
}

/** Refuses, too, a place that cannot be written. */
function withPlaces(refuse: Refuse, problemsOf: (given: Given) => readonly Problem[]): Refuse {
  return (given) => {
    const refused = refuse(given);
    if (refused || !PLACES.has(given.key)) return refused;
    const [problem] = problemsOf(given);
    return problem && { reason: problem.message, advice: inWords(problem) };
  };
}

const withReason = (question: Question, { reason }: State): Question =>
  reason ? { ...question, intro: wrap(`\n${reason}`) } : question;

/** Puts a question until its answer can work. Nothing where too many answers in a row cannot, as a program gives them. */
async function put(question: Question, ask: Ask, state: State, refuse: Refuse): Promise<State | undefined> {
  const key = question.name as Key;
  let asking = question;
  for (let repeats = 0; repeats <= MAX_REPEATS; repeats++) {
    const answer = await ask(asking);
    const wrong = problemWith(key, answer, refuse);
    if (!wrong) {
      const { reason: _, ...rest } = state;
      return { ...rest, ...withAnswer(state, readAnswer(key, answer)) };
    }
    asking = { ...question, intro: wrap(`\n${wrong}`) };
  }
  return undefined;
}

/** Asks whether to write; the question to go back to, nothing for none. Throws where the user cancels. */
async function decide(gathered: Gathered, state: State, ask: Ask): Promise<'write' | Key | undefined> {
  const decision = await ask(confirmationFor(gathered));
  if (decision === 'cancel') throw new CancelledError();
  if (decision !== 'back') return 'write';
  const key = String(await ask(backTo(state.asked, gathered.answers)));
  return isKey(key) ? key : undefined;
}

/** The state in which a question is open again, and those after it wait to be readmitted. */
function reopened(state: State, key: Key, reason?: string): State {
  const isBefore = (each: Key) => keys.indexOf(each) < keys.indexOf(key);
  const later = state.answered.filter((given) => !isBefore(given.key));
  return {
    answered: state.answered.filter((given) => isBefore(given.key)),
    asked: new Set([...state.asked].filter(isBefore)),
    earlier: new Map([...state.earlier, ...later.map(({ key: each, value }) => [each, value] as const)]),
    ...(reason && { reason }),
  };
}

/** Takes earlier answers again that still work with those before them. */
function readmitted(state: State, collect: Collect, machine: Machine): State {
  let progress: State = state;
  for (const key of keys) {
    if (!state.earlier.has(key) || progress.asked.has(key)) continue;
    const given: Given = { key, value: state.earlier.get(key), from: 'your answer' };
    const isOpen = collect(progress.answered).open.includes(key);
    const fits = isOpen && !problemWith(key, given.value, refuser(collect, progress, machine));
    if (fits) progress = { ...progress, ...withAnswer(progress, given) };
  }
  return progress;
}

/** The question that a problem is about: its own, else the one that named the place or the model, else the last. */
function questionFor({ key }: Problem, { asked }: State): Key {
  const own: readonly string[] = [key, ...(key === 'projectDir' || key === 'files' ? ['projectName', 'model'] : [])];
  const found = own.find((each) => isKey(each) && asked.has(each));
  return (found ?? [...asked].at(-1)) as Key;
}
