// What is said of a run, and where: to people, or as JSON. The bin and the generators share it.
import { ExitError } from './config/problems.js';
import type { RunFlags } from './config/sources.js';
import { wrap } from './config/wrap.js';
import { type Plan, RefusedError } from './plan.js';
import type { Written } from './project/write.js';

const line = (text: string) => (text.endsWith('\n') ? text : `${text}\n`);

/** A warning, one line of a log, or as wide as a terminal. */
function warn(warning: string): void {
  const text = `Warning: ${warning}`;
  process.stderr.write(line(process.stderr.isTTY ? wrap(text) : text));
}

/** Where lines for people go. */
export const people = (json: boolean | undefined) => (text: string) =>
  void (json ? process.stderr : process.stdout).write(line(text));

/** Before anything is written: warnings, what --explain and --dry-run ask for. */
export function announce(
  { warnings, seen, explanation, files, copies, directory }: Plan,
  flags: RunFlags,
  say = people(flags.json),
): void {
  for (const warning of warnings.filter((each) => !seen.includes(each))) warn(warning);
  if (flags.explain) say(explanation);
  if (flags.dryRun)
    say(`Would write to ${directory}:\n${[...files, ...copies].map(({ path }) => `  ${path}`).join('\n')}`);
}

export const nothingWritten = 'Nothing was written. Run the same without --dry-run to write it.';

export const counted = (count: number) => `${count} file${count === 1 ? '' : 's'}`;

/** The last lines: what was really written, what was saved first, and what is next. */
export function conclusion({ directory, next }: Plan, { count, saved }: Written): string {
  const kept = saved.length ? `Saved what you had edited:\n${saved.map((name) => `  ${name}\n`).join('')}` : '';
  return `${kept}Wrote ${counted(count)} to ${directory}.\n${next}`;
}

/** Says what went wrong, without a stack; the exit status. */
export function fail(error: unknown, { json, explain }: RunFlags): number {
  const { code } = error as { code?: unknown };
  if (code === 130) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 130;
  }
  if (!(error instanceof ExitError)) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`Internal error: ${reason}\nThis is a bug: please report it with the command you ran.\n`);
    if (process.env.DEBUG) console.error(error);
    return 1;
  }
  const refused = error instanceof RefusedError ? error : undefined;
  for (const warning of refused?.warnings ?? []) warn(warning);
  if (explain && refused) people(json)(refused.explanation);
  if (json)
    process.stdout.write(`${JSON.stringify({ problems: error.problems, warnings: refused?.warnings ?? [] })}\n`);
  process.stderr.write(line(error.message));
  return error.code;
}
