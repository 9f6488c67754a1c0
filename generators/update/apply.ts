// Brings an update onto the disk: all of it or nothing. What it replaces is kept until everything is in its place.
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
import { reasons } from '../project/write.js';
import type { Change } from './changes.js';

/** Where an update puts its files until they go into place. */
export const stagingFolder = '.ml-container-creator.update';

/** A file to put into place, or to remove where there are no bytes. */
interface Step {
  readonly path: string;
  readonly bytes?: Buffer;
  readonly mode?: number;
}

/** Writes and removes what the changes say, and writes `last` after them. Throws a StateError; then nothing is changed. */
export function apply(changes: readonly Change[], last: readonly Step[], directory: string): void {
  const steps: Step[] = [
    ...changes.flatMap(({ path, writes, removes }): Step[] => [
      ...writes.map((write) => ({ ...write, bytes: Buffer.from(write.text, 'latin1') })),
      ...(removes ? [{ path }] : []),
    ]),
    ...last,
  ];
  if (!steps.length) return;
  const staging = join(directory, stagingFolder);
  const undo: (() => void)[] = [];
  const release = holdSignals();
  try {
    makeStaging(staging);
    undo.push(() => rmSync(staging, { recursive: true, force: true }));
    for (const step of steps) stage(step, staging, directory);
    for (const step of steps) put(step, staging, directory, undo);
  } catch (error) {
    for (const each of undo.reverse()) each(); // should one fail, what was replaced is still in the staging folder
    throw asStateError(error, directory);
  } finally {
    release();
  }
  rmSync(staging, { recursive: true, force: true });
  for (const { path, bytes } of steps) if (!bytes) removeEmpty(dirname(join(directory, path)), directory);
}

function makeStaging(staging: string): void {
  try {
    mkdirSync(staging);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new StateError(
      'an update is still running, or one was interrupted',
      `if none runs: copy back what it had replaced, cp -R ${stagingFolder}/old/. . ; remove ${stagingFolder}, and update again`,
    );
  }
}

function stage({ path, bytes, mode = 0o644 }: Step, staging: string, directory: string): void {
  if (!bytes) return;
  const [staged, target] = [join(staging, 'new', path), join(directory, path)];
  mkdirSync(dirname(staged), { recursive: true });
  writeFileSync(staged, bytes);
  chmodSync(staged, mode & 0o777);
  const { uid, gid } = lstatSync(existsSync(target) ? target : directory);
  if (process.getuid?.() === 0) chownSync(staged, uid, gid); // root must not take files from their owner
}

/** Moves away what is in a step's place, and what was staged into it. Adds to `undo`, which goes backwards. */
function put({ path, bytes }: Step, staging: string, directory: string, undo: (() => void)[]): void {
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

/** Removes a folder of the project, and those above, that nothing is left in. */
function removeEmpty(folder: string, directory: string): void {
  if (folder === directory || !existsSync(folder) || readdirSync(folder).length) return;
  rmdirSync(folder);
  removeEmpty(dirname(folder), directory);
}

/** Lets signals wait until the files are in place. */
function holdSignals(): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const wait = () => {};
  for (const signal of signals) process.on(signal, wait);
  return () => {
    for (const signal of signals) process.off(signal, wait);
  };
}

/** A failure of the file system in a user's words; anything else as it is. */
export function asStateError(error: unknown, directory: string): unknown {
  const { code, path = directory } = error as NodeJS.ErrnoException;
  const reason = code === 'EXDEV' ? 'it is on another disk than the project' : reasons[code ?? ''];
  if (!reason) return error;
  return new StateError(`${path} cannot be updated: ${reason}`, 'change that, and update again');
}
