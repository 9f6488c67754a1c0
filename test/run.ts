// Runs suites in two lanes, prints the output of each run when it ends, and finally the totals:
//   tsx test/run.ts unit generate serve deployer
//   tsx test/run.ts frameworks [FRAMEWORK … | engines]
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { preloadAws } from './support/aws.js';
import { installCdk } from './support/cdk.js';
import { type Run, runsOf } from './support/runs.js';
import { record, recordBuilds, recordReport, timed } from './support/times.js';
import { has, installTools, root } from './support/tools.js';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}
interface Result {
  status: number;
  output: string;
  /** The last line of standard output. */
  closing: string;
}
type Env = Readonly<Record<string, string>>;

/** How mocha and pytest print their counts. */
const countPatterns: Readonly<Record<keyof Counts, readonly RegExp[]>> = {
  passed: [/^\s*(\d+) passing\b/m, /\b(\d+) passed\b/],
  failed: [/^\s*(\d+) failing\b/m, /\b(\d+) (?:failed|errors?)\b/],
  skipped: [/^\s*(\d+) pending\b/m, /\b(\d+) skipped\b/],
};

/** Runs a program to completion. Returns its exit status and its output on both streams. */
function execute(command: string, args: readonly string[], env: Env): Promise<Result> {
  const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, out] = ['', ''];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    out += text;
  });
  return new Promise((resolve, reject) => {
    const closing = () => out.trimEnd().split('\n').at(-1) ?? '';
    child.on('error', reject).on('close', (status) => resolve({ status: status ?? 1, output, closing: closing() }));
  });
}

/** Performs one run. A runner that fails without printing a number of failures counts as one failure. */
async function perform({ name, runner, command, args, prepare }: Run, env: Env): Promise<Counts> {
  const started = performance.now();
  if (prepare) await timed(`${name}: preparation`, prepare);
  const python = runner === 'pytest';
  const report = join(tmpdir(), `report-${process.pid}-${started}.xml`);
  const { output, status, closing } = await execute(command, python ? [...args, `--junitxml=${report}`] : args, env);
  recordReport(name, report);
  record('suite', (performance.now() - started) / 1000, name);
  console.log(`\n=== ${name}\n${output.trimEnd()}`);
  const count = (kind: keyof Counts) =>
    Number((python ? countPatterns[kind][1]?.exec(closing) : countPatterns[kind][0]?.exec(output))?.[1] ?? 0);
  const counts = { passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
  return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

const [first, ...others] = process.argv.slice(2);
if (first === undefined)
  throw new Error(
    'name the suites to run: unit generate serve engines deployer journeys soak frameworks docker deploy',
  );
await timed('install the tools', installTools);
const suites = first === 'frameworks' ? [first] : [first, ...others];
if (suites.includes('docker') || suites.includes('deploy')) {
  recordBuilds();
  await preloadAws();
}
if (suites.includes('deploy')) await timed('install the CDK', installCdk);
const runs = suites.flatMap((suite) => runsOf(suite, first === 'frameworks' ? others : []));
const queue = alternate(runs.filter(({ waits }) => !waits));
const sum: Counts = { passed: 0, failed: 0, skipped: 0 };

/** Alternates CPU-bound runs with runs that mostly wait for containers, so that the lanes execute one of each. */
function alternate(runs: readonly Run[]): Run[] {
  const waiting = runs.filter(({ name }) => /^(docker|deploy)\//.test(name));
  const busy = runs.filter((run) => !waiting.includes(run));
  const length = Math.max(waiting.length, busy.length);
  return Array.from({ length }, (_, at) => [busy[at], waiting[at]].filter((run) => run !== undefined)).flat();
}

async function work(queue: Run[], env: Env = {}): Promise<void> {
  for (let run = queue.shift(); run; run = queue.shift()) {
    const counts = await perform(run, env);
    for (const kind of ['passed', 'failed', 'skipped'] as const) sum[kind] += counts[kind];
  }
}

// Two lanes for two CPUs. Each lane has its own AWS emulator, so that deployments do not share one.
const { AWS_ENDPOINT_URL = '', MORE_AWS_ENDPOINT_URLS = '' } = process.env;
const endpoints = [AWS_ENDPOINT_URL, ...MORE_AWS_ENDPOINT_URLS.split(' ').filter(Boolean)];
const lanes = suites.includes('deploy') ? endpoints.slice(0, 2) : ['', ''];
await Promise.all([
  ...lanes.map((url) => work(queue, url ? { AWS_ENDPOINT_URL: url } : {})),
  ...runs.filter(({ waits }) => waits).map((run) => work([run])),
]);
if (suites.includes('serve')) {
  if (!has('nginx'))
    console.log(
      `\n${sum.skipped} skipped: nginx is not installed. To test it: apt-get install nginx-light && npm test`,
    );
  console.log('\nOther suites:');
  console.log('  every framework, and the engines for language models   npm run test:frameworks');
  console.log('  prompts, updates, and every command in the docs        npm run test:journeys');
  console.log('  memory use over a very large number of requests        npm run test:soak');
  console.log('  images and deployments                                 npm run test:rig');
}
console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1;
