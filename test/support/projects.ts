// Generates and updates projects in this process, as the bin does.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readArguments } from '../../generators/config/sources.js';
import { plan } from '../../generators/plan.js';
import { write } from '../../generators/project/write.js';
import type { Resolution } from '../../generators/update/merge.js';
import { runUpdate } from '../../generators/update/run.js';

/** Generates a project into `folder`. */
export async function generate(folder: string, ...args: string[]): Promise<string> {
  const line = readArguments([
    ...(args.some((each) => each.startsWith('--project-name=')) ? [] : ['demo']),
    '--project-dir=.',
    ...args,
  ]);
  const { files, directory } = await plan('app', line, { cwd: folder, env: {} });
  write(files, directory, false);
  return folder;
}

/** Updates the project in `folder`; the exit status, what was said, and the diff of --dry-run. Throws what the update throws. */
export async function update(folder: string, args: readonly string[] = [], resolution: Resolution = 'markers') {
  const said: string[] = [];
  const diff: Buffer[] = [];
  const run = {
    cwd: folder,
    commandLine: readArguments(args),
    say: (text: string) => void said.push(text),
    warn: () => {},
    print: (bytes: Buffer) => void diff.push(bytes),
  };
  const status = await runUpdate(run, async () => resolution);
  return { status, output: said.join(''), diff: Buffer.concat(diff) };
}

/** Edits a file: `from` becomes `to`, or `to` goes to its end. */
export interface Edit {
  readonly path: string;
  readonly from?: string;
  readonly to: string;
}

export function edited(text: string, { path, from, to }: Edit): string {
  if (from === undefined) return `${text}${to}`;
  assert.ok(text.includes(from), `${path} has no ${from}`);
  return text.replace(from, to);
}

export function edit(folder: string, ...edits: readonly Edit[]): void {
  for (const each of edits) {
    const file = join(folder, each.path);
    writeFileSync(file, edited(readFileSync(file, 'utf8'), each));
  }
}
