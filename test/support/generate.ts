// Generates projects directly with the core.
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { resolve as resolveAnswers } from '../../generators/config/resolve.js';
import { readObject, type Source } from '../../generators/config/sources.js';
import { manifest } from '../../generators/project/manifest.js';
import { projectFrom } from '../../generators/project/project.js';
import { render } from '../../generators/project/render.js';
import { write } from '../../generators/project/write.js';

/** Resolves sources to answers and problems; without problems, also to a project. */
export function resolve(sources: readonly Source[]) {
  const resolved = resolveAnswers(sources);
  return { ...resolved, project: resolved.problems.length ? undefined : projectFrom(resolved.answers) };
}

/** Writes the project for `answers` into `directory` and returns `directory`. Fails if the answers have problems. */
export async function generateProject(answers: Record<string, unknown>, directory: string): Promise<string> {
  const { project, problems } = resolve([readObject(answers, 'the test')]);
  assert.ok(project, JSON.stringify(problems));
  write(render(manifest(project), project), directory, false);
  return directory;
}

/** The relative paths of all files in a folder, sorted. */
export const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();
