import assert from 'node:assert/strict';
import { instanceOf } from '../../generators/catalog/instances.js';
import { sizeOf, smallestFor, timeoutsFor, weightCapacityGiB, weightsGiB } from '../../generators/catalog/models.js';
import { resolve as resolveAnswers } from '../../generators/config/resolve.js';
import { offersFor } from '../../generators/config/settle.js';
import { readObject } from '../../generators/config/sources.js';
import { resolve } from '../support/generate.js';

const from = (answers: object) => resolve([readObject({ framework: 'transformers', ...answers }, 'the test')]);

describe('the estimated size of a language model', () => {
  const sizes: readonly [string, number, number][] = [
    ['Qwen/Qwen3-8B', 8, 16],
    ['Qwen/Qwen3-0.6B', 0.6, 16],
    ['Qwen/Qwen3-30B-A3B-Instruct-2507', 30, 16],
    ['Qwen/Qwen3-235B-A22B-FP8', 235, 8],
    ['Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4', 7, 4],
    ['meta-llama/Llama-3.1-70B-Instruct', 70, 16],
    ['hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4', 8, 4],
    ['unsloth/Meta-Llama-3.1-8B-bnb-4bit', 8, 4],
    ['mistralai/Mixtral-8x7B-Instruct-v0.1', 47.04, 16],
    ['HuggingFaceTB/SmolLM2-135M-Instruct', 0.135, 16],
    ['deepseek-ai/DeepSeek-R1-Distill-Qwen-7B', 7, 16],
    ['deepseek-ai/DeepSeek-V3', 685, 8],
    ['openai/gpt-oss-120b', 120, 4],
    ['google/gemma-3-27b-it', 27, 16],
    ['s3://bucket/models/my-llama-13b/', 13, 16],
    ['Qwen/Qwen2.5-72B-Instruct-GPTQ-Int8', 72, 8],
    ['unsloth/gpt-oss-20b-BF16', 20, 16],
    ['deepseek-ai/DeepSeek-R1-0528-Qwen3-8B', 8, 16],
    ['cognitivecomputations/DeepSeek-V3-AWQ', 685, 4],
    ['meta-llama/Llama-4-Scout-17B-16E-Instruct', 109, 16],
    ['meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8', 400, 8],
  ];
  for (const [name, parameters, bits] of sizes)
    it(`is read from the name ${name}`, () => assert.deepEqual(sizeOf(name), { parameters, bits }));

  it('is unknown if the name does not include it', () => {
    for (const name of [
      'org/model',
      'mistralai/Mistral-Nemo-Instruct-2407',
      's3://bucket/finetune-2024/',
      'a/v1.5',
      'b/abc7b',
      'c/new-moe-17B-64E',
    ])
      assert.equal(sizeOf(name), undefined, name);
  });
});

describe('the capacity of an instance', () => {
  it('is its GPU memory, less the share of the engine and the KV cache', () => {
    const weights = (name: string) => weightsGiB(sizeOf(name) ?? assert.fail());
    assert.equal(Math.round(weights('Qwen/Qwen3-8B')), 15);
    assert.ok(weights('a/b-8b-awq') < 5);
    assert.equal(weightCapacityGiB(instanceOf('ml.m5.large')), undefined);
    assert.equal(smallestFor(weights('Qwen/Qwen3-8B'))?.type, 'ml.g5.xlarge');
    assert.equal(smallestFor(weights('a/b-70b'))?.type, 'ml.g7e.12xlarge');
    assert.equal(smallestFor(10)?.type, 'ml.g4dn.xlarge');
    assert.equal(smallestFor(10, 'openai/gpt-oss-20b')?.type, 'ml.g5.xlarge');
    assert.equal(smallestFor(1e4), undefined);
  });

  it('determines timeouts by the size of the weights, in whole minutes up to an hour', () => {
    const [small, large] = [timeoutsFor(1, false), timeoutsFor(400, true)];
    assert.ok(small.startup < large.startup && small.download < large.download);
    assert.ok(large.startup <= 3600 && large.startup % 60 === 0);
  });
});

describe('a language model', () => {
  it('that does not fit is refused, with the smallest type that fits and a way to correct the estimate', () => {
    const { problems } = from({ modelName: 'a/b-70b', instanceType: 'ml.g5.xlarge' });
    assert.equal(problems.length, 1);
    assert.match(problems[0]?.message ?? '', /a\/b-70b needs about 131 GiB .*ml\.g5\.xlarge can hold/);
    assert.match(problems[0]?.hint ?? '', /--instance-type=ml\.g7e\.12xlarge, .*--model-memory=GIB/);
    assert.ok(from({ modelName: 'a/b-70b', instanceType: 'ml.g5.xlarge', modelMemory: 16 }).project);
  });

  it('of unknown size is accepted with a warning', () => {
    const { warnings, project } = from({ modelName: 'org/model' });
    assert.ok(project);
    assert.match(warnings.join('\n'), /the size of org\/model is unknown/);
    assert.doesNotMatch(from({}).warnings.join('\n'), /undefined/);
  });

  it('uses all GPUs of its instance, even if their number is unknown', () => {
    const parallel = (instanceType: string) =>
      from({ modelName: 'a/b-1b', instanceType }).project?.language?.options['tensor-parallel-size'];
    assert.equal(parallel('ml.g6.12xlarge'), 4);
    assert.equal(parallel('ml.g8.12xlarge'), 'auto');
  });

  it('in MXFP4 is refused on GPUs without bfloat16', () => {
    const problem = (modelName: string) => from({ modelName, instanceType: 'ml.g4dn.xlarge' }).problems[0];
    assert.match(problem('openai/gpt-oss-20b')?.message ?? '', /needs bfloat16.*ml\.g4dn\.xlarge/);
    assert.match(problem('openai/gpt-oss-20b')?.hint ?? '', /--instance-type=ml\.g5\.xlarge/);
    assert.equal(problem('Qwen/Qwen3-4B'), undefined);
  });

  it('that takes over an hour to download from the Hub is accepted with a warning', () => {
    const warnings = (modelName: string) => from({ modelName, instanceType: 'ml.p5en.48xlarge' }).warnings.join('\n');
    assert.match(warnings('Qwen/Qwen3-235B-A22B'), /longer .* than SageMaker allows.*deploy\/upload_model\.sh/);
    assert.equal(warnings('s3://bucket/Qwen3-235B-A22B/'), '');
    assert.equal(warnings('Qwen/Qwen3-8B'), '');
  });

  it('is refused on instances and targets that cannot run it', () => {
    const problemKeys = (answers: object) => from({ modelName: 'a/b-1b', ...answers }).problems.map(({ key }) => key);
    assert.deepEqual(problemKeys({ instanceType: 'ml.p3.2xlarge' }), ['instanceType']);
    assert.deepEqual(problemKeys({ instanceType: 'ml.m5.large' }), ['modelServer']);
    assert.deepEqual(problemKeys({ modelDelivery: 'image' }), ['modelDelivery']);
    assert.deepEqual(problemKeys({ includeSampleModel: true }), ['includeSampleModel']);
    assert.ok(problemKeys({ deployTarget: 'batch' }).includes('deployTarget'));
    assert.ok(problemKeys({ multiModel: true }).includes('multiModel'));
  });
});

describe('the instance of a language model', () => {
  const warnings = (answers: object) => from(answers).warnings.join('\n');

  it('stays that of gpu-enabled; a smaller type that holds the model is named in one line, with its flag', () => {
    const { project } = from({ modelName: 'Qwen/Qwen3-8B' });
    assert.equal(project?.instance.type, 'ml.g6.12xlarge');
    assert.match(
      warnings({ modelName: 'Qwen/Qwen3-8B' }),
      /^Qwen\/Qwen3-8B fits on ml\.g5\.xlarge \(1 GPU with 22 GiB\).*--instance-type=ml\.g5\.xlarge$/m,
    );
    assert.doesNotMatch(warnings({ modelName: 'a/b-27b' }), /costs less/);
    assert.doesNotMatch(warnings({ modelName: 'org/model' }), /costs less/);
  });

  it('without an engine has the memory for it, on a CPU, on one GPU, and serverless', () => {
    const problem = (answers: object) =>
      from({ modelServer: 'fastapi', ...answers }).problems.map(({ message, hint }) => `${message}; ${hint}`)[0] ?? '';
    const large = { modelName: 'Qwen/Qwen3-8B' };
    assert.match(
      problem({ ...large, instanceType: 'cpu-optimized' }),
      /31 GiB on a CPU, but ml\.m6g\.large has only 8/,
    );
    assert.match(
      problem({ modelName: 'a/b-70b' }),
      /one GPU of ml\.g6\.12xlarge has only 22 GiB; .*--model-server=vllm/,
    );
    const serverless = { modelName: 'Qwen/Qwen3-0.6B', deployTarget: 'serverless' };
    assert.match(problem(serverless), /more than 2048 MB; use --serverless-memory=4096/);
    assert.equal(problem({ ...serverless, serverlessMemory: 4096 }), '');
    assert.match(
      problem({ ...large, deployTarget: 'serverless' }),
      /use --deploy-target=realtime and --model-server=vllm/,
    );
    assert.equal(problem({ modelName: 'Qwen/Qwen3-0.6B', instanceType: 'cpu-optimized' }), '');
  });
});

describe('a machine that cannot build for Graviton', () => {
  const machine = { unbuildable: ['arm64'] as const };
  const warnings = (answers: object) =>
    resolveAnswers([readObject({ framework: 'sklearn', ...answers }, 'the test')], machine).warnings.join('\n');

  it('gets the flag of an x86_64 type, if Docker on it builds the image', () => {
    assert.match(
      warnings({}),
      /ml\.m6g\.large is arm64, .*use --instance-type=ml\.m5\.large, or --build-target=codebuild/,
    );
    assert.doesNotMatch(warnings({ buildTarget: 'codebuild' }), /arm64/);
    assert.doesNotMatch(warnings({ instanceType: 'ml.m5.large' }), /arm64/);
    assert.doesNotMatch(warnings({ deployTarget: 'serverless' }), /arm64/);
    assert.doesNotMatch(warnings({ deployTarget: 'batch' }), /arm64/);
  });

  it('is offered that type by the prompt', () => {
    assert.deepEqual(offersFor('instanceType', { framework: 'sklearn' }, machine), [
      'cpu-optimized',
      'gpu-enabled',
      'ml.m5.large',
      'custom',
    ]);
  });
});
