// Asks which files to overwrite before anything is written, so that a cancelled run changes nothing. Yeoman's own
// question comes too late for that: it writes the other files first.
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { CancelledError } from './config/problems.js';
import type { RenderedFile } from './project/render.js';
import { isUpToDate } from './project/write.js';
import { diffOf } from './update/diff.js';
import { readCurrent } from './update/disk.js';

/** The choices and the name of the question are those of Yeoman, which programs that run generators know. */
const choices = [
  { key: 'y', value: 'write', name: 'overwrite' },
  { key: 'n', value: 'skip', name: 'do not overwrite' },
  { key: 'a', value: 'force', name: 'overwrite this and all others' },
  { key: 'd', value: 'diff', name: 'show the differences' },
  { key: 'x', value: 'abort', name: 'cancel: write nothing' },
] as const;

/** How often the differences of a file can be shown. Only a program asks for them that often. */
const MAX_REPEATS = 10;

/** Asks for one of `choices`, and prints a text. */
export interface Terminal {
  ask: (question: { name: 'action'; type: 'expand'; message: string; choices: typeof choices }) => Promise<unknown>;
  say: (text: string) => void;
}

/** Returns the paths that the user does not want to overwrite. Throws a CancelledError if the user cancels. */
export async function pathsToKeep(
  files: readonly RenderedFile[],
  { directory, cwd }: { directory: string; cwd: string },
  { ask, say }: Terminal,
): Promise<ReadonlySet<string>> {
  const kept = new Set<string>();
  for (const file of files.filter(({ path }) => existsSync(join(directory, path)))) {
    if (isUpToDate(file, directory)) continue;
    const message = `Overwrite ${relative(cwd, join(directory, file.path))}?`;
    const question = { name: 'action', type: 'expand', message, choices } as const;
    let action = await ask(question);
    for (let repeats = 0; action === 'diff' && repeats < MAX_REPEATS; repeats++) {
      say(differences(file, directory));
      action = await ask(question);
    }
    if (action === 'abort') throw new CancelledError();
    if (action === 'force') break;
    if (action !== 'write') kept.add(file.path);
  }
  return kept;
}

function differences({ path, text, executable }: RenderedFile, directory: string): string {
  const write = { path, text: Buffer.from(text).toString('latin1'), mode: executable ? 0o755 : 0o644 };
  const change = { path, outcome: 'updated', writes: [write] } as const;
  return Buffer.from(
    diffOf([change], (each) => readCurrent(directory, each)),
    'latin1',
  ).toString();
}
