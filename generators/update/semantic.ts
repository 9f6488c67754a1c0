// Files that are merged by what they mean: the stored answers by key, requirements by package, locks not at all.
import { packageName } from '../catalog/versions.js';
import { storageName } from '../config/files.js';
import { isKey } from '../config/parameters.js';
import { checkOf } from '../project/requirements.js';
import { linesOf } from './merge.js';

type Json = Record<string, unknown>;

/** .yo-rc.json with the new answers; what it has of other generators, and keys that this one does not know, stay. */
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

/** The lines of a text, the last one with an end, too. */
const closedLines = (text: string) => linesOf(/[^\n]$/.test(text) ? `${text}\n` : text);
const isRequirement = (line: string) => /^[A-Za-z0-9]/.test(line);
const named = (lines: readonly string[], line: string) =>
  lines.filter((each) => isRequirement(each) && isRequirement(line) && packageName(each) === packageName(line));

/** Requirements with the changes of both sides, in whatever order; undefined where both changed the same package. */
export function mergeRequirements(base: string, yours: string, generated: string): string | undefined {
  const [before = [], mine = [], now = []] = [base, yours, generated].map(closedLines);
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
      result.push(line); // at the end there, and at the end here
      continue;
    }
    const above = mine.slice(0, mine.indexOf(line)).findLast((each) => each.trim() && result.includes(each));
    result.splice(above === undefined ? 0 : result.indexOf(above) + 1, 0, line);
  }
  return result.join('');
}

/** Whether a lock belongs to its requirements.in and .python-version, as lock.sh checks it. */
export function belongs(lock: string, input: string, python: string): boolean {
  const [first = '', ...rest] = linesOf(lock);
  return first.trimEnd() === checkOf(input, python.trimEnd(), rest.join(''));
}
