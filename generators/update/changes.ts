// What an update does with each file: from what was generated before, what is there, and what is generated now.
import { dirname, join } from 'node:path/posix';
import type { RenderedFile } from '../project/render.js';
import type { There } from './disk.js';
import { isMergeable, mergeThree, mergeTwo, type Resolution } from './merge.js';
import { belongs, mergeAnswers, mergeRequirements } from './special.js';

export const outcomes = {
  new: 'not generated before',
  updated: 'you had not edited it',
  merged: 'your edits are in it',
  removed: 'no longer generated; you had not edited it',
  conflict: 'you and the generator changed the same lines',
  left: 'no longer generated; you edited it, so it stays',
  deleted: 'you deleted it, and it stays so; what is generated has changed',
} as const;
export type Outcome = keyof typeof outcomes;

/** What happens to one file. */
export interface Change {
  readonly path: string;
  readonly outcome: Outcome;
  readonly writes: readonly Write[];
  /** The file is removed. */
  readonly removes?: true;
}

export interface Write {
  readonly path: string;
  /** The bytes as Latin-1. */
  readonly text: string;
  readonly mode: number;
}

/** One path, on all three sides. */
export interface Sides {
  readonly path: string;
  /** What was generated before. */
  readonly before?: RenderedFile | undefined;
  readonly there?: There | undefined;
  /** What is generated now. */
  readonly now?: RenderedFile | undefined;
  /** `before` was generated before the last update only: the user edited the file, and it stayed. */
  readonly wasLeft: boolean;
}

/** How conflicts are resolved, and what is known of other files. */
export interface Context {
  readonly resolution: Resolution;
  readonly there: (path: string) => There | undefined;
  /** The name of a file that is not there yet: NAME.orig, NAME.orig.1 … */
  readonly freeName: (name: string) => string;
}

const latin1 = (text: string) => Buffer.from(text).toString('latin1');
const modeOf = (executable: boolean) => (executable ? 0o755 : 0o644);
const isLock = (path: string) => /(^|\/)requirements\.txt$/.test(path);

/** Whether every line ends as on Windows. */
const isCrlf = (text: string) => text.includes('\r\n') && !/(^|[^\r])\n/.test(text);
/** What was generated, with the line ends of the file that is there. */
const styled = (text: string, there: There) =>
  isCrlf(there.text) ? latin1(text).replaceAll('\n', '\r\n') : latin1(text);

/** What happens to a path; undefined where nothing does. */
export function changeOf(sides: Sides, context: Context): Change | undefined {
  const { path, before, there, now, wasLeft } = sides;
  const change = (outcome: Outcome, writes: readonly Write[] = []): Change => ({ path, outcome, writes });
  if (!there) {
    if (!now) return undefined;
    if (!before || wasLeft) return change('new', [{ path, text: latin1(now.text), mode: modeOf(now.executable) }]);
    return before.text === now.text ? undefined : change('deleted');
  }
  if (now) return merge({ ...sides, there, now }, context);
  if (!before) return undefined;
  if (there.kind === 'file' && there.text === styled(before.text, there))
    return { ...change('removed'), removes: true };
  return wasLeft || isOwnLock(path, there, context) ? undefined : change('left');
}

/** A file that is there and is generated. */
function merge(sides: Sides & { there: There; now: RenderedFile }, context: Context): Change | undefined {
  const { path, before, there, now } = sides;
  const [was, next] = [before && styled(before.text, there), styled(now.text, there)];
  const mode = modeAfter(sides);
  const write = (outcome: Outcome, text: string, more: readonly Write[] = []): Change | undefined =>
    text === there.text && mode === there.mode && outcome !== 'conflict'
      ? undefined
      : {
          path,
          outcome,
          writes: [...more, ...(text === there.text && mode === there.mode ? [] : [{ path, text, mode }])],
        };
  if (there.kind !== 'other' && (was === next || there.text === next)) return write('updated', there.text);
  if (there.kind === 'file' && there.text === was) return write('updated', next);
  if (path === '.yo-rc.json') {
    const utf8 = Buffer.from(there.text, 'latin1').toString('utf8');
    return write('merged', latin1(mergeAnswers(utf8, now.text)));
  }
  if (isOwnLock(path, there, context)) return undefined;
  const saved = () => ({ path: context.freeName(`${path}.orig`), text: there.text, mode: there.mode & 0o777 });
  if (there.kind !== 'file' || !isMergeable(there.text, was ?? next)) {
    if (context.resolution === 'generated' && there.kind === 'file') return write('merged', next, [saved()]);
    if (context.resolution === 'yours') return undefined;
    const beside = { path: context.freeName(`${path}.new`), text: latin1(now.text), mode: modeOf(now.executable) };
    return write('conflict', there.text, [beside]);
  }
  const { text, conflicts } = mergeLines(path, was, there.text, next, context.resolution);
  const resolved = conflicts === 0 || context.resolution !== 'markers';
  const saves = conflicts > 0 && context.resolution === 'generated' ? [saved()] : [];
  return write(resolved ? 'merged' : 'conflict', text, saves);
}

function mergeLines(path: string, was: string | undefined, yours: string, next: string, resolution: Resolution) {
  if (was === undefined) return mergeTwo(yours, next, resolution);
  const merged = mergeThree(was, yours, next, resolution);
  const byPackage =
    merged.conflicts && /(^|\/)requirements\.(in|txt)$/.test(path) ? mergeRequirements(was, yours, next) : undefined;
  return byPackage === undefined ? merged : { text: byPackage, conflicts: 0 };
}

/** The file's mode, with or without the executable bits where what is generated changed in that. */
function modeAfter({ before, there, now }: Sides & { there: There; now: RenderedFile }): number {
  if (there.kind !== 'file' || process.platform === 'win32' || before?.executable === now.executable) return there.mode;
  const readers = (there.mode & 0o444) >> 2; // who can read it can run it
  return now.executable ? there.mode | readers : there.mode & ~0o111;
}

/** Whether a file is a lock as lock.sh made it: it belongs to the user, and lock.sh makes it anew. */
export function isOwnLock(path: string, there: There, { there: find }: Pick<Context, 'there'>): boolean {
  if (!isLock(path)) return false;
  const input = find(join(dirname(path), 'requirements.in'))?.text;
  const python = find('.python-version')?.text;
  return input !== undefined && python !== undefined && belongs(there.text, input, python);
}
