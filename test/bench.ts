// npm run bench: the speed of generated servers compared with others, the duration of the command compared with
// starting Node, and the cost of each framework.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { chart } from './bench/chart.js';
import { measureColumns } from './bench/columns.js';
import { contenders } from './bench/contenders.js';
import { measureContent } from './bench/content.js';
import { program } from './bench/environments.js';
import { measureFrameworks, prepareSamples } from './bench/frameworks.js';
import { requireLinux, requireWrk } from './bench/load.js';
import { measureMany } from './bench/many.js';
import { measure } from './bench/measure.js';
import { models } from './bench/models.js';
import { readOptions, type Section } from './bench/options.js';
import { document, findings } from './bench/report.js';
import {
  columnsSection,
  contentSection,
  frameworksSection,
  manySection,
  replaceSection,
  stagesSection,
  toMarkdown,
} from './bench/section.js';
import { measureStages } from './bench/stages.js';
import { bin } from './support/bin.js';
import { root } from './support/tools.js';

const options = readOptions(
  process.argv.slice(2),
  contenders.map(({ name }) => name),
  models.map(({ name }) => name),
);
const file = join(options.out, 'benchmarks.md');
mkdirSync(options.out, { recursive: true });
const succeeded = await (options.section ? renewSection(options.section) : measureAll());
const minutes = (performance.now() / 60_000).toFixed(1);
console.error(`bench: wrote ${relative(process.cwd(), file)} after ${minutes} minutes`);
process.exit(succeeded ? 0 : 1);

/** Writes the whole document. Returns false if a generated server did not run. */
async function measureAll(): Promise<boolean> {
  requireWrk();
  if (!existsSync(bin)) spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' });
  const results = await measure(options);
  console.log(findings(results, options));
  writeFileSync(join(root, '.bench/results.json'), JSON.stringify(results, null, 1));

  const { stdout } = spawnSync(program('ours', 'python'), ['--version'], { encoding: 'utf8' });
  const picture = chart(results.rows);
  writeFileSync(file, document(results, options, stdout.replace('Python', '').trim(), picture !== undefined));
  if (picture) writeFileSync(join(options.out, 'benchmarks.svg'), picture);
  return !results.missing.some(({ name }) => ['fastapi', 'flask'].includes(name));
}

/** Measures one section and replaces it in the existing document. Returns false if a framework did not run. */
async function renewSection(name: Section): Promise<boolean> {
  requireLinux();
  if (name === 'many' || name === 'stages') requireWrk();
  if (name === 'frameworks') return renewFrameworks();
  if (name === 'many') renew(manySection(await measureMany(await prepareSamples(), options)));
  if (name === 'columns') renew(columnsSection(await measureColumns(await prepareSamples(['sklearn']), options)));
  if (name === 'content') renew(contentSection(await measureContent(await prepareSamples(['sklearn']), options)));
  if (name === 'stages') renew(stagesSection(await measureStages(options)));
  return true;
}

/** Prints a section and replaces it in the document. */
function renew(paragraphs: readonly string[]): void {
  const section = toMarkdown(paragraphs);
  console.log(section);
  writeFileSync(file, replaceSection(existsSync(file) ? readFileSync(file, 'utf8') : '# Benchmarks\n\n', section));
}

/** Replaces the section on frameworks in the existing document. Returns false if one of them did not run. */
async function renewFrameworks(): Promise<boolean> {
  const found = await measureFrameworks(await prepareSamples(), options);
  renew(frameworksSection(found, options));
  return found.rows.every(({ costs }) => costs);
}
