// npm run bench: how fast generated servers answer, beside others; how long the command takes, beside Node's own start;
// what each framework costs.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { chart } from './bench/chart.js';
import { measureColumns } from './bench/columns.js';
import { contenders } from './bench/contenders.js';
import { program } from './bench/environments.js';
import { measureFrameworks, prepareSamples } from './bench/frameworks.js';
import { needLinux, needWrk } from './bench/load.js';
import { measureMany } from './bench/many.js';
import { measure } from './bench/measure.js';
import { models } from './bench/models.js';
import { readOptions } from './bench/options.js';
import { document, findings } from './bench/report.js';
import { columnsSection, frameworksSection, inWords, manySection, replaceSection } from './bench/section.js';
import { bin } from './support/bin.js';
import { root } from './support/tools.js';

const options = readOptions(
  process.argv.slice(2),
  contenders.map(({ name }) => name),
  models.map(({ name }) => name),
);
const file = join(options.out, 'benchmarks.md');
mkdirSync(options.out, { recursive: true });
const good = await (options.frameworks
  ? renewFrameworks()
  : options.many
    ? renewMany()
    : options.columns
      ? renewColumns()
      : measureAll());
const minutes = (performance.now() / 60_000).toFixed(1);
console.error(`bench: wrote ${relative(process.cwd(), file)} after ${minutes} minutes`);
process.exit(good ? 0 : 1);

/** Writes the whole document. False where what is generated did not run. */
async function measureAll(): Promise<boolean> {
  needWrk();
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

/** Writes the section on many models into the document that is there. */
async function renewMany(): Promise<boolean> {
  needWrk();
  renew(manySection(await measureMany(await prepareSamples(), options)));
  return true;
}

/** Writes the section on requests by column into the document that is there. */
async function renewColumns(): Promise<boolean> {
  renew(columnsSection(await measureColumns(await prepareSamples(['sklearn']), options)));
  return true;
}

/** Prints a section and puts it into the document. */
function renew(paragraphs: readonly string[]): void {
  const section = inWords(paragraphs);
  console.log(section);
  writeFileSync(file, replaceSection(existsSync(file) ? readFileSync(file, 'utf8') : '# Benchmarks\n\n', section));
}

/** Writes the section on the frameworks into the document that is there. False where one of them did not run. */
async function renewFrameworks(): Promise<boolean> {
  needLinux();
  const found = await measureFrameworks(await prepareSamples(), options);
  renew(frameworksSection(found, options));
  return found.rows.every(({ costs }) => costs);
}
