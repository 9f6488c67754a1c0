// Following any alternative in the hint of a rule leads to a project within two steps.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isKey, type Key } from '../../generators/config/parameters.js';
import { type CommandLine, readArguments, readObject } from '../../generators/config/sources.js';
import { resolve } from '../support/generate.js';

type Given = Readonly<Record<string, unknown>>;

const sklearn = { framework: 'sklearn' };
const language = { framework: 'transformers', modelName: 'org/model' };
const small = { framework: 'transformers', modelName: 'Qwen/Qwen3-0.6B' };
const large = { framework: 'transformers', modelName: 'a/b-70b' };

/** Requests that break the rules, at least one for each. */
const broken: readonly Given[] = [
  { ...sklearn, frameworkVersion: '0.24' },
  { framework: 'tensorflow', frameworkVersion: '2.14', instanceType: 'gpu-enabled' },
  { ...sklearn, deployTarget: 'serverless', instanceType: 'gpu-enabled' },
  { ...sklearn, deployTarget: 'serverless', instanceType: 'ml.inf1.xlarge' },
  { ...sklearn, multiModel: true, deployTarget: 'async' },
  { ...sklearn, multiModel: true, deployTarget: 'batch', modelServer: 'mms' },
  { ...sklearn, multiModel: true, modelDelivery: 'image' },
  { ...sklearn, multiModel: true, modelDelivery: 'image', modelServer: 'mms' },
  { ...sklearn, multiModel: true, instanceType: 'ml.g5.xlarge' },
  { ...sklearn, multiModel: true, deployTarget: 'serverless', instanceType: 'gpu-enabled' },
  { ...sklearn, includeTraining: true, runtime: 'onnx' },
  { ...sklearn, deployTarget: 'batch', deployTool: ['cli', 'cdk'] },
  { ...sklearn, deployTarget: 'batch', instanceType: 'ml.m6g.large' },
  { ...sklearn, awsRegion: 'cn-north-1', awsRoleArn: 'arn:aws:iam::123456789012:role/x' },
  { framework: 'pytorch', instanceType: 'ml.p3.2xlarge' },
  { framework: 'tensorflow', instanceType: 'ml.p2.xlarge' },
  { framework: 'onnx', instanceType: 'ml.g99g.xlarge' },
  { framework: 'onnx', deployTarget: 'batch', instanceType: 'gpu-enabled' },
  { ...language, multiModel: true },
  { ...language, multiModel: true, deployTarget: 'serverless' },
  { ...language, multiModel: true, instanceType: 'cpu-optimized' },
  { ...language, deployTarget: 'serverless' },
  { ...language, deployTarget: 'serverless', instanceType: 'gpu-enabled' },
  { ...language, deployTarget: 'batch' },
  { ...language, deployTarget: 'batch', modelServer: 'fastapi' },
  { ...language, deployTarget: 'batch', instanceType: 'ml.m6g.large' },
  { ...language, instanceType: 'cpu-optimized' },
  { ...language, instanceType: 'ml.p3.2xlarge' },
  { ...language, modelDelivery: 'image' },
  { ...language, includeSampleModel: true },
  { ...language, includeTraining: true },
  { ...small, deployTarget: 'serverless' },
  { ...small, deployTarget: 'serverless', modelServer: 'fastapi' },
  { ...large, deployTarget: 'serverless' },
  { ...large, deployTarget: 'serverless', modelServer: 'fastapi' },
  { ...large, deployTarget: 'batch', modelServer: 'fastapi' },
  { ...large, instanceType: 'cpu-optimized' },
  { ...large, instanceType: 'cpu-optimized', modelServer: 'fastapi' },
  { ...large, modelServer: 'fastapi' },
  large,
  { framework: 'transformers', modelName: 'openai/gpt-oss-20b', instanceType: 'ml.g4dn.xlarge' },
];

/** The alternatives in a hint: the flags of each. Those with placeholders in capitals are left out. */
function alternativesIn(hint: string): CommandLine[] {
  return hint
    .split(/[,;:] (?=or )|, or |; or /)
    .map((each) => each.match(/--[a-z][a-z-]*(?:=[\w.-]+)?/g) ?? [])
    .filter((flags) => flags.length && !flags.some((flag) => /=[A-Z]+$/.test(flag)))
    .map((flags) => readArguments(flags));
}

/** A request with the flags of an alternative in place of its own values. */
function follow(given: Given, { values }: CommandLine): Given {
  const changed = Object.fromEntries(values.map(({ key, value }) => [key, value]));
  const { customInstanceType: _, ...rest } = given;
  return { ...('instanceType' in changed ? rest : given), ...changed };
}

const problemsOf = (given: Given) => resolve([readObject(given, 'the test')]).problems;

/** Asserts that every alternative in the hint of the first problem leads to a project within `steps`. */
function assertLeadsToProject(given: Given, steps: number, path: readonly string[] = []): void {
  const problems = problemsOf(given);
  const [problem] = problems;
  if (!problem) return;
  const trail = [...path, `${problem.message}: ${problem.hint}`].join('\n  then ');
  assert.ok(steps > 0, `no project after so many steps:\n  ${trail}`);
  const alternatives = alternativesIn(problem.hint ?? '');
  assert.ok(alternatives.length, `nothing to follow in: ${trail}`);
  for (const alternative of alternatives) {
    assert.deepEqual(alternative.problems, [], trail);
    assert.ok(alternative.values.every(({ key }) => isKey(key)));
    assertLeadsToProject(follow(given, alternative), steps - 1, [...path, `${problem.message}: ${problem.hint}`]);
  }
}

describe('a hint', () => {
  for (const given of broken)
    it(`leads to a project from ${JSON.stringify(given)}`, () => {
      assert.ok(problemsOf(given).length, 'the request is valid');
      assertLeadsToProject(given, 2);
    });

  it('leads to a project from any mixture of choices, and never in a circle', () => {
    const choices: Partial<Record<Key, fc.Arbitrary<unknown>>> = {
      framework: fc.constantFrom('sklearn', 'tensorflow', 'pytorch', 'xgboost', 'onnx', 'custom'),
      deployTarget: fc.constantFrom('realtime', 'serverless', 'async', 'batch'),
      instanceType: fc.constantFrom('cpu-optimized', 'gpu-enabled', 'ml.p3.2xlarge', 'ml.m6g.large', 'ml.inf1.xlarge'),
      multiModel: fc.boolean(),
      modelDelivery: fc.constantFrom('s3', 'image'),
      deployTool: fc.constantFrom(['cli'], ['cli', 'cdk']),
    };
    fc.assert(
      fc.property(
        fc.record(choices as Record<string, fc.Arbitrary<unknown>>, { requiredKeys: ['framework'] }),
        (given) => assertLeadsToProject(given, 5),
      ),
      { seed: 20, numRuns: 500 },
    );
  });

  it('leads to a project from any mixture of choices for language models', () => {
    const choices = {
      framework: fc.constant('transformers'),
      modelName: fc.constantFrom('org/model', 'Qwen/Qwen3-0.6B', 'Qwen/Qwen3-8B', 'a/b-70b'),
      deployTarget: fc.constantFrom('realtime', 'serverless', 'async', 'batch'),
      instanceType: fc.constantFrom('cpu-optimized', 'gpu-enabled', 'ml.g5.xlarge', 'ml.m6g.large'),
      modelServer: fc.constantFrom('vllm', 'sglang', 'fastapi'),
      multiModel: fc.boolean(),
    };
    fc.assert(
      fc.property(fc.record(choices, { requiredKeys: ['framework', 'modelName'] }), (given) =>
        assertLeadsToProject(given, 5),
      ),
      { seed: 20, numRuns: 500 },
    );
  });
});
