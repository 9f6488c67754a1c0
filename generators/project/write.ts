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
import type { RenderedFile } from './render.js';

/** Throws a ConflictError where files in `directory` differ from those to be written. */
export function refuseConflicts(files: readonly RenderedFile[], directory: string): void {
  const differs = ({ path, text }: RenderedFile) => {
    const target = join(directory, path);
    return existsSync(target) && statSync(target).isFile() && readFileSync(target, 'utf8') !== text;
  };
  const conflicts = files.filter(differs).map(({ path }) => path);
  if (conflicts.length) throw new ConflictError(conflicts, directory);
}

/**
 * Writes `files` below `directory`: first beside it, then moved into place, so that a full disk leaves nothing behind.
 * Throws a ConflictError where files differ and `force` is not set, a RequestError where the folder cannot be written.
 */
export function write(files: readonly RenderedFile[], directory: string, force: boolean): void {
  try {
    if (!force) refuseConflicts(files, directory);
    refuseObstacles(files, directory);
    const staging = mkdtempSync(join(nearestFolder(dirname(directory)), '.ml-container-creator-'));
    try {
      for (const file of files) stage(file, staging);
      move(files, staging, directory);
    } finally {
      rmSync(staging, { recursive: true, force: true });
    }
  } catch (error) {
    throw asRequestError(error, directory);
  }
}

function stage({ path, text, executable }: RenderedFile, staging: string): void {
  mkdirSync(dirname(join(staging, path)), { recursive: true });
  writeFileSync(join(staging, path), text);
  chmodSync(join(staging, path), executable ? 0o755 : 0o644);
}

function move(files: readonly RenderedFile[], staging: string, directory: string): void {
  for (const { path } of files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    renameSync(join(staging, path), join(directory, path));
  }
}

/** Throws a RequestError where `directory` cannot be written, or where a file and a folder are in each other's place. */
export function refuseObstacles(files: readonly RenderedFile[], directory: string): void {
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
