// Reports the result of an update.
import { baseFile } from '../project/base.js';
import { countFiles } from '../report.js';
import { version } from '../version.js';
import { type Change, type Outcome, outcomes } from './changes.js';
import type { UpdatePlan } from './plan.js';
import { isLockCurrent } from './semantic.js';

const names = Object.keys(outcomes) as Outcome[];

/** The paths of the files written, in order. */
const writtenBy = ({ base }: UpdatePlan, changes: readonly Change[]): string[] => [
  ...changes.flatMap(({ writes }) => writes.map(({ path }) => path)),
  ...(base ? [baseFile] : []),
];

/** The output of --json. */
export function summaryOf(plan: UpdatePlan, changes: readonly Change[]): object {
  const of = (outcome: Outcome) => changes.filter((each) => each.outcome === outcome).map(({ path }) => path);
  return {
    project: { ...plan.answers, directory: plan.directory, instance: plan.project.instance },
    files: writtenBy(plan, changes),
    warnings: plan.warnings,
    from: plan.from,
    to: version(),
    ...Object.fromEntries(names.map((name) => [name === 'conflict' ? 'conflicts' : name, of(name)])),
  };
}

/** The list of changed files, grouped by outcome. */
export function listOf(changes: readonly Change[]): string {
  const width = Math.max(0, ...changes.map(({ path }) => path.length));
  return names
    .flatMap((name) => changes.filter(({ outcome }) => outcome === name))
    .map(({ path, outcome, writes }) => {
      const others = writes.filter((write) => write.path !== path).map((write) => `; see ${write.path}`);
      return `  ${outcome.padEnd(8)} ${path.padEnd(width)}  ${outcomes[outcome]}${others.join('')}\n`;
    })
    .join('');
}

/** The last lines: what was done, and the next steps. */
export function closingLines(plan: UpdatePlan, changes: readonly Change[], dryRun: boolean): string {
  const { directory, from, base } = plan;
  if (!changes.length && !base) return `Nothing to update: ${directory} is up to date with version ${version()}.\n`;
  const conflicts = changes.filter(({ outcome }) => outcome === 'conflict');
  const removed = changes.filter(({ removes }) => removes).length;
  const versions = from === version() ? '' : ` from version ${from} to ${version()}`;
  const count = `wrote ${countFiles(changes.flatMap(({ writes }) => writes).length)}${removed ? `, removed ${removed}` : ''}`;
  const steps = [
    ...(conflicts.length ? [`resolve the conflicts in ${conflicts.map(({ path }) => path).join(', ')}`] : []),
    ...staleLocks(plan, changes),
  ];
  const next = steps.length ? `Next:\n${steps.map((step) => `  ${step}\n`).join('')}` : '';
  if (!dryRun) return `Updated ${directory}${versions}: ${count}.\n${next}`;
  return `${next}Nothing was changed. To apply the update, run the same command without --dry-run.\n`;
}

/** The command to run if a lock is out of date with its requirements. */
function staleLocks({ current }: UpdatePlan, changes: readonly Change[]): string[] {
  const after = new Map(changes.flatMap(({ writes }) => writes).map(({ path, text }) => [path, text]));
  const removed = new Set(changes.filter(({ removes }) => removes).map(({ path }) => path));
  const text = (path: string) => after.get(path) ?? (removed.has(path) ? undefined : current(path)?.text);
  const stale = ['', 'train/'].some((folder) => {
    const [input, lock] = [text(`${folder}requirements.in`), text(`${folder}requirements.txt`)];
    return input !== undefined && (lock === undefined || !isLockCurrent(lock, input, text('.python-version') ?? ''));
  });
  return stale ? ['./lock.sh'] : [];
}
