// Writes a project to the disk: all of it or none of it.
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

/** A file to write: what was rendered, or a file of the user's to copy. */
export type OutputFile = RenderedFile | ModelFile;

/** Throws a ConflictError where files in `directory` differ from those to be written. */
export function refuseConflicts(files: readonly OutputFile[], directory: string): void {
  const conflicts = files.filter((file) => differs(file, join(directory, file.path))).map(({ path }) => path);
  if (conflicts.length) throw new ConflictError(conflicts, directory);
}

function differs(file: OutputFile, target: string): boolean {
  if (!existsSync(target) || !statSync(target).isFile()) return false;
  return 'text' in file ? readFileSync(target, 'utf8') !== file.text : !isSameFile(file.source, target);
}

/**
 * Writes `files` below `directory`: first beside it, then moved into place, so that a full disk leaves nothing behind.
 * Throws a ConflictError where files differ and `force` is not set, a RequestError where the folder cannot be written.
 */
export function write(files: readonly OutputFile[], directory: string, force: boolean): void {
  if (!force) refuseConflicts(files, directory);
  refuseObstacles(files, directory);
  const staged = stage(files, directory);
  staged.place();
  staged.discard();
}

/** Files that were written beside the folder they go into. */
export interface Staged {
  /** Moves them into place. */
  place(): void;
  /** Removes what was not moved. */
  discard(): void;
}

/** Writes `files` beside `directory`. Throws a RequestError where they cannot be written; then nothing is left of them. */
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

/** Throws a RequestError where `directory` cannot be written, or where a file and a folder are in each other's place. */
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

/** A failure of the file system in a user's words; anything else as it is. */
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
