// Generates a project into a folder, straight from the core.
import assert from 'node:assert/strict';
import { resolve } from '../../generators/config/resolve.js';
import { readObject } from '../../generators/config/sources.js';
import { manifest } from '../../generators/project/manifest.js';
import { render } from '../../generators/project/render.js';
import { write } from '../../generators/project/write.js';

/** Writes the project of `answers` into `directory`; the directory. Fails where the answers do not make a project. */
export async function generateProject(answers: Record<string, unknown>, directory: string): Promise<string> {
  const { project, problems } = resolve([readObject(answers, 'the test')]);
  assert.ok(project, JSON.stringify(problems));
  write(render(manifest(project), project), directory, false);
  return directory;
}
