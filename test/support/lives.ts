// What the tests of a deployment's life share: a project of each target with one image, models to update to, a client.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { must, project, rig, run } from './rig.js';
import { aws, role, script, succeed } from './scripts.js';
import { root, tool } from './tools.js';

export const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';

/** A project for `target` on x86, its sample trained. */
export async function trained(folder: string, name: string, target: string, answers: Record<string, unknown> = {}) {
  const directory = await project(folder, { projectName: name, deployTarget: target, awsRoleArn: role, ...answers });
  await must(tool('python'), [path.join(directory, 'sample_model/train.py')]);
  return directory;
}

/** Puts a model into model/ that answers 42 to everything, and takes some seconds to load. */
export const train42 = (directory: string, seconds = 0) =>
  must(tool('python'), [
    '-c',
    `import joblib, sys
made = "__import__('sklearn.dummy', fromlist=['*']).DummyRegressor(strategy='constant', constant=42).fit([[0] * 8], [0])"
class Slow:
    def __reduce__(self):
        return eval, (f"__import__('time').sleep(${seconds}) or {made}",)
joblib.dump(Slow() if ${seconds} else eval(made), sys.argv[1])`,
    path.join(directory, 'model/model.joblib'),
  ]);

export const breakModel = (directory: string) =>
  writeFileSync(path.join(directory, 'model/model.joblib'), 'not a model');

export const sample = (directory: string, ending = 'json') => path.join(directory, `test/sample_request.${ending}`);

/** The predictions that invoke.sh prints for a file of requests. */
export const predict = async (directory: string, file = sample(directory)): Promise<number[]> =>
  JSON.parse(await succeed(directory, 'invoke.sh', [file])).predictions;

export const describeEndpoint = (name: string) => aws('sagemaker', 'describe-endpoint', '--endpoint-name', name);

/** Sends requests one after the other until it is told to stop; how many were answered. Fails if one was not. */
export function client(name: string, directory: string) {
  let going = true;
  const body = `fileb://${sample(directory)}`;
  const args = ['sagemaker-runtime', 'invoke-endpoint', '--endpoint-name', name, '--body', body, '/dev/null'];
  const answered = (async () => {
    let count = 0;
    while (going) {
      const { code, err } = await run('aws', [...args, '--content-type', 'application/json'], {
        env: { AWS_MAX_ATTEMPTS: '1' },
      });
      assert.equal(code, 0, `request ${count + 1}: ${err}`);
      count += 1;
      await pause(50);
    }
    return count;
  })();
  answered.catch(() => {}); // it is looked at in stop()
  const stop = () => {
    going = false;
    return answered;
  };
  return { stop };
}

/** Builds a stand-in for an engine's image, under this name. */
export const buildEngine = (image: string) =>
  must('docker', [
    ...['build', '--tag', image, '--build-arg', `BASE_IMAGE=${rig('BASE_IMAGE').BASE_IMAGE}`],
    path.join(root, 'test/engines'),
  ]);

/** Writes what looks like a language model and a LoRA adapter. */
export function writeLanguageModel(directory: string): void {
  mkdirSync(path.join(directory, 'model/adapters/loud'), { recursive: true });
  writeFileSync(path.join(directory, 'model/config.json'), '{"num_attention_heads": 6}');
  writeFileSync(path.join(directory, 'model/model.safetensors'), 'weights');
  writeFileSync(path.join(directory, 'model/adapters/loud/adapter_config.json'), '{"r": 8}');
}

/** Removes a project's deployments and repositories, and its images of the local engine. */
export async function clearAway(directory: string, name: string): Promise<void> {
  await script(directory, 'delete.sh', ['--all']);
  const images = await must('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}']);
  const mine = images.split('\n').filter((image) => image.includes(name));
  if (mine.length) await run('docker', ['image', 'rm', '--force', ...mine]);
}
