// The lives of the other targets, with the one image that is built here.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  breakModel,
  clearAway,
  client,
  describeEndpoint,
  predict,
  sample,
  train42,
  trained,
} from '../support/lives.js';
import { must, scratch, unique } from '../support/rig.js';
import { aws, leftOf, refuse, script, succeed } from '../support/scripts.js';

describe('the other targets', function () {
  this.timeout(300_000);
  const folder = scratch();
  let image = '';
  const env = () => ({ IMAGE_URI: image });
  const lives: [string, string][] = [];
  const begin = async (name: string, target: string) => {
    const directory = await trained(folder, name, target);
    lives.push([directory, name]);
    await succeed(directory, 'upload_model.sh');
    return directory;
  };

  before(async () => {
    const name = unique('image');
    const directory = await trained(folder, name, 'realtime');
    lives.push([directory, name]);
    image = await succeed(directory, 'build_and_push.sh');
  });
  after(async () => {
    for (const [directory, name] of lives.reverse()) await clearAway(directory, name);
  });

  const configOf = async (name: string) =>
    aws(
      'sagemaker',
      'describe-endpoint-config',
      '--endpoint-config-name',
      (await describeEndpoint(name)).EndpointConfigName,
    );
  const environmentOf = async (name: string) => {
    const model = (await configOf(name)).ProductionVariants[0].ModelName;
    return (await aws('sagemaker', 'describe-model', '--model-name', model)).PrimaryContainer.Environment;
  };

  for (const target of ['serverless', 'async'] as const)
    it(`${target}: created, asked, updated, updated to a broken model, deleted`, async () => {
      const name = unique(target);
      const directory = await begin(name, target);
      const { result, err } = await script(directory, 'deploy.sh', [], env());
      assert.equal(result, name, err);
      const first = await predict(directory);
      assert.equal(first.length, 2);
      assert.deepEqual(await predict(directory, sample(directory, 'csv')), first);
      const config = await configOf(name);
      if (target === 'serverless') {
        assert.match(err, /^Cost: each request for as long as it takes, with 2048 MB in us-east-1 bills until/m);
        assert.deepEqual(config.ProductionVariants[0].ServerlessConfig, { MemorySizeInMB: 2048, MaxConcurrency: 5 });
        assert.deepEqual(await environmentOf(name), { SM_WORKERS: '1' });
      } else {
        assert.match(err, /^Cost: 0 to 1 x ml\.m5\.large \(none while no request waits\) in us-east-1 bills until/m);
        assert.equal(config.AsyncInferenceConfig.ClientConfig.MaxConcurrentInvocationsPerInstance, 4);
      }

      await train42(directory);
      await succeed(directory, 'upload_model.sh');
      const asking = target === 'serverless' ? client(name, directory) : undefined;
      await succeed(directory, 'deploy.sh', [], env());
      assert.deepEqual(await predict(directory), [42, 42]);
      breakModel(directory);
      await succeed(directory, 'upload_model.sh');
      const { err: reason } = await refuse(/did not pass the ping health check/, directory, 'deploy.sh', [], env());
      assert.match(reason, / {2}\| .*model.*\n(.*\n)*What ran before runs on/);
      if (asking) assert.ok((await asking.stop()) > 0);
      assert.deepEqual(await predict(directory), [42, 42]);
      assert.equal((await leftOf(name)).length, 3);
      assert.equal(await succeed(directory, 'delete.sh'), target === 'async' ? '6' : '3'); // 2 policies, 1 alarm
      assert.equal(await succeed(directory, 'delete.sh'), '0');
      assert.deepEqual(await leftOf(name), []);
    });

  it('realtime: with every odd but legal character, in another region, from an image that is not in ECR', async () => {
    const name = unique('odd');
    const directory = await trained(folder, name, 'realtime', { awsRegion: 'eu-central-1' });
    const own = {
      ENDPOINT_NAME: `Fraud-${name}-`.padEnd(63, 'Xy9'),
      ROLE_ARN: 'arn:aws-us-gov:iam::123456789012:role/a/b+=,.@-_c/Name+=,.@-_x',
      TAGS: JSON.stringify({ 'team / owner': `a+b=c.d_e:f/g@h - é "'$(x)\\`, empty: '' }),
      CONTAINER_ENV: JSON.stringify({ SM_LOG_LEVEL: 'DEBUG', ODD: `a b\t"'$(touch x)\\ é` }),
      AWS_REGION: undefined,
      AWS_DEFAULT_REGION: undefined,
      IMAGE_URI: image.replace(/^[^/]+\/(.*)@.*$/, '$1:latest'),
    };
    await succeed(directory, 'upload_model.sh', [], own);
    const { result, err } = await script(directory, 'deploy.sh', [], own);
    assert.equal(result, own.ENDPOINT_NAME, err);
    assert.equal(JSON.parse(await succeed(directory, 'invoke.sh', [sample(directory)], own)).predictions.length, 2);
    const inRegion = ['--region', 'eu-central-1'];
    const models = await aws(
      'sagemaker',
      'list-models',
      '--name-contains',
      own.ENDPOINT_NAME.slice(0, 52),
      ...inRegion,
    );
    const { ModelName, ModelArn } = models.Models[0];
    const model = await aws('sagemaker', 'describe-model', '--model-name', ModelName, ...inRegion);
    assert.deepEqual(model.PrimaryContainer.Environment, JSON.parse(own.CONTAINER_ENV));
    const { Tags } = await aws('sagemaker', 'list-tags', '--resource-arn', ModelArn, ...inRegion);
    const found = Object.fromEntries(Tags.map(({ Key, Value }: { Key: string; Value: string }) => [Key, Value]));
    assert.deepEqual({ ...found, ...JSON.parse(own.TAGS) }, found);
    assert.equal(await succeed(directory, 'delete.sh', ['--all'], own), '4'); // endpoint 3, model 1
  });

  it('async: shows what the container says of a bad request, and scales to nothing by the backlog', async () => {
    const name = unique('queue');
    const directory = await begin(name, 'async');
    await succeed(directory, 'deploy.sh', [], { ...env(), MAX_INSTANCE_COUNT: '2' });
    const bad = path.join(folder, 'bad.json');
    writeFileSync(bad, '{"instances": [["a"]]}');
    await refuse(/\{"error":/, directory, 'invoke.sh', [bad]);
    const ours = ['--service-namespace', 'sagemaker', '--resource-id', `endpoint/${name}/variant/AllTraffic`];
    const { ScalingPolicies } = await aws('application-autoscaling', 'describe-scaling-policies', ...ours);
    assert.deepEqual(ScalingPolicies.map(({ PolicyType }: { PolicyType: string }) => PolicyType).sort(), [
      'StepScaling',
      'TargetTrackingScaling',
    ]);
    const { MetricAlarms } = await aws('cloudwatch', 'describe-alarms', '--alarm-names', `${name}-wake`);
    const step = ScalingPolicies.find(({ PolicyType }: { PolicyType: string }) => PolicyType === 'StepScaling');
    assert.deepEqual(MetricAlarms[0].AlarmActions, [step.PolicyARN]);
    await succeed(directory, 'deploy.sh', [], { ...env(), MIN_INSTANCE_COUNT: '1' });
    const after = await aws('application-autoscaling', 'describe-scaling-policies', ...ours);
    assert.deepEqual(after.ScalingPolicies, []);
  });

  it('batch: a job over a file, a folder or S3; lines for lines; what fails is told, what was made is removed', async () => {
    const name = unique('batch');
    const directory = await begin(name, 'batch');
    const { result: job, err } = await script(directory, 'deploy.sh', [], env());
    assert.match(job, new RegExp(`^${name.slice(0, 40)}-\\d{14}-[0-9a-f]{4}$`), err);
    assert.match(err, /^Cost: 1 x ml\.m5\.large in us-east-1 bills until the job's end/m);
    const fetch = /^.*Next: (aws s3 cp .*predictions\/),/m.exec(err)?.[1] ?? '';
    await must('bash', ['-c', fetch], { cwd: folder });
    const read = (file: string) =>
      readFileSync(path.join(folder, 'predictions', file), 'utf8')
        .trimEnd()
        .split('\n');
    const lines = read('sample_request.csv.out');
    assert.equal(lines.length, 2);
    const asJson = await script(directory, 'invoke.sh', [sample(directory)], env());
    assert.deepEqual(asJson.out.trimEnd().split('\n'), lines);
    const printed = await script(directory, 'invoke.sh', [sample(directory, 'csv')], env());
    assert.deepEqual(printed.out.trimEnd().split('\n'), lines);

    const records = path.join(folder, 'records');
    await must('mkdir', ['-p', path.join(records, '2026')]);
    for (const file of ['a.csv', '2026/b.csv'])
      writeFileSync(path.join(records, file), readFileSync(sample(directory, 'csv')));
    const whole = await script(directory, 'deploy.sh', [], {
      ...env(),
      BATCH_INPUT: records,
      BATCH_CONTENT_TYPE: 'text/csv',
      BATCH_STRATEGY: 'SingleRecord',
      BATCH_CONCURRENCY: '4',
    });
    assert.equal(whole.code, 0, whole.err);
    await must('bash', ['-c', /Next: (aws s3 cp .*predictions\/),/.exec(whole.err)?.[1] ?? ''], { cwd: folder });
    assert.deepEqual([read('a.csv.out'), read('2026/b.csv.out')], [lines, lines]);

    writeFileSync(path.join(folder, 'broken.csv'), '1,2,nonsense\n');
    const env2 = { ...env(), BATCH_INPUT: path.join(folder, 'broken.csv') };
    const failed = await refuse(/failed: ClientError: See job logs/, directory, 'deploy.sh', [], env2);
    assert.match(failed.err, / {2}\| .*Bad HTTP status received from algorithm: 400/);
    await refuse(/nothing in S3 at/, directory, 'deploy.sh', [], { ...env(), BATCH_INPUT: 's3://no-such-bucket/x' });
    await refuse(/no file or folder/, directory, 'deploy.sh', [], { ...env(), BATCH_INPUT: 'no-such-file.csv' });
    const wrong = { ...env(), BATCH_STRATEGY: 'Some' };
    await refuse(/BATCH_STRATEGY has to be one of MultiRecord, SingleRecord/, directory, 'deploy.sh', [], wrong);
    assert.equal(await succeed(directory, 'delete.sh'), '1');
    assert.equal(await succeed(directory, 'delete.sh'), '0');
  });
});
