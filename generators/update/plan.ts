// What an update will do, told apart from doing it.
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { explain } from '../config/describe.js';
import { storageName } from '../config/files.js';
import { gather, type Context as RunContext } from '../config/gather.js';
import type { Answers } from '../config/parameters.js';
import { type Problem, RequestError, StateError } from '../config/problems.js';
import type { CommandLine } from '../config/sources.js';
import { projectFiles, RefusedError } from '../plan.js';
import { type Base, baseFile, decodeBase, encodeBase, NewerBaseError, UnreadableBaseError } from '../project/base.js';
import { type Project, projectFrom } from '../project/project.js';
import type { RenderedFile } from '../project/render.js';
import { freeName } from '../project/write.js';
import { version } from '../version.js';
import { type Change, type Context, changeOf, isOwnLock } from './changes.js';
import { type CurrentFile, readCurrent } from './disk.js';
import { type GitState, gitState } from './git.js';
import { hasMarkers, type Resolution } from './merge.js';

const answersFile = '.yo-rc.json';

/** An update that can be made. */
export interface UpdatePlan {
  readonly directory: string;
  /** The version that the project was generated with before. */
  readonly from: string;
  readonly answers: Answers;
  readonly project: Project;
  readonly warnings: readonly string[];
  readonly explanation: string;
  /** What happens to each file; conflicts are resolved as is said. */
  changes(resolution: Resolution): readonly Change[];
  /** The base that goes with it; undefined where that is there already. */
  readonly base: Buffer | undefined;
  readonly current: (path: string) => CurrentFile | undefined;
}

/** Plans an update; changes nothing. Throws a RequestError or a StateError where it cannot be made. */
export async function planUpdate(line: CommandLine, context: RunContext): Promise<UpdatePlan> {
  refuseArguments(line);
  const given = line.values.find(({ key }) => key === 'projectDir');
  const directory = resolve(context.cwd, String(given?.value ?? '.'));
  refuseElsewhere(directory);
  const base = readBase(directory);
  const here = { key: 'projectDir', value: '.', from: 'the current folder' } as const;
  const resolution = await gather(given ? line : { ...line, values: [...line.values, here] }, context);
  if (resolution.problems.length) throw new RefusedError(resolution.problems, resolution);
  const { projectDir: _, ...answers } = resolution.answers;
  const project = projectFrom(answers);
  const now = projectFiles(project, base.fromModel);
  const current = reader(directory);
  const changes = changesOf(base, now, current, directory);
  const planned = changes('markers');
  const state = gitState(directory);
  refuseUnfinished(state);
  refuseState(planned, [...base.files, ...now], current, directory);
  const warnings = refuseDirty(state, planned, line.run);
  const kept = keptOf(base, now, current);
  const next = Buffer.from(encodeBase({ version: version(), files: now, fromModel: base.fromModel, kept }));
  return {
    ...{ directory, from: base.version, answers, project, changes, current },
    warnings: [...resolution.warnings, ...warnings],
    explanation: explain(resolution),
    base: next.equals(readFileSync(join(directory, baseFile))) ? undefined : next,
  };
}

function refuseArguments({ values }: CommandLine): void {
  const problems: Problem[] = [];
  for (const { key, value, from } of values) {
    if (from === 'the first argument')
      problems.push({
        ...{ key: '', from: 'the command line', message: `update takes no arguments: ${JSON.stringify(value)}` },
        hint: 'it is for the project in the current folder; to rename that: --project-name=NAME',
      });
    if (key === 'model' || key === 'code')
      problems.push({
        ...{ key, from, message: 'update leaves the model and your code as they are' },
        hint: `copy your files into ${key === 'model' ? 'model/' : 'code/'}; for a model of another version: --framework-version=VERSION`,
      });
  }
  if (problems.length) throw new RequestError(problems, 'nothing was changed');
}

function refuseElsewhere(directory: string): void {
  const file = join(directory, answersFile);
  if (existsSync(file) && readFileSync(file, 'utf8').includes(storageName)) return;
  const lost = existsSync(join(directory, baseFile));
  if (lost) throw new StateError(`${file} is missing, or has no answers of this generator`, restore(answersFile));
  throw new RequestError(
    [
      {
        ...{ key: '', from: directory, message: 'not a project of this generator: it has no .yo-rc.json' },
        hint: 'type: cd PROJECT && ml-container-creator update',
      },
    ],
    'nothing was changed',
  );
}

const restore = (file: string) => `if it is in git: git checkout HEAD -- ${file}`;
const withoutBase = `${restore(baseFile)}. If not: generate it again with --project-dir=. --force, which saves your edits as NAME.orig and makes the base`;

function readBase(directory: string): Base {
  const path = join(directory, baseFile);
  if (!existsSync(path)) throw new StateError(`${baseFile}, which records what was generated, is missing`, withoutBase);
  try {
    return decodeBase(readFileSync(path), version());
  } catch (error) {
    if (error instanceof NewerBaseError)
      throw new StateError(
        `the project was generated by version ${error.version}, and this is ${version()}`,
        `install version ${error.version} or newer`,
      );
    if (!(error instanceof UnreadableBaseError)) throw error;
    throw new StateError(
      `${baseFile}, which records what was generated, cannot be read: ${error.message}`,
      withoutBase,
    );
  }
}

/** Reads each path once. */
function reader(directory: string): (path: string) => CurrentFile | undefined {
  const known = new Map<string, CurrentFile | undefined>();
  return (path) => {
    if (!known.has(path)) known.set(path, readCurrent(directory, path));
    return known.get(path);
  };
}

type Find = (path: string) => CurrentFile | undefined;
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

/** What is not generated any more and stays: the user edited it. */
function keptOf({ files, kept }: Base, generated: readonly RenderedFile[], current: Find): RenderedFile[] {
  const now = byPath(generated);
  return [...byPath([...kept, ...files]).values()].filter((file) => {
    const found = now.has(file.path) ? undefined : current(file.path);
    if (!found || isOwnLock(file.path, found, { current })) return false;
    return found.kind !== 'file' || found.text.replaceAll('\r\n', '\n') !== Buffer.from(file.text).toString('latin1');
  });
}

/** Throws a StateError where files are in a state in which they cannot be merged or written. */
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
  const barred = touched.filter(({ path }) => current(path)?.kind === 'other').map(({ path }) => path);
  if (barred.length)
    throw new StateError(
      'a folder, a broken link or the like is where a file should be',
      'move it away, and update again',
      barred,
    );
  const readOnly = touched
    .filter(({ path }) => current(path)?.kind === 'file' && !((current(path)?.mode ?? 0) & 0o200))
    .map(({ path }) => path);
  const folders = [...new Set(touched.map(({ path }) => nearest(dirname(join(directory, path)))))];
  const closed = folders.filter((folder) => !isWritable(folder));
  if (readOnly.length || closed.length)
    throw new StateError('files are read-only', 'type: chmod u+w FILE, and update again', [...readOnly, ...closed]);
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

/** Throws a StateError where git says that a merge is not finished. */
function refuseUnfinished(state: GitState | undefined): void {
  if (!state?.unfinished) return;
  const hint = `finish it, or type: git ${state.unfinished} --abort`;
  throw new StateError(`a git ${state.unfinished} is not finished`, hint);
}

/** Throws a StateError where git says that what would change is not committed; with --dry-run, that is a warning. */
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
  if (dryRun) return [`${message}: without --dry-run, update needs them committed, or --force`];
  throw new StateError(message, 'commit them, so that you can compare and go back; or add --force', dirty);
}
