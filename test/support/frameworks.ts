// For the tests of each framework: its environment, and a project of every format on every server.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { combinations, trains } from './combinations.js';
import { generateProject } from './generate.js';
import { installFramework } from './tools.js';

/** A framework that can be tested: `projects` holds folders called FRAMEWORK-FORMAT-SERVER. */
interface Prepared {
  framework: string;
  python: string;
  projects: string;
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
