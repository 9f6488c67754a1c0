// Runs the deploy/ scripts of generated projects against the AWS emulator.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Ended, must, rig, run } from './rig.js';
import { tool } from './tools.js';

export const role = 'arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole';

let common: NodeJS.ProcessEnv = {};

/** Sets environment variables for all scripts from now on. */
export const runWith = (env: NodeJS.ProcessEnv) => {
  common = env;
};

/** The commands that messages of a script can name: programs in the project. */
const commands = /\b(deploy|train|test|sample_model)\/(\w+\/)*\w+\.(sh|py)\b/g;

/** The environment of every script. python3 is the tests' own, which has boto3. */
function variables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { BASE_IMAGE } = rig('BASE_IMAGE', 'AWS_ENDPOINT_URL');
  const PATH = `${path.dirname(tool('python'))}:${process.env.PATH}`;
  return { BASE_IMAGE, POLL_SECONDS: '0.2', PATH, ...common, ...env };
}

/** Runs deploy/NAME of a project from a folder outside of it. The result is the last line of standard output.
 *
 * Fails if the script names a command that the project does not have, or prints a traceback. */
export async function script(project: string, name: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
  const ended = await run(path.join(project, 'deploy', name), args, { cwd: tmpdir(), env: variables(env) });
  for (const [named] of `${ended.out}${ended.err}`.matchAll(commands))
    assert.ok(existsSync(path.join(project, named)), `${name} names ${named}, which does not exist:\n${ended.err}`);
  assert.doesNotMatch(ended.err, /^Traceback/m);
  return { ...ended, result: ended.out.trimEnd().split('\n').at(-1) ?? '' };
}

/** Runs a script and interrupts it like Ctrl-C once its stderr matches `moment`, or `moment` resolves. */
export function interrupt(moment: RegExp | Promise<unknown>, ...call: Parameters<typeof script>): Promise<Ended> {
  const [project, name, args = [], env = {}] = call;
  const child = spawn(path.join(project, 'deploy', name), args, {
    cwd: tmpdir(),
    detached: true, // its own process group, which Ctrl-C interrupts
    env: { ...process.env, ...variables(env) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended: Ended = { code: null, out: '', err: '' };
  let interrupted = false;
  const kill = () => {
    if (!interrupted && child.pid && child.exitCode === null) process.kill(-child.pid, 'SIGINT');
    interrupted = true;
  };
  if (moment instanceof Promise) moment.then(kill);
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    ended.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    ended.err += text;
    if (moment instanceof RegExp && moment.test(ended.err)) kill();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => resolve({ ...ended, code }));
  });
}

/** Runs a script that must succeed. Returns its result. */
export async function succeed(...call: Parameters<typeof script>): Promise<string> {
  const { code, out, err, result } = await script(...call);
  assert.equal(code, 0, `${call[1]}\n${out}${err}`);
  return result;
}

/** Runs a script that must fail with `reason` on stderr and no result. */
export async function refuse(reason: RegExp, ...call: Parameters<typeof script>): Promise<Ended> {
  const ended = await script(...call);
  assert.notEqual(ended.code, 0, `${call[1]} succeeded\n${ended.out}${ended.err}`);
  assert.match(ended.err, reason);
  assert.equal(ended.out, '');
  return ended;
}

/** Calls the AWS CLI and parses its JSON output. */
export async function aws(...args: string[]) {
  return JSON.parse((await must('aws', [...args, '--output', 'json'])) || 'null');
}

/** The names of the remaining models, endpoint configurations and endpoints that start with an endpoint's name. */
export async function leftOf(endpoint: string): Promise<string[]> {
  const lists = [
    aws('sagemaker', 'list-models', '--query', 'Models[].ModelName'),
    aws('sagemaker', 'list-endpoint-configs', '--query', 'EndpointConfigs[].EndpointConfigName'),
    aws('sagemaker', 'list-endpoints', '--query', 'Endpoints[].EndpointName'),
  ];
  return (await Promise.all(lists)).flat().filter((name: string) => name.startsWith(endpoint));
}

/** Injects faults into the AWS emulator, such as { throttle: { CreateEndpoint: 2 } }. */
export async function arm(faults: Record<string, unknown>): Promise<void> {
  const { AWS_ENDPOINT_URL } = rig('AWS_ENDPOINT_URL');
  await must('curl', [
    '--fail',
    '--silent',
    '--noproxy',
    '*',
    '--data',
    JSON.stringify(faults),
    `${AWS_ENDPOINT_URL}/rig/faults`,
  ]);
}
