// Runs suites, one after the other, lets their own closing lines show, and ends with the sum:
//   tsx test/run.ts unit generate serve
//   tsx test/run.ts frameworks [FRAMEWORK …]
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { preloadAws } from './support/aws.js';
import { prepareFrameworks } from './support/frameworks.js';
import { installTools, root, tool } from './support/tools.js';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** How each kind of runner words its counts. */
const wordings: Readonly<Record<keyof Counts, readonly RegExp[]>> = {
  passed: [/^\s*(\d+) passing\b/m, /\b(\d+) passed\b/],
  failed: [/^\s*(\d+) failing\b/m, /\b(\d+) (?:failed|errors?)\b/],
  skipped: [/^\s*(\d+) pending\b/m, /\b(\d+) skipped\b/],
};

const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js');

/** Runs a program with its output shown, as it comes or all at its end; the output and the exit status. */
function show(command: string, args: readonly string[], atEnd: boolean): Promise<{ output: string; status: number }> {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
    if (!atEnd) process.stdout.write(chunk);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ output, status: status ?? 1 }));
  });
}

/** One run of a runner. */
interface Run {
  name: string;
  runner: 'mocha' | 'pytest';
  command: string;
  args: readonly string[];
}

const pytest = ['-m', 'pytest', '-q', '-c', 'test/serve/pyproject.toml'];

/** The runs of a suite; that of the frameworks is one for each, in an environment of its own. */
async function runsOf(suite: string, frameworks: readonly string[]): Promise<Run[]> {
  const args = ['--no-color', `test/${suite}`];
  const own: Run = { name: suite, runner: 'mocha', command: process.execPath, args: [mocha, ...args] };
  if (suite === 'serve')
    return [{ ...own, runner: 'pytest', command: tool('python'), args: [...pytest, 'test/serve'] }];
  if (suite !== 'frameworks') return [own];
  const prepared = await prepareFrameworks(frameworks);
  const runs = prepared.map(({ framework, python, projects }): Run => {
    const which = [`--framework=${framework}`, `--projects=${projects}`];
    const name = `${suite}: ${framework}`;
    return { name, runner: 'pytest', command: python, args: [...pytest, 'test/frameworks', ...which] };
  });
  return frameworks.length ? runs : [own, ...runs];
}

/** Runs one; a runner that fails without saying how many failed counts as one failure. */
async function execute({ name, runner, command, args }: Run, atEnd: boolean): Promise<Counts> {
  if (!atEnd) console.log(`\n=== ${name}`);
  const python = runner === 'pytest';
  const { output, status } = await show(command, args, atEnd);
  if (atEnd) console.log(`\n=== ${name}\n${output.trimEnd()}`);
  const closing = python ? (output.trimEnd().split('\n').at(-1) ?? '') : output;
  const count = (kind: keyof Counts) => Number(wordings[kind][python ? 1 : 0]?.exec(closing)?.[1] ?? 0);
  const counts = { passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
  return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

const [first, ...others] = process.argv.slice(2);
if (first === undefined) throw new Error('name the suites to run: unit generate serve frameworks docker deploy');
installTools();
if (first === 'docker' || first === 'deploy') await preloadAws();
const suites = first === 'frameworks' ? [first] : [first, ...others];
const runs = await Promise.all(suites.map((suite) => runsOf(suite, others)));
const sum: Counts = { passed: 0, failed: 0, skipped: 0 };
const waiting = runs.flat();
/** The serving code's tests have time limits, and the machine for themselves; the others run two at a time. */
const together = suites.includes('serve') ? 1 : 2;
await Promise.all(
  Array.from({ length: together }, async () => {
    for (let run = waiting.shift(); run; run = waiting.shift()) {
      const counts = await execute(run, together > 1);
      for (const kind of ['passed', 'failed', 'skipped'] as const) sum[kind] += counts[kind];
    }
  }),
);
console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1;
