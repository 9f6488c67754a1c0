// For the tests of each framework: its environment, and a project of every format on every server.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { combinations, trains } from './combinations.js';
import { generateProject } from './generate.js';
import { installEngines, installFramework } from './tools.js';

/** A framework that can be tested: `projects` holds folders called FRAMEWORK-FORMAT-SERVER. */
interface Prepared {
  framework: string;
  python: string;
  projects: string;
}

/** Prepares a project of each engine; the Python of vLLM, and vLLM's project. */
export async function prepareEngines(): Promise<{ python: string; project: string }> {
  const projects = mkdtempSync(join(tmpdir(), 'engines-'));
  process.on('exit', () => rmSync(projects, { recursive: true, force: true }));
  for (const modelServer of ['vllm', 'sglang']) {
    const answers = { framework: 'transformers', modelServer, modelName: 's3://bucket/tiny-1b/' };
    await generateProject(answers, join(projects, modelServer));
  }
  return { python: join(installEngines(), 'python'), project: join(projects, 'vllm') };
}

/** Prepares those named, or all that can be generated. */
export async function prepareFrameworks(names: readonly string[]): Promise<Prepared[]> {
  const projects = mkdtempSync(join(tmpdir(), 'frameworks-'));
  process.on('exit', () => rmSync(projects, { recursive: true, force: true }));
  const wanted = combinations.filter(
    ({ framework, modelDelivery }) => modelDelivery === 's3' && (names.length === 0 || names.includes(framework)),
  );
  for (const { modelDelivery: _, ...combination } of wanted) {
    const { framework, modelFormat, modelServer } = combination;
    const folder = join(projects, `${framework}-${modelFormat ?? 'own'}-${modelServer}`);
    const extras = { includeSampleModel: true, includeTraining: trains(framework) };
    await generateProject({ ...combination, ...extras }, folder);
  }
  return [...new Set(wanted.map(({ framework }) => framework))].map((framework) => ({
    framework,
    python: join(installFramework(framework), 'python'),
    projects,
  }));
}
