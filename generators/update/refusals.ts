// What stops an update before it changes anything: arguments, the folder, the state of its files, and git.
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { answersFile, storageName } from '../config/files.js';
import { type Problem, RequestError, StateError } from '../config/problems.js';
import type { CommandLine } from '../config/sources.js';
import { readModel } from '../model/read.js';
import { baseFile } from '../project/base.js';
import { quoteFor } from '../project/quote.js';
import type { RenderedFile } from '../project/render.js';
import { nearestFolder } from '../project/write.js';
import type { Change } from './changes.js';
import type { Find } from './disk.js';
import type { GitState } from './git.js';
import { hasMarkers } from './merge.js';

const shell = quoteFor('next.sh');

/** Throws a RequestError for arguments, a model and code, which an update does not take. */
export function refuseArguments({ values }: CommandLine, cwd: string, directory: string): void {
  const problems: Problem[] = [];
  for (const { key, value, from } of values) {
    if (from === 'the first argument')
      problems.push({
        ...{
          key: '',
          from: 'the command line',
          message: `update takes no arguments, but got ${JSON.stringify(value)}`,
        },
        hint: 'run it in the folder of the project; to rename the project, add --project-name=NAME',
      });
    if (key === 'model' || key === 'code')
      problems.push({
        ...{ key, from, message: 'update does not change the model or your code' },
        hint: `${copyCommand(key, String(value), cwd, directory)}${key === 'model' ? otherVersion : ''}`,
      });
  }
  if (problems.length) throw new RequestError(problems, 'nothing was changed');
}

const otherVersion =
  '; if another version saved the model, also run: ml-container-creator update --framework-version=VERSION';

/** What to type to copy a model or code into the project. */
function copyCommand(key: 'model' | 'code', path: string, cwd: string, directory: string): string {
  const into = (name: string) => shell(relative(cwd, join(directory, key, name)));
  const source = resolve(cwd, path);
  if (!existsSync(source)) return `copy your files into ${key}/`;
  if (statSync(source).isDirectory()) return `run: cp -r ${shell(`${path}/.`)} ${into('')}`;
  const names = [basename(source), ...(key === 'model' ? namesOf(source) : [])];
  const name = names.find((each) => existsSync(join(directory, key, each))) ?? names.at(-1) ?? '';
  return `run: cp ${shell(path)} ${into(name)}`;
}

/** The names that the handler expects for the files of a model; none if it cannot be read. */
function namesOf(source: string): string[] {
  try {
    return readModel(source).files.map((file) => file.path);
  } catch {
    return [];
  }
}

/** Throws a RequestError for a folder that is not a project, a StateError for a project without its answers. */
export function refuseOtherFolders(directory: string): void {
  const file = join(directory, answersFile);
  if (existsSync(file) && readFileSync(file, 'utf8').includes(storageName)) return;
  const lost = existsSync(join(directory, baseFile));
  if (lost)
    throw new StateError(`${file} is missing, or does not contain this generator's settings`, restore(answersFile));
  throw new RequestError(
    [
      {
        ...{
          key: '',
          from: directory,
          message: `${directory} is not a project of this generator: ${answersFile} is missing, or was written by another one`,
        },
        hint: 'run: cd PROJECT && ml-container-creator update',
      },
    ],
    'nothing was changed',
  );
}

/** How to get a file back that the update requires. */
export const restore = (file: string) => `if it is in git, run: git checkout HEAD -- ${file}`;

/** Throws a StateError if files cannot be merged or written. */
export function refuseState(
  changes: readonly Change[],
  files: readonly RenderedFile[],
  current: Find,
  directory: string,
): void {
  const paths = [...new Set(files.map(({ path }) => path))];
  const marked = paths.filter((path) => hasMarkers(current(path)?.text ?? ''));
  if (marked.length)
    throw new StateError(
      'conflicts from an earlier merge are unresolved',
      'resolve them, then run update again',
      marked,
    );
  const touched = changes.filter(({ writes, removes }) => removes || writes.length);
  const blocked = touched.filter(({ path }) => current(path)?.kind === 'other').map(({ path }) => path);
  if (blocked.length)
    throw new StateError(
      'a folder or a broken link is where a file should be',
      'move it elsewhere, then run update again',
      blocked,
    );
  const readOnly = touched
    .filter(({ path }) => current(path)?.kind === 'file' && !((current(path)?.mode ?? 0) & 0o200))
    .map(({ path }) => path);
  const folders = [...new Set(touched.map(({ path }) => nearestFolder(dirname(join(directory, path)))))];
  const readOnlyFolders = folders.filter((folder) => !isWritable(folder));
  if (readOnly.length || readOnlyFolders.length)
    throw new StateError('files are read-only', 'run: chmod u+w FILE; then run update again', [
      ...readOnly,
      ...readOnlyFolders,
    ]);
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Throws a StateError during an unfinished merge or rebase in git. */
export function refuseUnfinished(state: GitState | undefined): void {
  if (!state?.unfinished) return;
  const hint = `finish it, or run: git ${state.unfinished} --abort`;
  throw new StateError(`a git ${state.unfinished} is not finished`, hint);
}

/** Throws a StateError if there are uncommitted changes in git. With --dry-run, returns a warning instead. */
export function refuseDirty(
  state: GitState | undefined,
  changes: readonly Change[],
  { force, dryRun }: CommandLine['run'],
): string[] {
  if (!state) return [];
  const untracked = new Set(state.untracked);
  const touched = changes.filter(({ writes, removes, path }) => (removes || writes.length) && untracked.has(path));
  const dirty = [...state.changed, ...touched.map(({ path }) => path)];
  if (!dirty.length || force) return [];
  const message = 'the project has changes that are not committed to git';
  if (dryRun) return [`${message}: to run the update, commit them first, or add --force`];
  throw new StateError(message, 'commit them first, so that you can review and undo the update; or add --force', dirty);
}
