// For the framework tests: an environment for each framework, and a project for every format and server.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Framework } from '../../generators/catalog/frameworks.js';
import { combinations, trains } from './combinations.js';
import { generateProject } from './generate.js';
import { environmentOf, installEngines, installFramework } from './tools.js';

/** Call `prepare` first. `projects` then contains folders named FRAMEWORK-FORMAT-SERVER, or after the engines. */
interface Prepared {
  python: string;
  projects: string;
  prepare: () => Promise<unknown>;
}

let parent = '';

/** Creates a folder that is removed when this process exits. */
function scratch(): string {
  if (!parent) {
    parent = mkdtempSync(join(tmpdir(), 'projects-'));
    process.on('exit', () => rmSync(parent, { recursive: true, force: true }));
  }
  return mkdtempSync(join(parent, 'of-'));
}

/** A project for each engine, and the environment of vLLM. */
export function engines(): Prepared {
  const projects = scratch();
  const prepare = async () => {
    for (const modelServer of ['vllm', 'sglang']) {
      const answers = { framework: 'transformers', modelServer, modelName: 's3://bucket/tiny-1b/' };
      await generateProject(answers, join(projects, modelServer));
    }
    await installEngines();
  };
  return { python: join(environmentOf('engines'), 'bin/python'), projects, prepare };
}

/** A framework's projects with the model in S3, and its environment. */
export function framework(name: Framework): Prepared {
  const projects = scratch();
  const wanted = combinations.filter(({ framework, modelDelivery }) => framework === name && modelDelivery === 's3');
  const extras = { includeSampleModel: true, includeTraining: trains(name) };
  const prepare = async () => {
    for (const { modelDelivery: _, ...combination } of wanted) {
      const { modelFormat, modelServer } = combination;
      await generateProject(
        { ...combination, ...extras },
        join(projects, `${name}-${modelFormat ?? 'own'}-${modelServer}`),
      );
    }
    await installFramework(name);
  };
  return { python: join(environmentOf(name), 'bin/python'), projects, prepare };
}
