import assert from 'node:assert/strict';
import { existsSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { must, project, run, scratch, train, unique } from '../support/rig.js';
import { recordCalls } from '../support/rights.js';
import { arm, aws, leftOf, refuse, script, succeed } from '../support/scripts.js';
import { csvOf, writeData } from '../support/training.js';

const scaled = { MAX_INSTANCE_COUNT: '2' };

describe('a real-time endpoint', function () {
  this.timeout(300_000);
  const folder = scratch(); // its name has a space
  const name = unique('life');
  let directory: string;
  const request = () => path.join(directory, 'test/sample_request.json');
  const py = (command: string, env: NodeJS.ProcessEnv = {}, ...args: string[]) =>
    succeed(directory, 'deploy.py', [command, ...args], env);
  const predict = async () => JSON.parse(await succeed(directory, 'invoke.sh', [request()])).predictions;
  const describeEndpoint = () => aws('sagemaker', 'describe-endpoint', '--endpoint-name', name);

  let recording: Awaited<ReturnType<typeof recordCalls>>;

  before(async () => {
    const answers = { deployTool: ['cli', 'boto3'], includeTraining: true };
    directory = await project(folder, { projectName: name, ...answers });
    recording = await recordCalls(name);
    recording.start();
  });
  after(async () => {
    await recording.close();
    await arm({ throttle: {}, fail_endpoints: [] });
    await script(directory, 'delete.sh', ['--all']);
    const images = await must('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}']);
    const mine = images.split('\n').filter((image) => image.includes(name));
    await run('docker', ['image', 'rm', '--force', ...mine]);
  });

  it('starts with creating the role', async () => {
    const made = await succeed(directory, 'iam/create_role.sh');
    assert.equal(await succeed(directory, 'iam/create_role.sh'), made);
  });

  it('has an image, which is pushed only once', async () => {
    const image = await succeed(directory, 'build_and_push.sh');
    assert.match(
      image,
      new RegExp(`^123456789012\\.dkr\\.ecr\\.us-east-1\\.amazonaws\\.com/${name}@sha256:[0-9a-f]{64}$`),
    );
    assert.equal(await succeed(directory, 'build_and_push.sh'), image);
    const { repositories } = await aws('ecr', 'describe-repositories', '--repository-names', name);
    assert.equal(repositories[0].imageTagMutability, 'IMMUTABLE');
    assert.equal(repositories[0].imageScanningConfiguration.scanOnPush, true);
    assert.equal((await aws('ecr', 'list-images', '--repository-name', name)).imageIds.length, 1);
  });

  it('is not deployed, and nothing is uploaded, without a model', async () => {
    await refuse(/No model has been uploaded .*\n.*upload_model\.sh/, directory, 'deploy.sh');
    await refuse(/There is no model in .*\n.*test\/run_local\.sh/, directory, 'upload_model.sh');
  });

  it('has a model archive without links, which is reproducible', async () => {
    await train(directory, name);
    const link = path.join(directory, 'model/link');
    symlinkSync('model.joblib', link);
    await refuse(/links.*\n\.\/link/, directory, 'upload_model.sh');
    unlinkSync(link);
    const uri = await succeed(directory, 'upload_model.sh');
    assert.match(uri, new RegExp(`^s3://${recording.bucket}/${name}/[0-9a-f]{64}/model\\.tar\\.gz$`));
    await must('touch', [path.join(directory, 'model/model.joblib')]);
    assert.equal(await succeed(directory, 'upload_model.sh'), uri);
    const archive = path.join(folder, 'model.tar.gz');
    await must('aws', ['s3', 'cp', uri, archive]);
    assert.equal(await must('tar', ['-tf', archive]), 'model.joblib');
    const bucket = ['--bucket', recording.bucket];
    const access = await aws('s3api', 'get-public-access-block', ...bucket);
    assert.deepEqual([...new Set(Object.values(access.PublicAccessBlockConfiguration))], [true]);
  });

  it('can use a model trained by a job', async () => {
    await succeed(directory, '../train/build_and_push.sh');
    await writeData(directory);
    const data = [csvOf(directory, 'train'), '--validation', csvOf(directory, 'validation')];
    assert.match(await succeed(directory, '../train/fit.py', data), /^s3:.*model\.tar\.gz$/);
  });

  it('is created and serves requests, after its cost is announced', async () => {
    const { result, err } = await script(directory, 'deploy.sh');
    assert.equal(result, name, err);
    assert.match(err, /^Cost: 1 x ml\.m5\.large in us-east-1, billed until you run .*delete\.sh/m);
    assert.equal((await predict()).length, JSON.parse(readFileSync(request(), 'utf8')).instances.length);
  });

  it('is not updated if nothing changed', async () => {
    const before = await describeEndpoint();
    assert.match((await script(directory, 'deploy.sh')).err, /is already up to date/);
    assert.equal(await py('deploy'), name);
    assert.deepEqual(await describeEndpoint(), before);
  });

  it('can be scaled, and managed with deploy.py, too', async () => {
    assert.equal(await succeed(directory, 'deploy.sh', [], scaled), name);
    assert.equal(await py('deploy', { ...scaled, CONTAINER_ENV: '{"A": "b"}' }), name);
    const predictions = await predict();
    assert.deepEqual(JSON.parse(await py('invoke', {}, request())).predictions, predictions);
    assert.equal(await succeed(directory, 'deploy.sh'), name);
  });

  it('infers the content type, and shows the error of a bad request', async () => {
    const csv = path.join(directory, 'test/sample_request.csv');
    assert.deepEqual(JSON.parse(await succeed(directory, 'invoke.sh', [csv])).predictions, await predict());
    await refuse(/ModelError.*\{"error":/s, directory, 'invoke.sh', [csv, 'application/json']);
    await refuse(/Cannot infer the content type of/, directory, 'invoke.sh', [path.join(directory, 'Dockerfile')]);
  });

  it('is updated in place to a new model, and the previous one is removed', async () => {
    const before = await describeEndpoint();
    const constant = `import joblib; from sklearn.dummy import DummyRegressor
model = DummyRegressor(strategy="constant", constant=42).fit([[0] * 8], [0])
joblib.dump(model, "/project/model/model.joblib")`;
    await must('docker', ['run', '--rm', '--volume', `${directory}:/project`, name, 'python', '-c', constant]);
    await succeed(directory, 'upload_model.sh');
    assert.equal(await succeed(directory, 'deploy.sh'), name);
    assert.deepEqual([...new Set(await predict())], [42]);
    const now = await describeEndpoint();
    assert.equal(now.CreationTime, before.CreationTime);
    assert.notEqual(now.EndpointConfigName, before.EndpointConfigName);
    assert.deepEqual(await leftOf(name), [now.EndpointConfigName, now.EndpointConfigName, name]);
  });

  it('keeps running when the new model is broken, and the container log is shown', async () => {
    const before = await describeEndpoint();
    writeFileSync(path.join(directory, 'model/model.joblib'), 'not a model');
    await succeed(directory, 'upload_model.sh');
    const { err } = await refuse(/did not pass the ping health check/, directory, 'deploy.sh');
    assert.match(err, / {2}\| .*model/);
    assert.match(err, /The previous deployment keeps running/);
    assert.deepEqual([...new Set(await predict())], [42]);
    assert.equal((await describeEndpoint()).EndpointConfigName, before.EndpointConfigName);
    assert.equal((await leftOf(name)).length, 3);
  });

  it('is not changed by another project', async () => {
    recording.pause();
    await refuse(/did not create/, directory, 'deploy.sh', [], {
      PROJECT_NAME: 'another',
      ENDPOINT_NAME: name,
      IMAGE_URI: 'x',
    });
    const env = { PROJECT_NAME: 'another', ENDPOINT_NAME: name };
    assert.equal(await succeed(directory, 'delete.sh', [], env), '0');
    recording.start();
  });

  it('is removed by delete.sh, which counts the resources', async () => {
    assert.equal(await succeed(directory, 'delete.sh'), '3');
    assert.equal(await succeed(directory, 'delete.sh'), '0');
    assert.deepEqual(await leftOf(name), []);
    await refuse(/Check that .* is deployed in/, directory, 'invoke.sh', [request()]);
  });

  it('leaves nothing behind when the first model is broken', async () => {
    const { err } = await refuse(/did not pass the ping health check/, directory, 'deploy.sh');
    assert.match(err, / {2}\| .*model/);
    assert.deepEqual(await leftOf(name), []);
  });

  it('leaves nothing behind when SageMaker has no capacity, or throttles every call', async () => {
    await arm({ fail_endpoints: ['Unable to provision: no capacity.'] });
    await refuse(/was not deployed: Unable to provision: no capacity/, directory, 'deploy.sh');
    assert.deepEqual(await leftOf(name), []);
    await arm({ throttle: { CreateEndpoint: 99 } });
    await refuse(/Rate exceeded/, directory, 'deploy.sh', [], { AWS_MAX_ATTEMPTS: '2' });
    await arm({ throttle: {} });
    assert.deepEqual(await leftOf(name), []);
  });

  it('is deployed despite a few throttled calls', async () => {
    await train(directory, name);
    await succeed(directory, 'upload_model.sh');
    await arm({ throttle: { CreateModel: 1, CreateEndpoint: 2, DescribeEndpoint: 1 } });
    assert.equal(await succeed(directory, 'deploy.sh'), name);
  });

  it('is removed by delete.sh --all, with images and models', async () => {
    assert.equal(await succeed(directory, 'delete.sh', ['--all']), '10'); // endpoint 3, repository 1, models 3, data to train on 2, role 1
    assert.equal(await succeed(directory, 'delete.sh', ['--all']), '0');
    assert.ok(!existsSync(path.join(directory, 'deploy/.state/123456789012-us-east-1')));
  });

  it('needs exactly the permissions in deploy/iam', async () => {
    await recording.check(directory);
  });
});
