// Decides what an update does with each file: as generated before (base), as it is now, and as generated now.
import { dirname, join } from 'node:path/posix';
import { answersFile } from '../config/files.js';
import type { RenderedFile } from '../project/render.js';
import type { CurrentFile } from './disk.js';
import { isMergeable, mergeThree, mergeTwo, type Resolution } from './merge.js';
import { isLockCurrent, mergeAnswers, mergeRequirements } from './semantic.js';

export const outcomes = {
  new: 'generated for the first time',
  updated: 'you had not edited it',
  merged: 'with your edits',
  replaced: 'by the generated lines; your version is saved',
  removed: 'no longer generated; you had not edited it',
  conflict: 'you and the generator changed the same lines',
  kept: 'no longer generated; kept because you edited it',
  deleted: 'stays deleted, because you deleted it; the generated file has changed',
} as const;
export type Outcome = keyof typeof outcomes;

/** The change to one file. */
export interface Change {
  readonly path: string;
  readonly outcome: Outcome;
  readonly writes: readonly Write[];
  /** Whether the file is removed. */
  readonly removes?: true;
}

export interface Write {
  readonly path: string;
  /** The bytes as Latin-1. */
  readonly text: string;
  readonly mode: number;
}

/** The three sides of a merge for one path. */
export interface Sides {
  readonly path: string;
  /** The file as generated before. */
  readonly base?: RenderedFile | undefined;
  readonly current?: CurrentFile | undefined;
  /** The file as generated now. */
  readonly generated?: RenderedFile | undefined;
  /** `base` is older than the last update: the file is no longer generated, but stayed because it was edited. */
  readonly wasKept: boolean;
}

/** How to resolve conflicts, and how to look up other files. */
export interface Context {
  readonly resolution: Resolution;
  readonly current: (path: string) => CurrentFile | undefined;
  /** A name that is not in use: NAME.orig, NAME.orig.1 … */
  readonly freeName: (name: string) => string;
}

const latin1 = (text: string) => Buffer.from(text).toString('latin1');
const modeOf = (executable: boolean) => (executable ? 0o755 : 0o644);
const isLock = (path: string) => /(^|\/)requirements\.txt$/.test(path);

/** Whether all line endings are CRLF. */
const isCrlf = (text: string) => text.includes('\r\n') && !/(^|[^\r])\n/.test(text);
/** Generated text as Latin-1, with the line endings of the current file. */
const withLineEnds = (text: string, current: CurrentFile) =>
  isCrlf(current.text) ? latin1(text).replaceAll('\n', '\r\n') : latin1(text);

/** The change to a path; undefined if there is none. */
export function changeOf(sides: Sides, context: Context): Change | undefined {
  const { path, base, current, generated, wasKept } = sides;
  const change = (outcome: Outcome, writes: readonly Write[] = []): Change => ({ path, outcome, writes });
  if (!current) {
    if (!generated) return undefined;
    if (!base || wasKept)
      return change('new', [{ path, text: latin1(generated.text), mode: modeOf(generated.executable) }]);
    return base.text === generated.text ? undefined : change('deleted');
  }
  if (generated) return merge({ ...sides, current, generated }, context);
  if (!base) return undefined;
  if (current.kind === 'file' && current.text === withLineEnds(base.text, current))
    return { ...change('removed'), removes: true };
  return wasKept || isOwnLock(path, current, context) ? undefined : change('kept');
}

/** The change to a file that exists and is generated now. */
function merge(sides: Sides & { current: CurrentFile; generated: RenderedFile }, context: Context): Change | undefined {
  const { path, base, current, generated } = sides;
  const [was, next] = [base && withLineEnds(base.text, current), withLineEnds(generated.text, current)];
  const mode = modeAfter(sides);
  const write = (outcome: Outcome, text: string, more: readonly Write[] = []): Change | undefined =>
    text === current.text && mode === current.mode && outcome !== 'conflict'
      ? undefined
      : {
          path,
          outcome,
          writes: [...more, ...(text === current.text && mode === current.mode ? [] : [{ path, text, mode }])],
        };
  if (current.kind !== 'other' && (was === next || current.text === next)) return write('updated', current.text);
  if (current.kind === 'file' && current.text === was) return write('updated', next);
  if (path === answersFile) {
    const utf8 = Buffer.from(current.text, 'latin1').toString('utf8');
    return write('merged', latin1(mergeAnswers(utf8, generated.text)));
  }
  if (isOwnLock(path, current, context)) return undefined;
  const saved = () => ({ path: context.freeName(`${path}.orig`), text: current.text, mode: current.mode & 0o777 });
  if (current.kind !== 'file' || !isMergeable(current.text, was ?? next)) {
    if (context.resolution === 'generated' && current.kind === 'file') return write('replaced', next, [saved()]);
    if (context.resolution === 'yours') return undefined;
    const newFile = {
      path: context.freeName(`${path}.new`),
      text: latin1(generated.text),
      mode: modeOf(generated.executable),
    };
    return write('conflict', current.text, [newFile]);
  }
  const { text, conflicts } = mergeLines(path, was, current.text, next, context.resolution);
  const resolved = conflicts === 0 || context.resolution !== 'markers';
  const saves = conflicts > 0 && context.resolution === 'generated' ? [saved()] : [];
  return write(saves.length ? 'replaced' : resolved ? 'merged' : 'conflict', text, saves);
}

function mergeLines(path: string, was: string | undefined, yours: string, next: string, resolution: Resolution) {
  if (was === undefined) return mergeTwo(yours, next, resolution);
  const merged = mergeThree(was, yours, next, resolution);
  const byPackage =
    merged.conflicts && /(^|\/)requirements\.(in|txt)$/.test(path) ? mergeRequirements(was, yours, next) : undefined;
  return byPackage === undefined ? merged : { text: byPackage, conflicts: 0 };
}

/** The mode of the file. The executable bits change only if they changed in the generated file. */
function modeAfter({ base, current, generated }: Sides & { current: CurrentFile; generated: RenderedFile }): number {
  if (current.kind !== 'file' || process.platform === 'win32' || (base?.executable ?? false) === generated.executable)
    return current.mode;
  const readers = (current.mode & 0o444) >> 2; // whoever can read it can run it
  return generated.executable ? current.mode | readers : current.mode & ~0o111;
}

/** Whether a file is a lock that lock.sh wrote. An update leaves it to lock.sh. */
export function isOwnLock(path: string, current: CurrentFile, { current: find }: Pick<Context, 'current'>): boolean {
  if (!isLock(path)) return false;
  const input = find(join(dirname(path), 'requirements.in'))?.text;
  const python = find('.python-version')?.text;
  return input !== undefined && python !== undefined && isLockCurrent(current.text, input, python);
}
