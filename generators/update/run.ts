// Runs an update: plans it, applies it, and reports the result.
import type { CommandLine } from '../config/sources.js';
import { baseFile } from '../project/base.js';
import { printer, warn as warnOnStderr } from '../report.js';
import { apply, asStateError } from './apply.js';
import type { Change } from './changes.js';
import { diffOf } from './diff.js';
import type { Resolution } from './merge.js';
import { planUpdate, type UpdatePlan } from './plan.js';
import { closingLines, listOf, summaryOf } from './report.js';

/** Exit status of an update that leaves conflicts. */
const CONFLICTS = 4;

/** A run: the folder, the command line, and how to print messages, a warning and the bytes of a diff. */
interface Run {
  readonly cwd: string;
  readonly commandLine: CommandLine;
  readonly say?: (text: string) => void;
  readonly warn?: (text: string) => void;
  readonly print?: (bytes: Buffer) => void;
}

/** Decides how conflicts are resolved. */
export type Resolve = (conflicts: readonly Change[]) => Promise<Resolution>;

/** Updates the project in the current folder. Returns the exit status. Throws if the update is not possible. */
export async function runUpdate(
  {
    cwd,
    commandLine,
    say = printer(commandLine.run.json),
    warn = warnOnStderr,
    print = (bytes) => void (commandLine.run.json ? process.stderr : process.stdout).write(bytes),
  }: Run,
  resolve: Resolve = async () => 'markers',
): Promise<number> {
  const { dryRun = false, json, explain } = commandLine.run;
  const plan = await planUpdate(commandLine, { cwd, env: process.env }).catch((error) => {
    throw asStateError(error, cwd);
  });
  for (const warning of plan.warnings) warn(warning);
  if (explain) say(plan.explanation);
  const marked = plan.changes('markers');
  const conflicts = marked.filter(isConflict);
  const resolution = conflicts.length && !dryRun ? await resolve(conflicts) : 'markers';
  const changes = resolution === 'markers' ? marked : plan.changes(resolution);
  if (dryRun) print(Buffer.from(diffOf(changes, plan.current, plan.prefix), 'latin1'));
  else apply(changes, lastOf(plan), plan.directory, plan.current);
  if (json) process.stdout.write(`${JSON.stringify(summaryOf(plan, changes))}\n`);
  say(`${listOf(changes)}${closingLines(plan, changes, dryRun)}`);
  return changes.some(isConflict) ? CONFLICTS : 0;
}

const isConflict = ({ outcome }: Change) => outcome === 'conflict';

/** The base is written last, so that an interrupted update can be repeated. */
const lastOf = ({ base, current }: UpdatePlan) =>
  base ? [{ path: baseFile, bytes: base, mode: current(baseFile)?.mode ?? 0o644 }] : [];
