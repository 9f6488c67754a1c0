// Writes a project to disk: all of it, or nothing.
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ConflictError, RequestError } from '../config/problems.js';
import type { ModelFile } from '../model/read.js';
import { copyFile, isSameFile } from './copy.js';
import type { RenderedFile } from './render.js';

/** A file to write: rendered, or copied from the user. */
export type OutputFile = RenderedFile | ModelFile;

/** Throws a ConflictError if existing files in `directory` differ from those to be written. */
export function refuseConflicts(files: readonly OutputFile[], directory: string): void {
  const conflicts = files.filter((file) => differs(file, join(directory, file.path))).map(({ path }) => path);
  if (conflicts.length) throw new ConflictError(conflicts, directory);
}

function differs(file: OutputFile, target: string): boolean {
  if (!existsSync(target) || !statSync(target).isFile()) return false;
  return 'text' in file ? readFileSync(target, 'utf8') !== file.text : !isSameFile(file.source, target);
}

/**
 * Writes `files` into `directory`, via a temporary folder next to it, so that a full disk leaves nothing behind.
 * Throws a ConflictError if files differ and `force` is not set, a RequestError if the folder cannot be written.
 */
export function write(files: readonly OutputFile[], directory: string, force: boolean): void {
  if (!force) refuseConflicts(files, directory);
  refuseObstacles(files, directory);
  const staged = stage(files, directory);
  staged.place();
  staged.discard();
}

/** Files in a temporary folder next to their destination. */
export interface Staged {
  /** Moves them into place. */
  place(): void;
  /** Removes the temporary folder. */
  discard(): void;
}

/** Writes `files` to a temporary folder next to `directory`. Throws a RequestError, and cleans up, if that fails. */
export function stage(files: readonly OutputFile[], directory: string): Staged {
  let staging = '';
  const discard = () => rmSync(staging, { recursive: true, force: true });
  try {
    staging = mkdtempSync(join(nearestFolder(dirname(directory)), '.ml-container-creator-'));
    for (const file of files) writeBelow(file, staging);
  } catch (error) {
    if (staging) discard();
    throw asRequestError(error, directory);
  }
  return { place: () => move(files, staging, directory), discard };
}

function writeBelow(file: OutputFile, folder: string): void {
  const target = join(folder, file.path);
  mkdirSync(dirname(target), { recursive: true });
  if ('source' in file) copyFile(file, target);
  else writeFileSync(target, file.text);
  chmodSync(target, 'executable' in file && file.executable ? 0o755 : 0o644);
}

function move(files: readonly OutputFile[], staging: string, directory: string): void {
  try {
    for (const { path } of files) {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      renameSync(join(staging, path), join(directory, path));
    }
  } catch (error) {
    rmSync(staging, { recursive: true, force: true });
    throw asRequestError(error, directory);
  }
}

/** Throws a RequestError if `directory` is not writable, or if a file is where a folder should be or vice versa. */
export function refuseObstacles(files: readonly OutputFile[], directory: string): void {
  try {
    for (const { path } of files) refuseObstacle(directory, path);
    accessSync(nearestFolder(directory), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw asRequestError(error, directory);
  }
}

function refuseObstacle(directory: string, path: string): void {
  const parts = path.split('/');
  const folders = parts.map((_, depth) => join(directory, ...parts.slice(0, depth)));
  const refuse = (code: string) => Object.assign(new Error(path), { code });
  if (folders.some((folder) => existsSync(folder) && !statSync(folder).isDirectory())) throw refuse('ENOTDIR');
  const target = join(directory, path);
  if (existsSync(target) && statSync(target).isDirectory()) throw refuse('EISDIR');
}

function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  ENOENT: 'a part of the path is a link that leads nowhere',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'a part of the path is a file',
  EISDIR: 'a folder stands where a file should be',
  ENOTEMPTY: 'a folder stands where a file should be',
  ENAMETOOLONG: 'the path is too long',
};

/** Turns a file system error into a RequestError; returns anything else unchanged. */
function asRequestError(error: unknown, directory: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  const reason = typeof code === 'string' && reasons[code];
  if (!reason) return error;
  return new RequestError([
    {
      key: 'projectDir',
      from: directory,
      message: `cannot be written: ${reason}`,
      hint: 'choose another --project-dir',
    },
  ]);
}
