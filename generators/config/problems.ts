// Problems with a request, and the errors that end a run, with their exit codes.
import { distance } from 'fastest-levenshtein';

/** One problem: the parameter, the source of its value, what is wrong, and what to do. */
export interface Problem {
  key: string;
  from: string;
  message: string;
  hint?: string;
}

/** The source of a value that is missing. */
export const noSource = 'no source';

/**
 * Ends the run. `code` is the exit status: 1 internal error, 2 invalid request, 3 files in the way or the project cannot
 * be updated yet, 130 cancelled. An update that leaves conflicts ends with 4, without an error.
 */
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

/** The request is invalid; nothing was written. */
export class RequestError extends ExitError {
  constructor(problems: readonly Problem[], outcome = 'nothing was written') {
    super(2, formatProblems(problems, outcome), problems);
  }
}

/** Existing files are in the way; nothing was written. */
export class ConflictError extends ExitError {
  constructor(files: readonly string[], directory: string, hint: string) {
    const count = files.length === 1 ? '1 file' : `${files.length} files`;
    const outcome = `${count} in ${directory} would be overwritten`;
    const list = files.map((file) => `    ${file}\n`).join('');
    const message = files.length <= 3 ? `${outcome}: ${files.join(', ')}` : outcome;
    super(3, `${outcome}; nothing was written:\n${list}  ${hint}`, [{ key: CONFLICT, from: directory, message, hint }]);
  }
}

/** The key of the problem that files are in the way. */
export const CONFLICT = 'files';

/** The state of a project prevents an update; nothing was changed. */
export class StateError extends ExitError {
  constructor(message: string, hint: string, files: readonly string[] = []) {
    const list = files.map((file) => `    ${file}\n`).join('');
    super(3, `${message}; nothing was changed${list ? `:\n${list}` : '.\n'}  ${hint}`, [
      { key: 'update', from: 'the project', message, hint },
    ]);
  }
}

/** The user cancelled. `written` says what was written: at a conflict, the files already confirmed. */
export class CancelledError extends ExitError {
  constructor(written = 'nothing was written') {
    super(130, `Cancelled: ${written}.`);
  }
}

function formatProblems(problems: readonly Problem[], outcome: string): string {
  const lines = problems.map(({ key, from, message, hint }) => {
    const where = key && !message.startsWith(key) ? `${key}: ` : '';
    const source = from === noSource || message.startsWith(`${from} `) ? '' : ` (from ${from})`;
    return `  ${where}${message}${source}${hint ? `\n      ${hint}` : ''}`;
  });
  const count = problems.length === 1 ? '1 problem found' : `${problems.length} problems found`;
  return `${count}; ${outcome}:\n${lines.join('\n')}`;
}

/** Formats any value so that it is safe to print, and fits on one line of a terminal. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  const safe = text.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return safe.length <= 60 ? safe : `${safe.slice(0, 56)}…" (${safe.length - 2} characters)`;
}

/** Returns "did you mean X?" if a known word is similar enough to what was written. */
export function didYouMean(written: string, known: readonly string[]): string | undefined {
  if (written.length > 60) return undefined;
  const plain = (word: string) => word.toLowerCase().replace(/[^a-z0-9]/g, '');
  const ranked = known.map((word) => ({ word, edits: distance(plain(written), plain(word)) }));
  const best = ranked.reduce((a, b) => (b.edits < a.edits ? b : a), { word: '', edits: Number.POSITIVE_INFINITY });
  return best.edits <= Math.max(1, Math.floor(best.word.length / 3)) ? `did you mean ${best.word}?` : undefined;
}
