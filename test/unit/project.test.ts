import assert from 'node:assert/strict';
import { readObject } from '../../generators/config/sources.js';
import { manifest } from '../../generators/project/manifest.js';
import { nextSteps } from '../../generators/project/next.js';
import { render } from '../../generators/project/render.js';
import { resolve } from '../support/generate.js';

const from = (answers: object) => resolve([readObject(answers, 'the test')]);
const sklearn = { framework: 'sklearn' };

describe('a target', () => {
  const built = (answers: object) => from({ ...sklearn, ...answers }).project;

  it('gets an image for its architecture, which is always x86_64 for serverless', () => {
    assert.equal(built({})?.image.platform, 'linux/arm64');
    assert.equal(built({ deployTarget: 'serverless' })?.image.platform, 'linux/amd64');
    assert.equal(built({ deployTarget: 'batch' })?.image.platform, 'linux/amd64'); // ml.m5.large
  });

  it('is deployed with the first tool, after the role is created if none is given', () => {
    const steps = (answers: object) => built(answers)?.steps.deploy.map(({ command }) => command);
    const [build, upload] = ['deploy/build_and_push.sh', 'deploy/upload_model.sh'];
    assert.deepEqual(steps({}), ['deploy/iam/create_role.sh', build, upload, 'deploy/deploy.sh']);
    const awsRoleArn = 'arn:aws:iam::123456789012:role/x';
    assert.deepEqual(steps({ awsRoleArn, modelDelivery: 'image' }), [build, 'deploy/deploy.sh']);
    const python = steps({ awsRoleArn, deployTool: ['boto3', 'cli'], buildTarget: 'codebuild' });
    assert.deepEqual(python, ['deploy/submit_build.sh', upload, 'python3 deploy/deploy.py deploy']);
    assert.deepEqual(steps({ deployTool: ['cdk'] }), [build, upload, '(cd deploy/cdk && cdk deploy)']);
  });

  it('with many models uploads and invokes each by its name, with modules of its own', () => {
    const multiModel = built({ multiModel: true });
    const singleModel = built({});
    assert.ok(multiModel && singleModel);
    const commands = ({ steps }: typeof multiModel) => [...steps.deploy, ...steps.use].map(({ command }) => command);
    assert.deepEqual(
      commands(multiModel),
      commands(singleModel).map((command) =>
        command.replace('upload_model.sh', '$& model-a').replace('invoke.sh', '$& --target-model model-a'),
      ),
    );
    assert.doesNotMatch(JSON.stringify(manifest(multiModel)), /(single|new)-model/);
    assert.doesNotMatch(JSON.stringify(manifest(singleModel)), /multi-model/);
  });

  it('trains on its own instance type if possible, otherwise on x86_64, with a GPU if the framework uses one', () => {
    const trainedOn = (answers: object) => built({ framework: 'xgboost', ...answers })?.trainingType;
    assert.equal(trainedOn({ instanceType: 'ml.m5.xlarge' }), 'ml.m5.xlarge');
    assert.equal(trainedOn({}), 'ml.m5.large'); // no training jobs on Graviton
    assert.equal(trainedOn({ instanceType: 'ml.g5.2xlarge' }), 'ml.g5.2xlarge');
    assert.equal(trainedOn({ instanceType: 'ml.g5.2xlarge', framework: 'sklearn' }), 'ml.m5.large');
    assert.equal(trainedOn({ instanceType: 'ml.trn1.2xlarge' }), 'ml.m5.large');
  });

  it('gets the scripts of its tools and no others', () => {
    const files = (answers: object) => {
      const project = built(answers);
      assert.ok(project);
      return manifest(project).map(({ path }) => path);
    };
    const has = (answers: object, path: string) => files(answers).includes(path);
    assert.ok(has({}, 'deploy/deploy.sh') && !has({}, 'deploy/deploy.py') && !has({}, 'deploy/cdk/app.py'));
    assert.ok(
      has({ deployTool: ['boto3'] }, 'deploy/deploy.py') && !has({ deployTool: ['boto3'] }, 'deploy/deploy.sh'),
    );
    assert.ok(has({ deployTool: ['cdk'] }, 'deploy/cdk/app.py') && has({ deployTool: ['cdk'] }, 'deploy/delete.sh'));
    assert.ok(has({ buildTarget: 'codebuild' }, 'deploy/submit_build.sh') && !has({}, 'deploy/submit_build.sh'));
  });
});

describe('a small transformer', () => {
  const small = { framework: 'transformers', modelServer: 'fastapi', modelName: 'org/tiny' };
  const built = (answers: object) => from({ ...small, ...answers }).project;

  it('is served on a CPU or a GPU, on every target', () => {
    assert.equal(built({})?.image.gpu, true);
    for (const answers of [
      { instanceType: 'cpu-optimized' },
      { instanceType: 'cpu-optimized', deployTarget: 'serverless' },
      { instanceType: 'cpu-optimized', deployTarget: 'batch' },
      { instanceType: 'ml.m5.large', deployTarget: 'async', modelDelivery: 'image' },
    ])
      assert.equal(built(answers)?.image.gpu, false, JSON.stringify(answers));
  });

  it('has a folder as its model, and requests with texts', () => {
    const project = built({ instanceType: 'cpu-optimized' });
    assert.ok(project);
    assert.match(nextSteps(project, '/x', '/'), /First copy the files of your model to x\/model\//);
    const readme = render(manifest(project), project).find(({ path }) => path === 'README.md')?.text ?? '';
    assert.match(readme, /hf download org\/tiny --revision COMMIT --local-dir model/);
    assert.doesNotMatch(readme, /5\.1, 3\.5|numbers as NumPy/);
    const bucket = built({ instanceType: 'cpu-optimized', modelName: 's3://bucket/path/' });
    assert.ok(bucket);
    assert.match(render(manifest(bucket), bucket)[0]?.text ?? '', /aws s3 sync s3:\/\/bucket\/path\/ model/);
  });
});

describe('a GPU instance', () => {
  const pytorch = { framework: 'pytorch' };
  const image = (answers: object) => from(answers).project?.image;

  it('gets a host with a suitable driver, but only if predictions can run on the GPU', () => {
    const gpu = { base: 'public.ecr.aws/docker/library/python:3.13-slim', platform: 'linux/amd64', gpu: true };
    const amiVersion = 'al2023-ami-sagemaker-inference-gpu-4-1';
    const has = (answers: object, expected: object) => {
      const { hosts: _, ...found } = image(answers) ?? {};
      assert.deepEqual(found, expected);
    };
    has({ ...pytorch, instanceType: 'gpu-enabled' }, { ...gpu, amiVersion });
    has({ ...pytorch, instanceType: 'ml.g99.xlarge' }, { ...gpu, amiVersion });
    has({ ...pytorch, instanceType: 'ml.m5.large' }, { ...gpu, gpu: false, amiVersion: '' });
    has({ ...sklearn, instanceType: 'gpu-enabled' }, { ...gpu, gpu: false, amiVersion: '' });
    const v100 = 'al2-ami-sagemaker-inference-gpu-3-1';
    has({ framework: 'xgboost', instanceType: 'ml.p3.2xlarge' }, { ...gpu, amiVersion: v100 });
    has({ framework: 'custom', instanceType: 'ml.p2.xlarge' }, { ...gpu, amiVersion: '' });
  });

  it('gets the requirements for GPUs, and a CPU instance those for CPUs, from the CPU index', () => {
    const installed = (answers: object) => {
      const { project } = from(answers);
      return [project?.requirements.set, project?.cpuBuild?.package];
    };
    const gpu = { instanceType: 'gpu-enabled' };
    assert.deepEqual(installed({ ...pytorch, ...gpu }), ['pytorch-2.15-gpu', undefined]);
    assert.deepEqual(installed(pytorch), ['pytorch-2.15', 'torch']);
    assert.deepEqual(installed({ framework: 'custom', ...gpu }), ['custom', undefined]);
  });
});
