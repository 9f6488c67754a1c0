// Runs suites, one after the other, lets their own closing lines show, and ends with the sum:
//   tsx test/run.ts unit generate serve
//   tsx test/run.ts frameworks [FRAMEWORK … | engines]
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { preloadAws } from './support/aws.js';
import { installCdk } from './support/cdk.js';
import { prepareEngines, prepareFrameworks } from './support/frameworks.js';
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
function show({ command, args }: Run, env: Env, atEnd: boolean): Promise<{ output: string; status: number }> {
  const options = { cwd: root, env: { ...process.env, ...env } };
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
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

type Env = Readonly<Record<string, string>>;

/** One run of a runner. */
interface Run {
  name: string;
  runner: 'mocha' | 'pytest';
  command: string;
  args: readonly string[];
}

const pytest = ['-m', 'pytest', '-q', '-c', 'test/serve/pyproject.toml'];

/** The runs of a suite; of the frameworks one for each, in an environment of its own, of the deployments one for each file. */
async function runsOf(suite: string, frameworks: readonly string[]): Promise<Run[]> {
  const mochaRun = (name: string): Run => {
    const args = [mocha, '--no-color', `test/${name}`];
    return { name, runner: 'mocha', command: process.execPath, args };
  };
  const own = mochaRun(suite);
  if (suite === 'serve' || suite === 'engines')
    return [{ ...own, runner: 'pytest', command: tool('python'), args: [...pytest, `test/${suite}`] }];
  if (suite === 'deploy') {
    const files = readdirSync(join(root, 'test/deploy')).filter((file) => file.endsWith('.test.ts'));
    return files.reverse().map((file) => mochaRun(`deploy/${file}`)); // the longest, training, first
  }
  if (suite !== 'frameworks') return [own];
  const wanted = frameworks.filter((each) => each !== 'engines');
  const prepared = frameworks.length && !wanted.length ? [] : await prepareFrameworks(wanted);
  const runs = prepared.map(({ framework, python, projects }): Run => {
    const which = [`--framework=${framework}`, `--projects=${projects}`];
    const name = `${suite}: ${framework}`;
    return { name, runner: 'pytest', command: python, args: [...pytest, 'test/frameworks', ...which] };
  });
  if (frameworks.length && !frameworks.includes('engines')) return runs;
  const { python, project } = await prepareEngines();
  const args = [...pytest, 'test/vllm', `--project=${project}`];
  const engines: Run = { name: `${suite}: engines`, runner: 'pytest', command: python, args };
  return frameworks.length ? [...runs, engines] : [own, ...runs, engines];
}

/** What takes runs one after the other, beside others of its kind. */
interface Lane {
  takes: (run: Run) => boolean;
  env: Env;
}

/** The serving code's tests have time limits, and the machine for themselves. Deployments share no look-alike. */
function lanesFor(suites: readonly string[]): Lane[] {
  const any: Lane = { takes: () => true, env: {} };
  if (suites.includes('serve')) return [any];
  if (!suites.includes('deploy')) return [any, any];
  const deploys = ({ name }: Run) => name.startsWith('deploy/');
  const { AWS_ENDPOINT_URL = '', MORE_AWS_ENDPOINT_URLS = '' } = process.env;
  const endpoints = [AWS_ENDPOINT_URL, ...MORE_AWS_ENDPOINT_URLS.split(' ').filter(Boolean)];
  return [
    { ...any, takes: (run) => !deploys(run) },
    ...endpoints.map((url) => ({ takes: deploys, env: { AWS_ENDPOINT_URL: url } })),
  ];
}

/** Runs one; a runner that fails without saying how many failed counts as one failure. */
async function execute(run: Run, env: Env, atEnd: boolean): Promise<Counts> {
  if (!atEnd) console.log(`\n=== ${run.name}`);
  const python = run.runner === 'pytest';
  const { output, status } = await show(run, env, atEnd);
  if (atEnd) console.log(`\n=== ${run.name}\n${output.trimEnd()}`);
  const closing = python ? (output.trimEnd().split('\n').at(-1) ?? '') : output;
  const count = (kind: keyof Counts) => Number(wordings[kind][python ? 1 : 0]?.exec(closing)?.[1] ?? 0);
  const counts = { passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
  return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

const [first, ...others] = process.argv.slice(2);
if (first === undefined) throw new Error('name the suites to run: unit generate serve frameworks docker deploy');
installTools();
const suites = first === 'frameworks' ? [first] : [first, ...others];
if (suites.includes('docker') || suites.includes('deploy')) await preloadAws();
if (suites.includes('deploy')) installCdk();
const waiting = (await Promise.all(suites.map((suite) => runsOf(suite, others)))).flat();
const lanes = lanesFor(suites);
const sum: Counts = { passed: 0, failed: 0, skipped: 0 };
await Promise.all(
  lanes.map(async ({ takes, env }) => {
    for (let at = waiting.findIndex(takes); at >= 0; at = waiting.findIndex(takes)) {
      const [run] = waiting.splice(at, 1);
      const counts = run && (await execute(run, env, lanes.length > 1));
      for (const kind of ['passed', 'failed', 'skipped'] as const) sum[kind] += counts?.[kind] ?? 0;
    }
  }),
);
console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1;
