// Writes an update to disk, all of it or nothing. Replaced files are kept until every new file is in place.
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { StateError } from '../config/problems.js';
import { reasons, refuseInterrupted, stagingFolder } from '../project/write.js';
import type { Change } from './changes.js';
import { type Find, readCurrent } from './disk.js';

/** Ends the name of the staging folder once all files are in place. */
const done = '.done';

/** A file to write or, without bytes, to remove. */
interface Step {
  readonly path: string;
  readonly bytes?: Buffer;
  readonly mode?: number;
}

/** Applies the changes, then writes `last`. If it throws a StateError, nothing was changed. */
export function apply(changes: readonly Change[], last: readonly Step[], directory: string, planned: Find): void {
  const steps: Step[] = [
    ...changes.flatMap(({ path, writes, removes }): Step[] => [
      ...writes.map((write) => ({ ...write, bytes: Buffer.from(write.text, 'latin1') })),
      ...(removes ? [{ path }] : []),
    ]),
    ...last,
  ];
  if (!steps.length) return;
  const staging = join(directory, stagingFolder);
  const release = ignoreSignals();
  try {
    replaceAll(steps, staging, directory, planned);
    rmSync(`${staging}${done}`, { recursive: true, force: true });
  } finally {
    release();
  }
  for (const { path, bytes } of steps) if (!bytes) removeEmpty(dirname(join(directory, path)), directory);
}

/** Stages all files, then puts them into place. The last step is a rename, which shows that the update is complete. */
function replaceAll(steps: readonly Step[], staging: string, directory: string, planned: Find): void {
  const undo: (() => void)[] = [];
  try {
    rmSync(`${staging}${done}`, { recursive: true, force: true });
    makeStaging(staging, directory);
    undo.push(() => rmSync(staging, { recursive: true, force: true }));
    for (const step of steps) stage(step, staging, directory);
    for (const step of steps) {
      refuseChanged(step.path, directory, planned);
      place(step, staging, directory, undo);
    }
    renameSync(staging, `${staging}${done}`);
  } catch (error) {
    for (const each of undo.reverse()) each(); // if one fails, the replaced files are still in the staging folder
    throw asStateError(error, directory);
  }
}

/** Makes the staging folder. It exists if another update started at the same time. */
function makeStaging(staging: string, directory: string): void {
  try {
    mkdirSync(staging);
  } catch (error) {
    refuseInterrupted(directory);
    throw error;
  }
}

/** Throws a StateError if a file is not as it was when the update was planned. */
function refuseChanged(path: string, directory: string, planned: Find): void {
  const [before, now] = [planned(path), readCurrent(directory, path)];
  const same = before?.text === now?.text && before?.mode === now?.mode && before?.kind === now?.kind;
  if (!same) throw new StateError(`${path} has changed since the update started`, 'run update again');
}

function stage({ path, bytes, mode = 0o644 }: Step, staging: string, directory: string): void {
  if (!bytes) return;
  const [staged, target] = [join(staging, 'new', path), join(directory, path)];
  mkdirSync(dirname(staged), { recursive: true });
  writeFileSync(staged, bytes);
  chmodSync(staged, mode & 0o777);
  const { uid, gid } = lstatSync(existsSync(target) ? target : directory);
  if (process.getuid?.() === 0) chownSync(staged, uid, gid); // root must not change the owner of a file
}

/** Moves the old file away and the staged one into place. Adds to `undo`, which runs in reverse order. */
function place({ path, bytes }: Step, staging: string, directory: string, undo: (() => void)[]): void {
  const [staged, target, old] = [join(staging, 'new', path), join(directory, path), join(staging, 'old', path)];
  if (existsSync(target)) {
    mkdirSync(dirname(old), { recursive: true });
    renameSync(target, old);
    undo.push(() => renameSync(old, target));
  }
  if (!bytes) return;
  const made = mkdirSync(dirname(target), { recursive: true });
  if (made) undo.push(() => rmSync(made, { recursive: true }));
  renameSync(staged, target);
  undo.push(() => rmSync(target));
}

/** Removes a folder of the project, and its parents, if they are empty. */
function removeEmpty(folder: string, directory: string): void {
  if (folder === directory || !existsSync(folder) || readdirSync(folder).length) return;
  rmdirSync(folder);
  removeEmpty(dirname(folder), directory);
}

/** Ignores signals until the files are in place. Returns a function that ends this. */
function ignoreSignals(): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const ignore = () => {};
  for (const signal of signals) process.on(signal, ignore);
  return () => {
    for (const signal of signals) process.off(signal, ignore);
  };
}

/** Turns a file system error into a StateError; returns anything else unchanged. */
export function asStateError(error: unknown, directory: string): unknown {
  const { code, path = directory } = error as NodeJS.ErrnoException;
  const reason = code === 'EXDEV' ? 'it is on a different file system from the project' : reasons[code ?? ''];
  if (!reason) return error;
  return new StateError(`${path} cannot be updated: ${reason}`, 'fix this, then run update again');
}
