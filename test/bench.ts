// npm run bench: how fast generated servers answer, beside others; how long the command takes, beside Node's own start.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { chart } from './bench/chart.js';
import { contenders } from './bench/contenders.js';
import { program } from './bench/environments.js';
import { needWrk } from './bench/load.js';
import { measure } from './bench/measure.js';
import { readOptions } from './bench/options.js';
import { document, findings } from './bench/report.js';
import { bin } from './support/bin.js';
import { root } from './support/tools.js';

const options = readOptions(
  process.argv.slice(2),
  contenders.map(({ name }) => name),
);
needWrk();
if (!existsSync(bin)) spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' });

const began = performance.now();
const results = await measure(options);
console.log(findings(results, options));
writeFileSync(join(root, '.bench/results.json'), JSON.stringify(results, null, 1));

const { stdout } = spawnSync(program('ours', 'python'), ['--version'], { encoding: 'utf8' });
const picture = chart(results.rows);
const text = document(results, options, stdout.replace('Python', '').trim(), picture !== undefined);
mkdirSync(options.out, { recursive: true });
writeFileSync(join(options.out, 'benchmarks.md'), text);
if (picture) writeFileSync(join(options.out, 'benchmarks.svg'), picture);
const minutes = ((performance.now() - began) / 60_000).toFixed(1);
console.error(`bench: wrote ${relative(process.cwd(), options.out)}/benchmarks.md after ${minutes} minutes`);
process.exit(results.missing.some(({ name }) => ['fastapi', 'flask'].includes(name)) ? 1 : 0); // ours has to run
