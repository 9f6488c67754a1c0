// The runs of a suite: usually one for each file, so that two lanes can share them; the longest come first.
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Framework } from '../../generators/catalog/frameworks.js';
import { combinations } from './combinations.js';
import { engines, framework } from './frameworks.js';
import { root, tool } from './tools.js';

/** One run of mocha or pytest. */
export interface Run {
  name: string;
  runner: 'mocha' | 'pytest';
  command: string;
  args: readonly string[];
  /** It mostly waits for the network, so it runs in parallel to the lanes. */
  waits?: true;
  /** Called before it starts, for example to create its environment. */
  prepare?: () => Promise<unknown>;
}

const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js');
const reporter = join(root, 'test/support/reporter.ts');

const mochaRun = (name: string): Run => ({
  name,
  runner: 'mocha',
  command: process.execPath,
  args: [mocha, '--no-color', '--reporter', reporter, `test/${name}`],
});

const pytestRun = (name: string, args: readonly string[], python = tool('python')): Run => ({
  name,
  runner: 'pytest',
  command: python,
  args: ['-m', 'pytest', '-q', '-c', 'test/serve/pyproject.toml', '-o', 'junit_family=xunit1', ...args],
});

/** The files of a suite: those in `first`, then the others in alphabetical order. */
function filesOf(suite: string, ending: string, first: readonly string[]): string[] {
  const found = readdirSync(join(root, 'test', suite)).filter((file) => file.endsWith(ending));
  const known = first.map((name) => `${name}${ending}`);
  return [...known, ...found.filter((file) => !known.includes(file)).sort()];
}

const quick = ['-m', 'not soak'];

/** The serving code's tests, except for the soak tests: one run for each long file, and one for the rest. */
function serve(): Run[] {
  const long = ['multi_model', 'load', 'lifecycle', 'check_contract', 'handler'].map(
    (name) => `test/serve/test_${name}.py`,
  );
  const rest = pytestRun('serve/others', ['test/serve', ...quick, ...long.map((file) => `--ignore=${file}`)]);
  return [rest, ...long.map((file) => pytestRun(file.slice('test/'.length), [file, ...quick]))];
}

/** One run for each framework, in its own environment, and for the engines; or only for `names`, if not empty. */
function frameworks(names: readonly string[]): Run[] {
  const long: Framework[] = ['tensorflow', 'pytorch', 'sklearn', 'transformers'];
  const known = [...new Set([...long, ...combinations.map(({ framework }) => framework)])];
  const one = (name: Framework): Run => {
    const { python, projects, prepare } = framework(name);
    const args = ['test/frameworks', `--framework=${name}`, `--projects=${projects}`];
    return { ...pytestRun(`frameworks: ${name}`, args, python), prepare };
  };
  const vllm = (): Run => {
    const { python, projects, prepare } = engines();
    return {
      ...pytestRun('frameworks: engines', ['test/vllm', `--project=${join(projects, 'vllm')}`], python),
      prepare,
    };
  };
  const unknown = names.filter((name) => name !== 'engines' && !known.some((each) => each === name));
  if (unknown.length > 0)
    throw new Error(`unknown frameworks: ${unknown.join(', ')}; name other suites before "frameworks"`);
  const pins: Run = { ...mochaRun('frameworks'), waits: true };
  if (names.length === 0) return [pins, one('tensorflow'), vllm(), mochaRun('versions'), ...known.slice(1).map(one)];
  return [...known.filter((each) => names.includes(each)).map(one), ...(names.includes('engines') ? [vllm()] : [])];
}

/** The runs of a suite. */
export function runsOf(suite: string, names: readonly string[]): Run[] {
  if (suite === 'frameworks') return frameworks(names);
  if (suite === 'serve') return serve();
  if (suite === 'soak') {
    const load = 'test/serve/test_load.py';
    const rest = pytestRun('soak: others', ['test/serve', '-m', 'soak', `--ignore=${load}`]);
    return [pytestRun('soak: load', [load, '-m', 'soak']), rest];
  }
  if (suite === 'engines' || suite === 'deployer') return [pytestRun(suite, [`test/${suite}`])];
  if (suite === 'unit') return [mochaRun(suite)];
  const first: Readonly<Record<string, readonly string[]>> = {
    generate: ['projects', 'deployments', 'new-framework'],
    deploy: ['interruptions', 'targets', 'cdk', 'language-model', 'failures', 'life'],
    docker: ['combinations', 'arm64'],
  };
  return filesOf(suite, '.test.ts', first[suite] ?? [])
    .map((file) => mochaRun(`${suite}/${file}`))
    .map((run) => (run.name === 'generate/lock.test.ts' ? { ...run, waits: true } : run));
}
