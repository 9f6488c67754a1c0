// A generated project's deploy/ scripts, run against the rig's AWS look-alike.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Ended, must, rig, run } from './rig.js';

export const role = 'arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole';

let common: NodeJS.ProcessEnv = {};

/** Gives these variables to every script from now on. */
export const runWith = (env: NodeJS.ProcessEnv) => {
  common = env;
};

/** What a script may say to type: a program of its project. */
const commands = /\b(deploy|train|test|sample_model)\/(\w+\/)*\w+\.(sh|py)\b/g;

/** Runs deploy/NAME of a project from a folder outside it. The result is the last line of standard output.
 *
 * Fails where it names a command that the project does not have. */
export async function script(project: string, name: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
  const { BASE_IMAGE } = rig('BASE_IMAGE', 'AWS_ENDPOINT_URL');
  const options = { cwd: tmpdir(), env: { BASE_IMAGE, POLL_SECONDS: '0.2', ...common, ...env } };
  const ended = await run(path.join(project, 'deploy', name), args, options);
  for (const [named] of `${ended.out}${ended.err}`.matchAll(commands))
    assert.ok(existsSync(path.join(project, named)), `${name} names ${named}, which is not there:\n${ended.err}`);
  return { ...ended, result: ended.out.trimEnd().split('\n').at(-1) ?? '' };
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
