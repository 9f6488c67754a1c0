// Asks the questions one by one until the answers make a project or the user cancels. No answer is lost on the way.
import type { Collect, Gathered } from './gather.js';
import { isKey, type Key, keys, type Machine } from './parameters.js';
import { doubtfulSize, isPossible, type Progress, problemText, realProblems, refuser, withAnswer } from './possible.js';
import { CancelledError, CONFLICT, type Problem } from './problems.js';
import { nextQuestion, problemWith, type Question, type Refuse, readAnswer } from './prompts.js';
import { type Given, YOUR_ANSWER } from './sources.js';
import { confirmationFor, questionToGoBackTo, questionToReplace, questionToTrust } from './summary.js';
import { wrap } from './wrap.js';

/** Asks one question. The answer is a value of the parameter, or the text typed. */
export type Ask = (question: Question) => Promise<unknown>;

/** How to ask the user, and how to check the answers against the disk, where files can be in the way. */
export interface Dialogue {
  ask: Ask;
  check?: (gathered: Gathered) => readonly Problem[];
}

/** The state of a dialogue. */
interface State extends Progress {
  /** Earlier answers to questions that are open again. */
  earlier: ReadonlyMap<Key, unknown>;
  /** The questions answered with their default: the answer is kept only while it is still the default. */
  accepted: ReadonlySet<Key>;
  /** The files in the way that the user agreed to replace, as in the problem's message. */
  replaced?: string;
  /** Why the question is repeated. */
  reason?: string;
}

/** Answers that decide where the project and the model are written: each is checked against the disk. */
const CHECKED_ON_DISK: ReadonlySet<Key> = new Set<Key>(['projectName', 'model']);
/** How often the same answers can run into the same problem. Only a program repeats them that often. */
const MAX_REPEATS = 10;

/** What a dialogue needs at each step. */
interface Setting {
  collect: Collect;
  ask: Ask;
  check: NonNullable<Dialogue['check']>;
  machine: Machine;
  /** How often each set of answers ran into a problem. */
  repeats: Map<string, number>;
}

/** Asks the open questions until the user accepts the summary. Returns the problems if no answer can solve them. */
export async function runDialogue(collect: Collect, dialogue: Dialogue, machine: Machine): Promise<Gathered> {
  const setting: Setting = { collect, check: () => [], ...dialogue, machine, repeats: new Map() };
  let state: State = { answered: [], asked: new Set(), earlier: new Map(), accepted: new Set() };
  for (;;) {
    const gathered = gatheredAt(state, setting);
    const next = (await askNext(gathered, state, setting)) ?? (await conclude(gathered, state, setting));
    if ('problems' in next) return next;
    state = next;
  }
}

/** The answers so far. Also asks for the size of a model, if the one in its name rules it out. */
function gatheredAt(progress: Progress, { collect, machine }: Pick<Setting, 'collect' | 'machine'>): Gathered {
  const gathered = collect(progress.answered);
  const doubt = doubtfulSize(collect, progress, machine);
  if (!doubt) return gathered;
  const modelMemory = `${doubt}. If that size is wrong, type the right one; otherwise press Enter, to name another model`;
  return { ...gathered, needed: { ...gathered.needed, modelMemory } };
}

/** Asks the next question. Returns the result if no answer can help; undefined if there is no question. */
async function askNext(gathered: Gathered, state: State, setting: Setting): Promise<State | Gathered | undefined> {
  const { collect, ask, check, machine } = setting;
  const isFirst = state.asked.size === 0;
  const isStuck =
    (!gathered.needed.modelMemory && !isPossible(collect, state, machine)) ||
    (isFirst && check(gathered).some((each) => !isReplaceable(each)));
  if (isStuck) return isFirst ? withChecks(gathered, check) : undefined;
  const refuse = refuserFor(gathered, state, setting);
  const question = nextQuestion(gathered, { ...state, earlier: chosenBefore(state), machine, refuse });
  if (!question) return undefined;
  const next = await askUntilValid(withReason(question, state), ask, state, refuse);
  if (!next) return withChecks(gathered, check);
  const key = question.name as Key;
  const followed = await followUp(gathered, state, next, setting);
  if (!followed.asked.has(key))
    return isRepeated({ message: key }, next, setting) ? withChecks(collect(next.answered), check) : followed;
  const standard = nextQuestion(gathered, { ...state, earlier: new Map(), machine, refuse })?.default;
  return restored(withAccepted(followed, key, standard), setting);
}

/** Asks about an answer that has consequences. Returns an earlier state if the user takes an answer back. */
async function followUp({ needed }: Gathered, before: State, after: State, { collect, ask }: Setting): Promise<State> {
  const { danger } = collect(after.answered);
  if (danger && (await ask(questionToTrust(danger))) !== true) return before;
  if (danger)
    return {
      ...after,
      answered: after.answered.map((each) => (each.key === 'model' ? { ...each, agreed: true } : each)),
    };
  const hasSize = after.answered.some(({ key, value }) => key === 'modelMemory' && value !== undefined);
  return needed.modelMemory && !hasSize ? rewindTo(before, 'modelName') : after;
}

/** With all questions answered: goes back to the one that causes a problem, or shows the summary. */
async function conclude(gathered: Gathered, state: State, setting: Setting): Promise<State | Gathered> {
  const { ask, check } = setting;
  const { problems } = withChecks(gathered, check);
  const inTheWay = problems.find(isReplaceable);
  const replaces = inTheWay !== undefined && inTheWay.message === state.replaced;
  if (inTheWay && !replaces && (await ask(questionToReplace(inTheWay))) === true)
    return { ...state, replaced: inTheWay.message };
  const left = replaces ? [] : problems;
  const result = { ...gathered, problems: left, ...(replaces && { replaces }) };
  if (state.asked.size === 0) return result;
  const problem = realProblems(left)[0] ?? left[0];
  if (problem)
    return isRepeated(problem, state, setting)
      ? result
      : rewindTo(state, questionFor(problem, state), problemText(problem));
  const decision = await decide(gathered, state, ask);
  if (decision === 'write') return { ...result, confirmed: true };
  return decision ? rewindTo(state, decision) : state;
}

/** Whether the same answers keep running into the same problem. */
function isRepeated({ message }: Pick<Problem, 'message'>, { answered }: State, { repeats }: Setting): boolean {
  const attempt = JSON.stringify([answered, message]);
  const count = (repeats.get(attempt) ?? 0) + 1;
  repeats.set(attempt, count);
  return count > MAX_REPEATS;
}

/** Whether the user can decide to replace the files in the way: the model and the code, which are not rendered. */
const isReplaceable = ({ key }: Problem) => key === CONFLICT;

/** Adds the problems found on the disk, if there are no others. */
function withChecks(gathered: Gathered, check: NonNullable<Dialogue['check']>): Gathered {
  return gathered.problems.length ? gathered : { ...gathered, problems: check(gathered) };
}

/** Refuses answers that cannot work, except those that `followUp` asks about. */
function refuserFor({ needed }: Gathered, state: State, { collect, check, machine }: Setting): Refuse {
  const collectWith = (given: Given) => collect(withAnswer(state, given).answered);
  const refuse = checkedOnDisk(refuser(collect, state, machine), (given) => check(collectWith(given)));
  return (given) => {
    const isAskedAbout =
      given.key === 'model'
        ? collectWith(given).danger !== undefined
        : given.key === 'modelMemory' && needed.modelMemory !== undefined && given.value === undefined;
    return isAskedAbout ? undefined : refuse(given);
  };
}

/** Also refuses answers that lead to a folder that cannot be written. */
function checkedOnDisk(refuse: Refuse, problemsOf: (given: Given) => readonly Problem[]): Refuse {
  return (given) => {
    const refused = refuse(given);
    if (refused || !CHECKED_ON_DISK.has(given.key)) return refused;
    const problem = problemsOf(given).find((each) => !isReplaceable(each));
    return problem && { reason: problem.message, advice: problemText(problem) };
  };
}

const withReason = (question: Question, { reason }: State): Question =>
  reason ? { ...question, intro: wrap(`\n${reason}`) } : question;

/** Asks a question until the answer is valid; undefined after too many invalid ones, which only a program gives. */
async function askUntilValid(question: Question, ask: Ask, state: State, refuse: Refuse): Promise<State | undefined> {
  const key = question.name as Key;
  let current = question;
  for (let repeats = 0; repeats <= MAX_REPEATS; repeats++) {
    const answer = await ask(current);
    const wrong = problemWith(key, answer, refuse);
    if (!wrong) {
      const { reason: _, ...rest } = state;
      return { ...rest, ...withAnswer(state, readAnswer(key, answer)) };
    }
    current = { ...question, intro: wrap(`\n${wrong}`) };
  }
  return undefined;
}

/** Asks whether to write. Returns the question to go back to, if any. Throws a CancelledError if the user cancels. */
async function decide(gathered: Gathered, state: State, ask: Ask): Promise<'write' | Key | undefined> {
  const decision = await ask(confirmationFor(gathered));
  if (decision === 'cancel') throw new CancelledError();
  if (decision !== 'back') return 'write';
  const key = String(await ask(questionToGoBackTo(state.asked, gathered.answers)));
  return isKey(key) ? key : undefined;
}

/** The state just before a question was asked. Its answer and all later ones become defaults. */
function rewindTo(state: State, key: Key, reason?: string): State {
  const isBefore = (each: Key) => keys.indexOf(each) < keys.indexOf(key);
  const later = state.answered.filter((given) => !isBefore(given.key));
  return {
    accepted: state.accepted,
    answered: state.answered.filter((given) => isBefore(given.key)),
    asked: new Set([...state.asked].filter(isBefore)),
    earlier: new Map([...state.earlier, ...later.map(({ key: each, value }) => [each, value] as const)]),
    ...(reason && { reason }),
  };
}

const isSame = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

/** Records whether the answer to a question is its default. */
function withAccepted(state: State, key: Key, standard: unknown): State {
  const accepted = new Set(state.accepted);
  if (isSame(state.answered.find((given) => given.key === key)?.value, standard)) accepted.add(key);
  else accepted.delete(key);
  return { ...state, accepted };
}

/** The earlier answers that the user chose, which are the defaults of the questions asked again. */
const chosenBefore = ({ earlier, accepted }: State) => new Map([...earlier].filter(([key]) => !accepted.has(key)));

/**
 * Restores earlier answers, in the order of the questions, up to the first question that must be asked: one without an
 * earlier answer, with one that no longer works, or with one that was the default but is not any more.
 */
function restored(state: State, { collect, machine }: Setting): State {
  let progress: State = state;
  for (;;) {
    const refuse = refuser(collect, progress, machine);
    const gathered = gatheredAt(progress, { collect, machine });
    const question = nextQuestion(gathered, { ...progress, earlier: new Map(), machine, refuse });
    const key = question?.name as Key;
    if (!question || !state.earlier.has(key) || key in gathered.needed) return progress;
    const value = state.earlier.get(key);
    const isStale = state.accepted.has(key) && !isSame(value, question.default);
    if (isStale || problemWith(key, value, refuse)) return progress;
    progress = { ...progress, ...withAnswer(progress, { key, value, from: YOUR_ANSWER }) };
  }
}

/** The question to ask again: the one for the problem, or for the folder or the model, or otherwise the last one. */
function questionFor({ key }: Problem, { asked }: State): Key {
  const own: readonly string[] = [key, ...(key === 'projectDir' || key === CONFLICT ? ['projectName', 'model'] : [])];
  const found = own.find((each) => isKey(each) && asked.has(each));
  return (found ?? [...asked].at(-1)) as Key;
}
