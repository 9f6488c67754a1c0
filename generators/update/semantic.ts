// Merges files by their meaning: stored answers by key, and requirements by package. Locks are never merged.
import { packageName } from '../catalog/versions.js';
import { storageName } from '../config/files.js';
import { isKey } from '../config/parameters.js';
import { checkOf } from '../project/requirements.js';
import { linesOf } from './merge.js';

type Json = Record<string, unknown>;

/** .yo-rc.json with the new answers. Entries of other generators and unknown keys are kept. */
export function mergeAnswers(yours: string, generated: string): string {
  const all = JSON.parse(yours.replace(/^\uFEFF/, '')) as Json;
  const stored = (all[storageName] ?? {}) as Json;
  const answers = (JSON.parse(generated) as Json)[storageName] as Json;
  const others = Object.fromEntries(Object.entries(stored).filter(([key]) => !isKey(key)));
  const merged = { ...answers, ...others };
  if (isSame(stored, merged)) return yours;
  return `${JSON.stringify({ ...all, [storageName]: merged }, null, 2)}\n`;
}

function isSame(one: Json, other: Json): boolean {
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => JSON.stringify(one[key]) === JSON.stringify(other[key]))
  );
}

/** The lines of a text, all with a newline at the end. */
const terminatedLines = (text: string) => linesOf(/[^\n]$/.test(text) ? `${text}\n` : text);
const isRequirement = (line: string) => /^[A-Za-z0-9]/.test(line);
const named = (lines: readonly string[], line: string) =>
  lines.filter((each) => isRequirement(each) && isRequirement(line) && packageName(each) === packageName(line));

/** Requirements with the changes of both sides, in any order; undefined if both changed the same package. */
export function mergeRequirements(base: string, yours: string, generated: string): string | undefined {
  const [before = [], mine = [], now = []] = [base, yours, generated].map(terminatedLines);
  const added = mine.filter((line) => line.trim() && !before.includes(line) && !now.includes(line));
  const removed = before.filter((line) => !mine.includes(line));
  const changedHere = now.filter((line) => !before.includes(line));
  const clashes = [...added, ...removed.filter((line) => !now.includes(line))].some((line) =>
    named(changedHere, line).some((each) => !mine.includes(each)),
  );
  if (clashes) return undefined;
  const result = now.filter((line) => !removed.includes(line));
  const lastKept = mine.findLastIndex((line) => !added.includes(line));
  for (const line of added) {
    if (mine.indexOf(line) > lastKept) {
      result.push(line); // added at the end, so it stays at the end
      continue;
    }
    const above = mine.slice(0, mine.indexOf(line)).findLast((each) => each.trim() && result.includes(each));
    result.splice(above === undefined ? 0 : result.indexOf(above) + 1, 0, line);
  }
  return result.join('');
}

/** Whether a lock is up to date with its requirements.in and .python-version, by the check of lock.sh. */
export function isLockCurrent(lock: string, input: string, python: string): boolean {
  const [first = '', ...rest] = linesOf(lock);
  return first.trimEnd() === checkOf(input, python.trimEnd(), rest.join(''));
}
