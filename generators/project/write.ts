// Writes a project to the disk: all of it or none of it.
import {
  chmodSync,
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

/** Files in `directory` that differ from those to be written. */
export function inTheWay(files: readonly RenderedFile[], directory: string): string[] {
  const differs = ({ path, text }: RenderedFile) => {
    const target = join(directory, path);
    return existsSync(target) && statSync(target).isFile() && readFileSync(target, 'utf8') !== text;
  };
  return files.filter(differs).map(({ path }) => path);
}

/**
 * Writes `files` below `directory`: first beside it, then moved into place, so that a full disk leaves nothing behind.
 * Throws a ConflictError where files differ and `force` is not set, a RequestError where the folder cannot be written.
 */
export function write(files: readonly RenderedFile[], directory: string, force: boolean): void {
  try {
    const conflicts = force ? [] : inTheWay(files, directory);
    if (conflicts.length) throw new ConflictError(conflicts, directory);
    const obstacle = files.flatMap(({ path }) => obstacles(directory, path))[0];
    if (obstacle) throw Object.assign(new Error(), { code: obstacle });
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

/** What would stop a file from being moved into place, as an error's code. */
function obstacles(directory: string, path: string): string[] {
  const parts = path.split('/');
  const folders = parts.map((_, depth) => join(directory, ...parts.slice(0, depth)));
  if (folders.some((folder) => existsSync(folder) && !statSync(folder).isDirectory())) return ['ENOTDIR'];
  const target = join(directory, path);
  return existsSync(target) && statSync(target).isDirectory() ? ['EISDIR'] : [];
}

function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'a part of the path is a file',
  EISDIR: 'a folder stands where a file should be',
  ENOTEMPTY: 'a folder stands where a file should be',
  ENAMETOOLONG: 'the path is too long',
};

/** A failure of the file system in a user's words; anything else as it is. */
export function asRequestError(error: unknown, directory: string): unknown {
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
