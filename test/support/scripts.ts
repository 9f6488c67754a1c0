// A generated project's deploy/ scripts, run against the rig's AWS look-alike.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Ended, must, rig, run } from './rig.js';
import { tool } from './tools.js';

export const role = 'arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole';

let common: NodeJS.ProcessEnv = {};

/** Gives these variables to every script from now on. */
export const runWith = (env: NodeJS.ProcessEnv) => {
  common = env;
};

/** What a script may say to type: a program of its project. */
const commands = /\b(deploy|train|test|sample_model)\/(\w+\/)*\w+\.(sh|py)\b/g;

/** The variables of every script. Its python3 is that of the tests, which has boto3. */
function variables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { BASE_IMAGE } = rig('BASE_IMAGE', 'AWS_ENDPOINT_URL');
  const PATH = `${path.dirname(tool('python'))}:${process.env.PATH}`;
  return { BASE_IMAGE, POLL_SECONDS: '0.2', PATH, ...common, ...env };
}

/** Runs deploy/NAME of a project from a folder outside it. The result is the last line of standard output.
 *
 * Fails where it names a command that the project does not have, or ends with a traceback. */
export async function script(project: string, name: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
  const ended = await run(path.join(project, 'deploy', name), args, { cwd: tmpdir(), env: variables(env) });
  for (const [named] of `${ended.out}${ended.err}`.matchAll(commands))
    assert.ok(existsSync(path.join(project, named)), `${name} names ${named}, which is not there:\n${ended.err}`);
  assert.doesNotMatch(ended.err, /^Traceback/m);
  return { ...ended, result: ended.out.trimEnd().split('\n').at(-1) ?? '' };
}

/** Runs a script and interrupts it as Ctrl-C does, when it says `moment` or `moment` is fulfilled; what became of it. */
export function interrupt(moment: RegExp | Promise<unknown>, ...call: Parameters<typeof script>): Promise<Ended> {
  const [project, name, args = [], env = {}] = call;
  const child = spawn(path.join(project, 'deploy', name), args, {
    cwd: tmpdir(),
    detached: true, // a process group of its own, which Ctrl-C interrupts
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

/** Runs a script that has to succeed; its result. */
export async function succeed(...call: Parameters<typeof script>): Promise<string> {
  const { code, out, err, result } = await script(...call);
  assert.equal(code, 0, `${call[1]}\n${out}${err}`);
  return result;
}

/** Runs a script that has to fail, with no result, saying `reason`; what it said. */
export async function refuse(reason: RegExp, ...call: Parameters<typeof script>): Promise<Ended> {
  const ended = await script(...call);
  assert.notEqual(ended.code, 0, `${call[1]} succeeded\n${ended.out}${ended.err}`);
  assert.match(ended.err, reason);
  assert.equal(ended.out, '');
  return ended;
}

/** An answer of the AWS CLI, parsed. */
export async function aws(...args: string[]) {
  return JSON.parse((await must('aws', [...args, '--output', 'json'])) || 'null');
}

/** The names of the models, configurations and endpoints that belong to an endpoint's name. */
export async function leftOf(endpoint: string): Promise<string[]> {
  const lists = [
    aws('sagemaker', 'list-models', '--query', 'Models[].ModelName'),
    aws('sagemaker', 'list-endpoint-configs', '--query', 'EndpointConfigs[].EndpointConfigName'),
    aws('sagemaker', 'list-endpoints', '--query', 'Endpoints[].EndpointName'),
  ];
  return (await Promise.all(lists)).flat().filter((name: string) => name.startsWith(endpoint));
}

/** Arms faults of the look-alike, such as { throttle: { CreateEndpoint: 2 } }. */
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
