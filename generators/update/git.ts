// Asks git about a project, if git is installed and the project is in a repository.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { StateError } from '../config/problems.js';

/** The state of a folder in git. Paths are relative to it. */
export interface GitState {
  /** The unfinished operation: merge, rebase, cherry-pick or revert. */
  readonly unfinished?: string | undefined;
  /** Tracked files with uncommitted changes. */
  readonly changed: readonly string[];
  readonly untracked: readonly string[];
  /** The path of the folder in the repository, with a slash at its end; empty for the top folder. */
  readonly prefix: string;
}

const unfinished: Readonly<Record<string, string>> = {
  MERGE_HEAD: 'merge',
  'rebase-merge': 'rebase',
  'rebase-apply': 'rebase',
  CHERRY_PICK_HEAD: 'cherry-pick',
  REVERT_HEAD: 'revert',
};

/** Undefined without git, or outside a repository. Throws a StateError if git fails. */
export function gitState(directory: string): GitState | undefined {
  const top = git(directory, ['rev-parse', '--show-toplevel', '--absolute-git-dir', '--show-prefix']);
  if (!top) return undefined;
  const [, folder = '', prefix = ''] = top.split('\n');
  const [, operation] = Object.entries(unfinished).find(([file]) => existsSync(resolve(folder, file))) ?? [];
  const entries = (
    git(directory, ['status', '--porcelain=v1', '-z', '--untracked-files=all', '--no-renames', '--', '.']) ?? ''
  )
    .split('\0')
    .filter(Boolean)
    .map((entry) => ({ kind: entry.slice(0, 2), path: entry.slice(3 + prefix.length) }));
  const unmerged = entries.some(({ kind }) => /U|AA|DD/.test(kind));
  const paths = (untracked: boolean) =>
    entries.filter(({ kind }) => (kind === '??') === untracked).map(({ path }) => path);
  return {
    unfinished: operation ?? (unmerged ? 'merge' : undefined),
    changed: paths(false),
    untracked: paths(true),
    prefix,
  };
}

/** Runs a git command and returns its output; undefined without git or a repository. */
function git(directory: string, args: readonly string[]): string | undefined {
  const env = { ...process.env, LC_ALL: 'C', GIT_OPTIONAL_LOCKS: '0' };
  const options = { cwd: directory, env, encoding: 'utf8', maxBuffer: 1 << 28 } as const;
  const { status, stdout, stderr, error } = spawnSync('git', args, options);
  if (error && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  if (status === 0) return stdout;
  if (/not a git repository|must be run in a work tree/.test(stderr ?? '')) return undefined;
  const reason = (stderr || error?.message || '').trim().split('\n', 1)[0];
  throw new StateError(
    `cannot determine whether the project has uncommitted changes: ${reason}`,
    'make sure that `git status` works in this folder',
  );
}
