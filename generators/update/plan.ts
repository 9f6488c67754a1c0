// Plans an update without doing it.
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { explain } from '../config/describe.js';
import { storageName } from '../config/files.js';
import { gather, type Context as RunContext } from '../config/gather.js';
import type { Answers } from '../config/parameters.js';
import { type Problem, RequestError, StateError } from '../config/problems.js';
import type { CommandLine } from '../config/sources.js';
import { readModel } from '../model/read.js';
import { projectFiles, RefusedError } from '../plan.js';
import { type Base, baseFile, decodeBase, encodeBase, NewerBaseError, UnreadableBaseError } from '../project/base.js';
import { type Project, projectFrom } from '../project/project.js';
import { quoteFor } from '../project/quote.js';
import type { RenderedFile } from '../project/render.js';
import { freeName } from '../project/write.js';
import { version } from '../version.js';
import { refuseInterrupted } from './apply.js';
import { type Change, type Context, changeOf, isOwnLock } from './changes.js';
import { type CurrentFile, type Find, readCurrent } from './disk.js';
import { type GitState, gitState } from './git.js';
import { hasMarkers, type Resolution } from './merge.js';

const shell = quoteFor('next.sh');
const answersFile = '.yo-rc.json';

/** An update that can be applied. */
export interface UpdatePlan {
  readonly directory: string;
  /** The generator version that the project was last generated with. */
  readonly from: string;
  readonly answers: Answers;
  readonly project: Project;
  readonly warnings: readonly string[];
  readonly explanation: string;
  /** The change to each file, with conflicts resolved as given. */
  changes(resolution: Resolution): readonly Change[];
  /** The new base; undefined if it is unchanged. */
  readonly base: Buffer | undefined;
  readonly current: Find;
  /** The path of the project in its git repository. */
  readonly prefix: string;
}

/** Plans an update, but changes nothing. Throws a RequestError or a StateError if it is not possible. */
export async function planUpdate(commandLine: CommandLine, context: RunContext): Promise<UpdatePlan> {
  const given = commandLine.values.find(({ key }) => key === 'projectDir');
  const directory = resolve(context.cwd, String(given?.value ?? '.'));
  refuseArguments(commandLine, context.cwd, directory);
  refuseInterrupted(directory);
  refuseOtherFolders(directory);
  const current = reader(directory);
  const base = readBase(current);
  const here = { key: 'projectDir', value: '.', from: 'the current folder' } as const;
  const gathered = await gather(
    given ? commandLine : { ...commandLine, values: [...commandLine.values, here] },
    context,
  );
  if (gathered.problems.length) throw new RefusedError(gathered.problems, gathered);
  const { projectDir: _, ...answers } = gathered.answers;
  const project = projectFrom(answers);
  const now = projectFiles(project, base.fromModel);
  const changes = changesOf(base, now, current, directory);
  const planned = changes('markers');
  const state = gitState(directory);
  refuseUnfinished(state);
  refuseState(planned, [...base.files, ...now], current, directory);
  const warnings = refuseDirty(state, planned, commandLine.run);
  const kept = keptOf(base, now, current);
  const next = Buffer.from(encodeBase({ version: version(), files: now, fromModel: base.fromModel, kept }));
  return {
    ...{ directory, from: base.version, answers, project, changes, current, prefix: state?.prefix ?? '' },
    warnings: [...gathered.warnings, ...warnings],
    explanation: explain(gathered),
    base: next.equals(bytesOf(current(baseFile))) ? undefined : next,
  };
}

function refuseArguments({ values }: CommandLine, cwd: string, directory: string): void {
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
        hint: `${copyCommand(key, String(value), cwd, directory)}; for a model saved by another version, add --framework-version=VERSION`,
      });
  }
  if (problems.length) throw new RequestError(problems, 'nothing was changed');
}

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

function refuseOtherFolders(directory: string): void {
  const file = join(directory, answersFile);
  if (existsSync(file) && readFileSync(file, 'utf8').includes(storageName)) return;
  const lost = existsSync(join(directory, baseFile));
  if (lost) throw new StateError(`${file} is missing, or contains no answers of this generator`, restore(answersFile));
  throw new RequestError(
    [
      {
        ...{
          key: '',
          from: directory,
          message: 'not a project of this generator: .yo-rc.json is missing, or was not written by the generator',
        },
        hint: 'run: cd PROJECT && ml-container-creator update',
      },
    ],
    'nothing was changed',
  );
}

const restore = (file: string) => `if it is in git, run: git checkout HEAD -- ${file}`;
const withoutBase = `${restore(baseFile)}. Otherwise generate the project again with --project-dir=. --force, which saves files you edited as NAME.orig`;

const bytesOf = (file: CurrentFile | undefined) => Buffer.from(file?.text ?? '', 'latin1');

function readBase(current: Find): Base {
  if (!current(baseFile))
    throw new StateError(`${baseFile}, which records what was generated, is missing`, withoutBase);
  for (const path of [answersFile, baseFile])
    if (current(path)?.kind !== 'file')
      throw new StateError(`${path} is not a regular file`, 'replace it with a copy of the file it links to');
  try {
    return decodeBase(bytesOf(current(baseFile)), version());
  } catch (error) {
    if (error instanceof NewerBaseError)
      throw new StateError(
        `the project was generated by version ${error.version}, but this is version ${version()}`,
        `install version ${error.version} or newer`,
      );
    if (!(error instanceof UnreadableBaseError)) throw error;
    throw new StateError(
      `${baseFile}, which records what was generated, cannot be read: ${error.message}`,
      withoutBase,
    );
  }
}

/** Returns a function that reads files, each of them once. */
function reader(directory: string): Find {
  const known = new Map<string, CurrentFile | undefined>();
  return (path) => {
    if (!known.has(path)) known.set(path, readCurrent(directory, path));
    return known.get(path);
  };
}

const byPath = (files: readonly RenderedFile[]) => new Map(files.map((file) => [file.path, file]));

function changesOf(base: Base, generated: readonly RenderedFile[], current: Find, directory: string) {
  const [before, kept, now] = [base.files, base.kept, generated].map(byPath);
  const paths = [...new Set([...base.files, ...base.kept, ...generated].map(({ path }) => path))].sort();
  return (resolution: Resolution): Change[] => {
    const context: Context = { resolution, current, freeName: (name) => freeName(directory, name) };
    return paths.flatMap((path) => {
      const [generatedThen, keptThen] = [before?.get(path), kept?.get(path)];
      const wasKept = !generatedThen && keptThen !== undefined;
      const sides = {
        path,
        base: generatedThen ?? keptThen,
        generated: now?.get(path),
        current: current(path),
        wasKept,
      };
      return changeOf(sides, context) ?? [];
    });
  };
}

/** Files that are no longer generated, but stay because the user edited them. */
function keptOf({ files, kept }: Base, generated: readonly RenderedFile[], current: Find): RenderedFile[] {
  const now = byPath(generated);
  return [...byPath([...kept, ...files]).values()].filter((file) => {
    const found = now.has(file.path) ? undefined : current(file.path);
    if (!found || isOwnLock(file.path, found, { current })) return false;
    return found.kind !== 'file' || found.text.replaceAll('\r\n', '\n') !== Buffer.from(file.text).toString('latin1');
  });
}

/** Throws a StateError if files cannot be merged or written. */
function refuseState(
  changes: readonly Change[],
  files: readonly RenderedFile[],
  current: Find,
  directory: string,
): void {
  const paths = [...new Set(files.map(({ path }) => path))];
  const marked = paths.filter((path) => hasMarkers(current(path)?.text ?? ''));
  if (marked.length)
    throw new StateError('conflicts of an earlier merge are unresolved', 'resolve them, and update again', marked);
  const touched = changes.filter(({ writes, removes }) => removes || writes.length);
  const blocked = touched.filter(({ path }) => current(path)?.kind === 'other').map(({ path }) => path);
  if (blocked.length)
    throw new StateError(
      'a folder or a broken link is where a file should be',
      'move it away, and update again',
      blocked,
    );
  const readOnly = touched
    .filter(({ path }) => current(path)?.kind === 'file' && !((current(path)?.mode ?? 0) & 0o200))
    .map(({ path }) => path);
  const folders = [...new Set(touched.map(({ path }) => nearest(dirname(join(directory, path)))))];
  const readOnlyFolders = folders.filter((folder) => !isWritable(folder));
  if (readOnly.length || readOnlyFolders.length)
    throw new StateError('files are read-only', 'run: chmod u+w FILE, and update again', [
      ...readOnly,
      ...readOnlyFolders,
    ]);
}

const nearest = (folder: string): string => (existsSync(folder) ? folder : nearest(dirname(folder)));

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Throws a StateError during an unfinished merge or rebase in git. */
function refuseUnfinished(state: GitState | undefined): void {
  if (!state?.unfinished) return;
  const hint = `finish it, or run: git ${state.unfinished} --abort`;
  throw new StateError(`a git ${state.unfinished} is not finished`, hint);
}

/** Throws a StateError if there are uncommitted changes in git. With --dry-run, returns a warning instead. */
function refuseDirty(
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
  if (dryRun) return [`${message}: without --dry-run, update requires you to commit them, or to add --force`];
  throw new StateError(message, 'commit them, so that you can review and undo the update; or add --force', dirty);
}
