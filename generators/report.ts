// Prints the result of a run, as text or as JSON. The bin and the generators share it.
import { ExitError } from './config/problems.js';
import type { RunFlags } from './config/sources.js';
import { wrap } from './config/wrap.js';
import { type Plan, RefusedError } from './plan.js';
import type { Written } from './project/write.js';

const withNewline = (text: string) => (text.endsWith('\n') ? text : `${text}\n`);

/** A line with a command to paste, which must stay on one line. */
const hasCommand = /\b(run|type): |ml-container-creator /;

/** Prints a text on stderr: as it is in a log, wrapped on a terminal. */
function complain(text: string): void {
  const lines = text.split('\n').map((line) => (hasCommand.test(line) ? line : wrap(line)));
  process.stderr.write(withNewline(process.stderr.isTTY ? lines.join('\n') : text));
}

export const warn = (warning: string) => complain(`Warning: ${warning}`);

/** Returns a function that prints messages: on stderr if stdout is for JSON. */
export const printer = (json: boolean | undefined) => (text: string) =>
  void (json ? process.stderr : process.stdout).write(withNewline(text));

/** Prints the warnings and the output of --dry-run, when nothing stands in the way any more. */
export function announce(
  { warnings, seen, files, copies, directory }: Plan,
  flags: RunFlags,
  say = printer(flags.json),
): void {
  for (const warning of warnings.filter((each) => !seen.includes(each))) warn(warning);
  if (flags.dryRun)
    say(`Would write to ${directory}:\n${[...files, ...copies].map(({ path }) => `  ${path}`).join('\n')}`);
}

export const nothingWritten = 'Nothing was written. To write the files, run the same command without --dry-run.';

export const countFiles = (count: number) => `${count} file${count === 1 ? '' : 's'}`;

/** The last lines: the saved edits, the number of files that changed, and the next steps. */
export function closingLines({ directory, next }: Plan, { count, saved }: Written): string {
  const kept = saved.length
    ? `Saved the files that you had edited:\n${saved.map((name) => `  ${name}\n`).join('')}`
    : '';
  const done = count
    ? `Wrote ${countFiles(count)} to ${directory}.`
    : `${directory} is up to date: nothing was written.`;
  return `${kept}${done}\n${next}`;
}

/** Prints an error without a stack trace. Returns the exit status. */
export function fail(error: unknown, { json, explain }: RunFlags): number {
  const { code } = error as { code?: unknown };
  if (code === 130) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 130;
  }
  if (!(error instanceof ExitError)) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`Internal error: ${reason}\nThis is a bug. Please report it with the command that you ran.\n`);
    if (process.env.DEBUG) console.error(error);
    return 1;
  }
  const refused = error instanceof RefusedError ? error : undefined;
  for (const warning of refused?.warnings ?? []) warn(warning);
  if (explain && refused) printer(json)(refused.explanation);
  if (json)
    process.stdout.write(`${JSON.stringify({ problems: error.problems, warnings: refused?.warnings ?? [] })}\n`);
  complain(error.message);
  return error.code;
}
