// Writes a project to disk, all of it or nothing.
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
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
import { ConflictError, RequestError, StateError } from '../config/problems.js';
import type { ModelFile } from '../model/read.js';
import { version } from '../version.js';
import { type Base, baseFile, decodeBase } from './base.js';
import { copyFile, isSameFile } from './copy.js';
import type { BinaryFile, RenderedFile } from './render.js';

/** A file to write: rendered, the base, or a file of the user to copy. */
export type OutputFile = RenderedFile | BinaryFile | ModelFile;

/** Throws a ConflictError if existing files in `directory` differ from those to be written. */
export function refuseConflicts(files: readonly OutputFile[], directory: string): void {
  const conflicts = conflictsIn(files, directory);
  if (!conflicts.length) return;
  const copies = conflicts.filter((file) => 'source' in file).length;
  const hint =
    copies === conflicts.length
      ? 'to replace them, add --force, which saves the old files as NAME.orig; or choose another --project-dir'
      : !copies && isProject(directory)
        ? 'to keep your edits, run ml-container-creator update in that folder with the same flags; or choose another --project-dir, or add --force to overwrite the files'
        : 'choose another --project-dir, or add --force to overwrite them';
  const paths = conflicts.map(({ path }) => path);
  throw new ConflictError(paths, directory, hint);
}

/** The existing files in `directory` that differ from those to be written. */
export const conflictsIn = (files: readonly OutputFile[], directory: string): readonly OutputFile[] =>
  files.filter((file) => !('bytes' in file) && differs(file, join(directory, file.path)));

/** Whether `directory` is a project that can be updated. */
export const isProject = (directory: string) => existsSync(join(directory, baseFile));

function differs(file: OutputFile, target: string): boolean {
  if (!existsSync(target) || !statSync(target).isFile()) return false;
  if ('source' in file) return !isSameFile(file.source, target);
  return !readFileSync(target).equals('text' in file ? Buffer.from(file.text) : file.bytes);
}

/** Whether the file in `directory` is already as it would be written. */
export function isUpToDate(file: OutputFile, directory: string): boolean {
  const target = join(directory, file.path);
  if (!existsSync(target) || differs(file, target)) return false;
  const executable = (statSync(target).mode & 0o111) !== 0;
  return process.platform === 'win32' || !('text' in file) || executable === file.executable;
}

/**
 * Writes `files` into `directory`, via a temporary folder next to it, so that a full disk leaves nothing behind. Skips
 * files that are already up to date. Throws a ConflictError if files differ and `force` is not set, a RequestError
 * if the folder cannot be written.
 */
export function write(files: readonly OutputFile[], directory: string, force: boolean): Written {
  if (!force) refuseConflicts(files, directory);
  refuseObstacles(files, directory);
  const changed = files.filter((file) => !isUpToDate(file, directory));
  const staged = stage(changed, directory);
  let saved: readonly string[];
  try {
    saved = saveEdits(changed, directory);
    staged.place();
  } finally {
    staged.discard();
  }
  return { count: changed.length, saved };
}

/** The result of a run. */
export interface Written {
  /** The number of files written, without those already up to date. */
  readonly count: number;
  /** The new names of the user's files that were saved first. */
  readonly saved: readonly string[];
}

/** Copies the edited files that are about to be replaced to NAME.orig. Returns these names. Throws a RequestError. */
export function saveEdits(files: readonly OutputFile[], directory: string): string[] {
  const base = readBase(directory);
  const saved: string[] = [];
  try {
    for (const file of files) {
      const target = join(directory, file.path);
      if ('bytes' in file || !existsSync(target) || !differs(file, target)) continue;
      const before = base?.files.find(({ path }) => path === file.path);
      if (before && readFileSync(target).equals(Buffer.from(before.text))) continue;
      const name = freeName(directory, `${file.path}.orig`);
      copyFileSync(target, join(directory, name), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      saved.push(name);
    }
  } catch (error) {
    for (const name of saved) rmSync(join(directory, name), { force: true });
    throw asRequestError(error, directory);
  }
  return saved;
}

/** The base of a folder; undefined if it cannot be read. */
function readBase(directory: string): Base | undefined {
  try {
    return decodeBase(readFileSync(join(directory, baseFile)), version());
  } catch {
    return undefined;
  }
}

/** The first of NAME, NAME.1, NAME.2 … that does not exist. */
export function freeName(directory: string, name: string): string {
  const names = [name, ...Array.from({ length: 999 }, (_, at) => `${name}.${at + 1}`)];
  return names.find((each) => !existsSync(join(directory, each))) ?? `${name}.1000`;
}

/** Where an update puts its files until they go into place. */
export const stagingFolder = '.ml-container-creator.update';

/** Throws a StateError if an update is running in the folder, or was interrupted. */
export function refuseInterrupted(directory: string): void {
  if (!existsSync(join(directory, stagingFolder))) return;
  throw new StateError(
    'an update is still running, or was interrupted',
    `if no update is running, run in the project: mkdir -p ${stagingFolder}/old && cp -R ${stagingFolder}/old/. . && rm -r ${stagingFolder}; then try again`,
  );
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
  else writeFileSync(target, 'text' in file ? file.text : file.bytes);
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
  refuseInterrupted(directory);
  try {
    const nearest = nearestFolder(directory);
    if (!statSync(nearest).isDirectory()) throw refusal('ENOTDIR', nearest);
    for (const { path } of files) refuseObstacle(directory, path);
    accessSync(nearest, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw asRequestError(error, directory);
  }
}

const refusal = (code: string, path: string) => Object.assign(new Error(path), { code });

function refuseObstacle(directory: string, path: string): void {
  const parts = path.split('/');
  const folders = parts.map((_, depth) => join(directory, ...parts.slice(0, depth)));
  if (folders.some((folder) => existsSync(folder) && !statSync(folder).isDirectory())) throw refusal('ENOTDIR', path);
  const target = join(directory, path);
  if (existsSync(target) && statSync(target).isDirectory()) throw refusal('EISDIR', path);
}

/** The path itself, or its nearest parent that exists. */
export function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}

/** Messages for file system errors. */
export const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  ENOENT: 'part of the path is a broken link',
  ENOTDIR: 'part of the path is a file',
  EEXIST: 'part of the path is a file',
  EISDIR: 'a folder is where a file should be',
  ENOTEMPTY: 'a folder is where a file should be',
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
      message: `${directory} cannot be written: ${reason}`,
      hint: 'choose another --project-dir',
    },
  ]);
}
