import assert from 'node:assert/strict';
import { formatsOf, frameworkNames } from '../../generators/catalog/frameworks.js';
import { readArguments, readEnvironment, readObject } from '../../generators/config/sources.js';
import { resolve } from '../support/generate.js';

const from = (...objects: object[]) => resolve(objects.map((object, at) => readObject(object, `source ${at}`)));
const messages = ({ problems }: ReturnType<typeof resolve>) =>
  problems.map(({ key, message, hint }) => `${key}: ${message} (${hint})`).join('\n');
const sklearn = { framework: 'sklearn' };

describe('defaults', () => {
  it('complete a project that sets only the framework', () => {
    const { project, answers } = from(sklearn);
    assert.equal(project?.name, 'sklearn-model');
    assert.equal(project?.instance.type, 'ml.m6g.large');
    assert.equal(project?.image.platform, 'linux/arm64');
    assert.deepEqual(
      [
        answers.projectDir,
        answers.modelFormat,
        answers.modelServer,
        answers.awsRegion,
        answers.deployTool,
        answers.includeTests,
      ],
      ['./sklearn-model', 'joblib', 'fastapi', 'us-east-1', ['cli'], true],
    );
    assert.equal(answers.serverlessMemory, undefined);
  });

  for (const framework of frameworkNames) {
    it(`for ${framework} are its first format and server`, () => {
      const { answers } = from({ framework });
      assert.equal(answers.modelFormat, formatsOf(framework)[0]?.name);
      assert.equal(answers.modelServer, framework === 'transformers' ? 'vllm' : 'fastapi');
      assert.equal(answers.instanceType, framework === 'transformers' ? 'gpu-enabled' : 'cpu-optimized');
    });
  }
});

describe('precedence', () => {
  it('is the order of the sources, and each value has its origin', () => {
    const sources = [
      readArguments(['demo', '--model-server=flask']),
      readEnvironment({ ML_MODEL_SERVER: 'fastapi', ML_PROJECT_NAME: 'other' }),
      readObject({ ...sklearn, modelFormat: 'pkl' }, 'a.json'),
    ];
    const { answers, origins } = resolve(sources);
    assert.deepEqual([answers.modelServer, answers.projectName, answers.modelFormat], ['flask', 'demo', 'pkl']);
    assert.deepEqual(
      [origins.modelServer, origins.projectName, origins.modelFormat, origins.awsRegion],
      ['--model-server', 'the first argument', 'a.json', 'default'],
    );
  });

  it('ignores the other values of an overridden source if they no longer fit, with a warning', () => {
    const { project, warnings } = from(sklearn, { framework: 'xgboost', modelFormat: 'ubj' });
    assert.equal(project?.format?.name, 'joblib');
    assert.match(warnings.join(), /modelFormat "ubj" \(from source 1\) is ignored: sklearn does not support "ubj"/);
  });

  it('applies between a custom type and a generic choice, both ways', () => {
    assert.equal(
      from({ ...sklearn, customInstanceType: 'ml.c5.large' }, { instanceType: 'gpu-enabled' }).project?.instance.type,
      'ml.c5.large',
    );
    assert.equal(
      from({ ...sklearn, instanceType: 'gpu-enabled' }, { instanceType: 'ml.c5.large' }).project?.instance.type,
      'ml.g5.xlarge',
    );
  });
});

describe('a pickle', () => {
  it('causes a warning that names the safe format', () => {
    assert.match(from(sklearn).warnings.join(), /\.joblib file is a pickle.*--model-format=skops/);
    assert.doesNotMatch(from({ ...sklearn, modelFormat: 'skops' }).warnings.join(), /pickle/);
    assert.deepEqual(from({ ...sklearn, instanceCount: 0 }).warnings, [], 'it has nothing to do with the problem');
  });
});

describe('resolve refuses', () => {
  const refused: readonly (readonly [object, RegExp])[] = [
    [{}, /framework is required/],
    [{ framework: 'sklern' }, /"sklern" is not one of.*did you mean sklearn/],
    [{ framework: 'sklern', frameworkVersion: '1.3' }, /^(?!.*is a version of).*did you mean sklearn/],
    [{ ...sklearn, modelFormat: 'json' }, /sklearn does not support "json".*joblib, pkl, skops/],
    [
      { framework: 'pytorch', instanceType: 'ml.p3.2xlarge' },
      /PyTorch needs CUDA 13, but the V100 .* supports CUDA versions up to 12 only/,
    ],
    [
      { framework: 'tensorflow', instanceType: 'ml.p2.xlarge' },
      /needs CUDA 12, but the K80 .* supports CUDA versions up to 11 only/,
    ],
    [{ framework: 'onnx', instanceType: 'ml.g99g.xlarge' }, /GPU builds for x86_64 only, and ml.g99g.xlarge is arm64/],
    [
      { ...sklearn, packages: ['scikit-learn==1.2'] },
      /frameworkVersion sets the version of scikit-learn.*--framework-version=1\.2/,
    ],
    [
      { framework: 'xgboost', deployTarget: 'batch', instanceType: 'ml.m6g.large' },
      /use --instance-type=cpu-optimized \(ml\.m5\.large\), which supports batch transform/,
    ],
    [{ ...sklearn, awsRegion: 'cn-north-1', awsRoleArn: 'arn:aws:iam::123456789012:role/x' }, /--aws-region=us-east-1/],
    [{ ...sklearn, modelServer: 'vllm' }, /sklearn does not support "vllm"/],
    [{ ...sklearn, modelName: 'a/b' }, /modelName applies only to framework transformers/],
    [{ framework: 'transformers' }, /modelName is required/],
    [{ ...sklearn, serverlessMemory: 2048 }, /serverlessMemory applies only to deployTarget serverless/],
    [{ ...sklearn, deployTarget: 'serverless', serverlessMemory: 2000 }, /2000 is not one of 1024/],
    [
      { ...sklearn, deployTarget: 'serverless', instanceCount: 2 },
      /instanceCount applies only to the targets realtime, async and batch/,
    ],
    [{ ...sklearn, instanceCount: 0 }, /whole number from 1 to 100/],
    [{ ...sklearn, instanceCount: 2.5 }, /whole number from 1 to 100/],
    [{ ...sklearn, includeTests: 'maybe' }, /"maybe" is not true or false/],
    [{ ...sklearn, includeTests: null }, /null is not true or false/],
    [{ ...sklearn, projectName: 3 }, /3 is not valid/],
    [{ ...sklearn, projectName: 'My Model' }, /try my-model/],
    [{ ...sklearn, instanceType: 'm5.large' }, /try ml\.m5\.large/],
    [{ framework: 'transformers', modelName: 's3://bucket/x' }, /try s3:\/\/bucket\/x\//],
    [{ framework: 'transformers', modelName: 'https://huggingface.co/Qwen/Qwen3-8B' }, /\(try Qwen\/Qwen3-8B\)/],
    [{ ...sklearn, deployTool: [] }, /no value: choose one or more of cli/],
    [{ ...sklearn, deployTool: ['cli', 'terraform'] }, /deployTool: "terraform" is not valid/],
    [
      { ...sklearn, packages: ['scipy', 'pandas>=2'] },
      /"pandas>=2" is not valid.*the name alone, or the exact version/,
    ],
    [{ ...sklearn, frameworkVersion: 'latest' }, /leave it out for the newest/],
    [{ ...sklearn, frameworkVersion: '>=1.3' }, /\(try 1\.3\)/],
    [
      { ...sklearn, instanceType: 'ml.c5.large', customInstanceType: 'ml.m5.large' },
      /^instanceType: "ml\.c5\.large" contradicts customInstanceType "ml\.m5\.large" \(set only one\)$/,
    ],
    [
      { framework: 'transformers', modelName: 'a/b-70b', modelServer: 'fastapi', deployTarget: 'batch' },
      /^[^\n]*CUDA versions up to 12 only \(use --instance-type=ml\.r6i\.12xlarge\)$/,
    ],
    [
      { framework: 'transformers', modelName: 'openai/gpt-oss-20b', instanceType: 'ml.g4dn.12xlarge' },
      /the smallest that can hold it\)$/,
    ],
    [{ framework: 'transformers', modelName: 'a/b-2000b', modelServer: 'fastapi' }, /^(?!.*vllm).*a smaller model/],
    [{ ...sklearn, instanceType: 'ml.c5' }, /type like ml.m5.large/],
    [{ ...sklearn, instanceType: 'custom' }, /customInstanceType is required/],
    [
      { ...sklearn, instanceType: 'cpu-optimized', customInstanceType: 'ml.c5.large' },
      /applies only to instanceType custom/,
    ],
    [{ ...sklearn, awsRegion: 'us-east1' }, /did you mean us-east-1/],
    [{ ...sklearn, awsRoleArn: 'arn:aws:iam::1:role/x' }, /role ARN/],
    [{ ...sklearn, awsRoleArn: 'arn:aws:iam::123456789012:role/a!b/Name' }, /only letters, digits and \+=,\.@_-/],
    [
      { ...sklearn, awsRegion: 'cn-north-1', awsRoleArn: 'arn:aws:iam::123456789012:role/x' },
      /partition aws, but cn-north-1 is in aws-cn/,
    ],
    [
      { framework: 'transformers', modelName: 'a/b', instanceType: 'cpu-optimized' },
      /vllm needs a GPU, and ml.m6g.large has none/,
    ],
    [
      { framework: 'transformers', modelName: 'a/b', modelServer: 'sglang', instanceType: 'ml.inf2.xlarge' },
      /sglang needs a GPU/,
    ],
    [{ ...sklearn, deployTarget: 'serverless', instanceType: 'gpu-enabled' }, /no GPU or Neuron/],
    [{ ...sklearn, deployTarget: 'serverless', instanceType: 'ml.inf1.xlarge' }, /no GPU or Neuron/],
    [
      { ...sklearn, deployTarget: 'serverless', multiModel: true },
      /multi-model endpoints must be realtime, not serverless/,
    ],
    [
      { ...sklearn, deployTarget: 'batch', instanceType: 'ml.m6g.large' },
      /batch transform does not run on ml.m6g.large/,
    ],
    [
      { ...sklearn, deployTarget: 'batch', deployTool: ['cli', 'cdk'] },
      /CloudFormation does not support batch transform/,
    ],
    [
      { framework: 'onnx', deployTarget: 'batch', instanceType: 'gpu-enabled' },
      /needs CUDA 13, but batch transform's GPU hosts support CUDA versions up to 12 only/,
    ],
    [{ framework: 'transformers', modelName: 'a/b', multiModel: true }, /each language model needs its own endpoint/],
    [{ ...sklearn, modelServer: 'mms' }, /mms.* supports only multi-model endpoints/],
    [{ ...sklearn, multiModel: true, instanceType: 'ml.g5.xlarge' }, /Triton/],
    [{ ...sklearn, multiModel: true, deployTarget: 'async' }, /multi-model endpoints must be realtime, not async/],
    [{ framework: 'transformers', modelName: 'a/b', includeTraining: true }, /no training container/],
    [{ ...sklearn, multiModel: true, modelDelivery: 'image' }, /loads its models from S3/],
  ];
  for (const [answers, expected] of refused) {
    it(`${JSON.stringify(answers)}`, () => {
      const settled = from(answers);
      assert.equal(settled.project, undefined);
      assert.match(messages(settled), expected);
    });
  }

  it('a request with all its problems at once', () => {
    const { problems } = from({ framework: 'sklern', projectName: '-', awsRegion: 'nowhere', bogus: 1 });
    assert.deepEqual(problems.map(({ key }) => key).sort(), ['', 'awsRegion', 'framework', 'projectName']);
  });

  const unsafe = [
    'a$(touch x)',
    '`id`',
    'a;b',
    'a|b',
    'a&b',
    "a'b",
    'a"b',
    'a\nb',
    'a\u0000b',
    '../a',
    'a/../b',
    '..',
    '-rf',
    'x'.repeat(10_000),
    '',
    ' ',
    '~/a',
    'a\\b',
    '<script>',
    '{{a}}',
    '%0a\r',
  ];
  for (const key of [
    'projectName',
    'projectDir',
    'modelName',
    'customInstanceType',
    'awsRegion',
    'awsRoleArn',
  ] as const) {
    it(`unsafe text as ${key}, with a short message on one line`, () => {
      for (const text of unsafe) {
        const framework = key === 'modelName' ? 'transformers' : 'sklearn';
        const problem = from({ framework, [key]: text }).problems.find((each) => each.key === key);
        assert.ok(problem, `${key}=${JSON.stringify(text.slice(0, 40))} was accepted`);
        assert.doesNotMatch(problem.message, /[\n\r\0]/);
        assert.ok(problem.message.length < 250);
      }
    });
  }
});

describe('resolve accepts', () => {
  for (const role of [
    'arn:aws:iam::123456789012:role/x',
    'arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole-1',
    'arn:aws:iam::123456789012:role/a/b/c+d=e,f@g',
  ]) {
    it(`the role ${role}`, () => assert.equal(from({ ...sklearn, awsRoleArn: role }).project?.roleArn, role));
  }
  it('roles in other partitions, with regions of the same partition', () => {
    assert.ok(
      from({ ...sklearn, awsRegion: 'us-gov-west-1', awsRoleArn: 'arn:aws-us-gov:iam::123456789012:role/x' }).project,
    );
    assert.ok(from({ ...sklearn, awsRegion: 'cn-north-1', awsRoleArn: 'arn:aws-cn:iam::123456789012:role/x' }).project);
  });
  it('an unknown instance type, with a warning', () => {
    const { project, warnings } = from({ ...sklearn, instanceType: 'ml.m9g.large' });
    assert.equal(project?.image.platform, 'linux/arm64');
    assert.match(warnings.join(), /ml.m9g.large is not a known instance type/);
  });
  it('an instance type that SageMaker does not host, with a warning that names the nearest', () => {
    assert.match(from({ ...sklearn, instanceType: 'ml.c5n.xlarge' }).warnings.join(), /does not host.*ml\.c5\.xlarge/);
  });
  it('a GPU for a framework that does not use one, with a warning', () => {
    assert.match(
      from({ ...sklearn, instanceType: 'gpu-enabled' }).warnings.join(),
      /does not use the GPU of ml\.g5\.xlarge/,
    );
  });
  it('a string for a number or a boolean in a config file', () => {
    assert.equal(from({ ...sklearn, instanceCount: '3', includeTests: 'false' }).project?.instance.count, 3);
  });
});
