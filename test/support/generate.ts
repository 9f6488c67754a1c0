// Generates a project into a folder, straight from the core.
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { resolve as resolveAnswers } from '../../generators/config/resolve.js';
import { readObject, type Source } from '../../generators/config/sources.js';
import { manifest } from '../../generators/project/manifest.js';
import { projectFrom } from '../../generators/project/project.js';
import { render } from '../../generators/project/render.js';
import { write } from '../../generators/project/write.js';

/** What the sources come to: also the project, where nothing is wrong. */
export function resolve(sources: readonly Source[]) {
  const settled = resolveAnswers(sources);
  return { ...settled, project: settled.problems.length ? undefined : projectFrom(settled.answers) };
}

/** Writes the project of `answers` into `directory`; the directory. Fails where the answers do not make a project. */
export async function generateProject(answers: Record<string, unknown>, directory: string): Promise<string> {
  const { project, problems } = resolve([readObject(answers, 'the test')]);
  assert.ok(project, JSON.stringify(problems));
  write(render(manifest(project), project), directory, false);
  return directory;
}

/** The paths of all files below a folder, sorted. */
export const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();
