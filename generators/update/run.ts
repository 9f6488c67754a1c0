// One run of `update`: plans it, says what it does, and does it.
import type { CommandLine } from '../config/sources.js';
import { baseFile } from '../project/base.js';
import { people } from '../report.js';
import { apply, asStateError } from './apply.js';
import type { Change } from './changes.js';
import { diffOf } from './diff.js';
import type { Resolution } from './merge.js';
import { planUpdate, type UpdatePlan } from './plan.js';
import { closing, listOf, summaryOf } from './report.js';

/** The exit status of an update that leaves conflicts. */
const CONFLICTS = 4;

/** A run: where, what was typed, and where lines for people and warnings go. */
interface Run {
  readonly cwd: string;
  readonly line: CommandLine;
  readonly say?: (text: string) => void;
  readonly warn?: (text: string) => void;
}

/** Decides how conflicts are resolved. */
export type Resolve = (conflicts: readonly Change[]) => Promise<Resolution>;

/** Updates the project in the current folder; the exit status. Throws where the update cannot be made. */
export async function runUpdate(
  { cwd, line, say = people(line.run.json), warn = (text) => void process.stderr.write(text) }: Run,
  resolve: Resolve = async () => 'markers',
): Promise<number> {
  const { dryRun = false, json, explain } = line.run;
  const plan = await planUpdate(line, { cwd, env: process.env }).catch((error) => {
    throw asStateError(error, cwd);
  });
  for (const warning of plan.warnings) warn(`Warning: ${warning}\n`);
  if (explain) say(plan.explanation);
  const marked = plan.changes('markers');
  const open = marked.filter(isConflict);
  const resolution = open.length && !dryRun ? await resolve(open) : 'markers';
  const changes = resolution === 'markers' ? marked : plan.changes(resolution);
  if (dryRun) say(Buffer.from(diffOf(changes, plan.current), 'latin1').toString('utf8'));
  else apply(changes, lastOf(plan), plan.directory);
  if (json) process.stdout.write(`${JSON.stringify(summaryOf(plan, changes))}\n`);
  say(`${listOf(changes)}${closing(plan, changes, dryRun)}`);
  return changes.some(isConflict) ? CONFLICTS : 0;
}

const isConflict = ({ outcome }: Change) => outcome === 'conflict';

/** The base is written last: an update that does not come so far can be made again. */
const lastOf = ({ base, current }: UpdatePlan) =>
  base ? [{ path: baseFile, bytes: base, mode: current(baseFile)?.mode ?? 0o644 }] : [];
