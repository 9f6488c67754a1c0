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
    for (const [at, step] of steps.entries()) stage(step, join(staging, `${at}.new`), join(directory, step.path));
    for (const [at, { path, bytes }] of steps.entries())
      put(bytes ? join(staging, `${at}.new`) : undefined, join(directory, path), join(staging, `${at}.old`), undo);
  } catch (error) {
    for (const each of undo.reverse()) each();
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
      `if none runs: ${stagingFolder} has what it had replaced, as NUMBER.old; move what you miss, remove the folder, and update again`,
    );
  }
}

function stage({ bytes, mode = 0o644 }: Step, staged: string, target: string): void {
  if (!bytes) return;
  writeFileSync(staged, bytes, { flush: true });
  chmodSync(staged, mode & 0o777);
  const { uid, gid } = lstatSync(existsSync(target) ? target : dirname(staged));
  if (process.getuid?.() === 0) chownSync(staged, uid, gid); // root must not take files from their owner
}

/** Moves what is at `target` away, and what was staged there. Each step taken adds to `undo`, which goes backwards. */
function put(staged: string | undefined, target: string, old: string, undo: (() => void)[]): void {
  if (existsSync(target)) {
    renameSync(target, old);
    undo.push(() => renameSync(old, target));
  }
  if (!staged) return;
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

function asStateError(error: unknown, directory: string): unknown {
  const { code, path = directory } = error as NodeJS.ErrnoException;
  const reason = code === 'EXDEV' ? 'it is on another disk than the project' : reasons[code ?? ''];
  if (!reason) return error;
  return new StateError(`${path} cannot be written: ${reason}`, 'make it writable, or make room, and update again');
}
