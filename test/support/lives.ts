// Helpers for tests of a deployment's life cycle: a project for each target, models to update to, a client.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { must, project, rig, run } from './rig.js';
import { aws, script, succeed } from './scripts.js';
import { root, tool } from './tools.js';

export const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';

/**
 * Generates a project for `target` on x86 and trains its sample: a linear model, which starts fastest.
 * A model file with `seconds` takes that long to load.
 */
export async function trained(folder: string, name: string, target: string, answers: Record<string, unknown> = {}) {
  const common = { framework: 'custom', projectName: name, deployTarget: target };
  const directory = await project(folder, { ...common, ...answers });
  const handler = path.join(directory, 'code/model_handler.py');
  const load = '    saved = json.loads(path.read_text())\n';
  const source = readFileSync(handler, 'utf8');
  assert.ok(source.includes(load));
  writeFileSync(handler, source.replace(load, `${load}    __import__("time").sleep(saved.get("seconds", 0))\n`));
  await must(tool('python'), [path.join(directory, 'sample_model/train.py')]);
  return directory;
}

const modelFile = (directory: string) => path.join(directory, 'model/model.json');

/** Puts a model into model/ that always predicts 42, and takes `seconds` to load. */
export const put42 = (directory: string, seconds = 0) =>
  writeFileSync(modelFile(directory), JSON.stringify({ weights: Array(8).fill(0), bias: 42, seconds }));

export const breakModel = (directory: string) => writeFileSync(modelFile(directory), 'not a model');

export const sample = (directory: string, ending = 'json') => path.join(directory, `test/sample_request.${ending}`);

/** The predictions that invoke.sh prints for a request file. */
export const predict = async (directory: string, file = sample(directory)): Promise<number[]> =>
  JSON.parse(await succeed(directory, 'invoke.sh', [file])).predictions;

export const describeEndpoint = (name: string) => aws('sagemaker', 'describe-endpoint', '--endpoint-name', name);

/** The metrics that SageMaker scraped from an endpoint's GET /metrics; undefined if it has not scraped it yet. */
export async function scrapeOf(name: string): Promise<{ samples: { name: string }[]; errors: string[] } | undefined> {
  const { AWS_ENDPOINT_URL } = rig('AWS_ENDPOINT_URL');
  const metrics = await must('curl', [
    '--fail',
    '--silent',
    '--noproxy',
    '*',
    `${AWS_ENDPOINT_URL}/rig/metrics?endpoint=${name}`,
  ]);
  return JSON.parse(metrics).AllTraffic;
}

/** Sends requests one after another until stop(), which returns how many succeeded. Fails if one did not. */
export function client(name: string, directory: string) {
  let running = true;
  const body = `fileb://${sample(directory)}`;
  const args = ['sagemaker-runtime', 'invoke-endpoint', '--endpoint-name', name, '--body', body, '/dev/null'];
  const succeeded = (async () => {
    let count = 0;
    while (running) {
      const { code, err } = await run('aws', [...args, '--content-type', 'application/json'], {
        env: { AWS_MAX_ATTEMPTS: '1' },
      });
      assert.equal(code, 0, `request ${count + 1}: ${err}`);
      count += 1;
      await pause(50);
    }
    return count;
  })();
  succeeded.catch(() => {}); // stop() reports the error
  const stop = () => {
    running = false;
    return succeeded;
  };
  return { stop };
}

/** Builds a stand-in for an engine's image. */
export const buildEngine = (image: string) =>
  must('docker', [
    ...['build', '--tag', image, '--build-arg', `BASE_IMAGE=${rig('BASE_IMAGE').BASE_IMAGE}`],
    path.join(root, 'test/engines'),
  ]);

/** Writes stand-ins for a language model and a LoRA adapter. */
export function writeLanguageModel(directory: string): void {
  mkdirSync(path.join(directory, 'model/adapters/loud'), { recursive: true });
  writeFileSync(path.join(directory, 'model/config.json'), '{"num_attention_heads": 6}');
  writeFileSync(path.join(directory, 'model/model.safetensors'), 'weights');
  writeFileSync(path.join(directory, 'model/adapters/loud/adapter_config.json'), '{"r": 8}');
}

/** Removes a project's deployments and repositories, and its local images. */
export async function clearAway(directory: string, name: string): Promise<void> {
  await script(directory, 'delete.sh', ['--all']);
  const images = await must('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}']);
  const mine = images.split('\n').filter((image) => image.includes(name));
  if (mine.length) await run('docker', ['image', 'rm', '--force', ...mine]);
}
