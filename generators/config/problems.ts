// What is wrong with a request, said so that it can be mended; and the errors that end a run, with their exit codes.
import { distance } from 'fastest-levenshtein';

/** One thing wrong: of which parameter, where the value came from, what is wrong, what to do. */
export interface Problem {
  key: string;
  from: string;
  message: string;
  hint?: string;
}

/** Ends the run; `code` is the exit status (1 internal, 2 bad request, 3 files in the way, 130 cancelled). */
export class ExitError extends Error {
  readonly code: number;
  readonly problems: readonly Problem[];

  constructor(code: number, message: string, problems: readonly Problem[] = []) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.problems = problems;
  }
}

/** The request is wrong: nothing was written. */
export class RequestError extends ExitError {
  constructor(problems: readonly Problem[], outcome = 'nothing was written') {
    super(2, formatProblems(problems, outcome), problems);
  }
}

/** Files stand in the way: nothing was written. */
export class ConflictError extends ExitError {
  constructor(files: readonly string[], directory: string, canUpdate = false) {
    const message = `${files.length} file(s) in ${directory} differ from what would be written`;
    const merging = canUpdate ? '; ml-container-creator update in that folder merges instead' : '';
    const hint = `choose another --project-dir, or add --force to overwrite them${merging}`;
    const list = files.map((file) => `    ${file}\n`).join('');
    super(3, `${message}; nothing was written:\n${list}  ${hint}`, [{ key: 'files', from: directory, message, hint }]);
  }
}

/** The state of a project stands in the way of an update: nothing was changed. */
export class StateError extends ExitError {
  constructor(message: string, hint: string, files: readonly string[] = []) {
    const list = files.map((file) => `    ${file}\n`).join('');
    super(3, `${message}; nothing was changed${list ? `:\n${list}` : '.\n'}  ${hint}`, [
      { key: 'update', from: 'the project', message, hint },
    ]);
  }
}

/** The user stopped the run: at a question nothing is written yet, at a conflict only what was agreed to before. */
export class CancelledError extends ExitError {
  constructor(written = 'nothing was written') {
    super(130, `Cancelled: ${written}.`);
  }
}

function formatProblems(problems: readonly Problem[], outcome: string): string {
  const lines = problems.map(({ key, from, message, hint }) => {
    const where = key && !message.startsWith(key) ? `${key}: ` : '';
    return `  ${where}${message} (from ${from})${hint ? `\n      ${hint}` : ''}`;
  });
  const count = problems.length === 1 ? 'One thing to mend' : `${problems.length} things to mend`;
  return `${count}; ${outcome}:\n${lines.join('\n')}`;
}

/** A value as it can be shown on one line of a terminal, however long it is and whatever it holds. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  const safe = text.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return safe.length <= 60 ? safe : `${safe.slice(0, 56)}…" (${safe.length - 2} characters)`;
}

/** "did you mean X?" when one of the known words is near enough to what was written. */
export function didYouMean(written: string, known: readonly string[]): string | undefined {
  if (written.length > 60) return undefined;
  const plain = (word: string) => word.toLowerCase().replace(/[^a-z0-9]/g, '');
  const ranked = known.map((word) => ({ word, far: distance(plain(written), plain(word)) }));
  const best = ranked.reduce((a, b) => (b.far < a.far ? b : a), { word: '', far: Number.POSITIVE_INFINITY });
  return best.far <= Math.max(1, Math.floor(best.word.length / 3)) ? `did you mean ${best.word}?` : undefined;
}
