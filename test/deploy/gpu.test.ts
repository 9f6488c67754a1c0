import assert from 'node:assert/strict';
import path from 'node:path';
import { must, project, run, scratch, unique } from '../support/rig.js';
import { aws, role, script, succeed } from '../support/scripts.js';
import { tool } from '../support/tools.js';

describe('an endpoint on a GPU type', function () {
  this.timeout(300_000);
  const folder = scratch();
  const name = unique('gpu');
  let directory: string;

  before(async () => {
    const answers = { framework: 'custom', instanceType: 'gpu-enabled', modelDelivery: 'image', awsRoleArn: role };
    directory = await project(folder, { projectName: name, ...answers });
  });
  after(async () => {
    await script(directory, 'delete.sh', ['--all']);
    const images = await must('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}']);
    await run('docker', ['image', 'rm', '--force', ...images.split('\n').filter((image) => image.includes(name))]);
  });

  it('gets an AMI with a suitable driver; on a CPU type SageMaker chooses the AMI', async () => {
    await must(tool('python'), [path.join(directory, 'sample_model/train.py')]);
    await succeed(directory, 'build_and_push.sh');
    const amiOf = async (endpoint: string) => {
      const { EndpointConfigName } = await aws('sagemaker', 'describe-endpoint', '--endpoint-name', endpoint);
      const config = await aws('sagemaker', 'describe-endpoint-config', '--endpoint-config-name', EndpointConfigName);
      return [config.ProductionVariants[0].InstanceType, config.ProductionVariants[0].InferenceAmiVersion];
    };
    assert.equal(await succeed(directory, 'deploy.sh'), name);
    assert.deepEqual(await amiOf(name), ['ml.g5.xlarge', 'al2023-ami-sagemaker-inference-gpu-4-1']);
    const response = await succeed(directory, 'invoke.sh', [path.join(directory, 'test/sample_request.json')]);
    assert.equal(JSON.parse(response).predictions.length, 2);
    assert.equal(await succeed(directory, 'deploy.sh', [], { INSTANCE_TYPE: 'ml.m5.large' }), name);
    assert.deepEqual(await amiOf(name), ['ml.m5.large', undefined]);
  });
});
