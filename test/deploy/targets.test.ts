// The other targets from creation to removal, and that deploy/iam permits exactly the calls they make.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { breakModel, clearAway, client, describeEndpoint, predict, put42, sample, trained } from '../support/lives.js';
import { build, must, project, rig, scratch, unique } from '../support/rig.js';
import { recordCalls } from '../support/rights.js';
import { arm, aws, interrupt, leftOf, refuse, role, script, succeed } from '../support/scripts.js';
import { root, tool } from '../support/tools.js';

describe('the other targets', function () {
  this.timeout(600_000);
  const folder = scratch();
  const lives: [string, string][] = [];
  let recording: Awaited<ReturnType<typeof recordCalls>> | undefined;

  /** A project with its role, image and model; the calls that created them are recorded. */
  const begin = async (name: string, deployTarget: string, more: Record<string, unknown> = {}) => {
    const directory = await trained(folder, name, deployTarget, more);
    lives.push([directory, name]);
    recording = await recordCalls(name);
    recording.start();
    await succeed(directory, 'iam/create_role.sh');
    await succeed(directory, 'iam/create_role.sh');
    await succeed(directory, 'build_and_push.sh');
    await succeed(directory, 'upload_model.sh');
    return { directory, recording };
  };
  afterEach(async () => {
    await recording?.close();
    recording = undefined;
  });
  after(async () => {
    for (const [directory, name] of lives.reverse()) await clearAway(directory, name);
  });

  it('have a deployer that passes mypy', async () => {
    const args = [
      '--config-file',
      path.join(root, 'test/serve/pyproject.toml'),
      '--cache-dir',
      path.join(folder, 'mypy'),
    ];
    for (const deployTarget of ['serverless', 'async', 'batch']) {
      const directory = await project(folder, { projectName: `typed-${deployTarget}`, deployTarget });
      await must(tool('mypy'), [...args, '-p', 'deployer'], { cwd: path.join(directory, 'deploy') });
    }
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
  const scaled = { MAX_INSTANCE_COUNT: '2', PROVISIONED_CONCURRENCY: '1', MAX_PROVISIONED_CONCURRENCY: '2' };

  for (const target of ['serverless', 'async'] as const)
    it(`${target}: created, invoked, updated, updated to a broken model, deleted, with exactly the permissions in deploy/iam`, async () => {
      const name = unique(target);
      const { directory, recording } = await begin(name, target);
      const { code, err } = await interrupt(/: Creating/, directory, 'deploy.sh', [], scaled);
      assert.equal(code, 130, err);
      assert.match(err, /is still Creating\. To continue, run .*deploy\.sh'?; to remove it, run .*delete\.sh/);
      assert.equal(await succeed(directory, 'deploy.sh', [], scaled), name);
      const first = await predict(directory);
      assert.equal(first.length, 2);
      assert.deepEqual(await predict(directory, sample(directory, 'csv')), first);
      const config = await configOf(name);
      if (target === 'serverless') {
        assert.match(
          err,
          /^Cost: each request is billed by its duration, with 2048 MB of memory, and a provisioned concurrency of 1 to 2 continuously, in us-east-1, until/m,
        );
        const serverless = { MemorySizeInMB: 2048, MaxConcurrency: 5, ProvisionedConcurrency: 1 };
        assert.deepEqual(config.ProductionVariants[0].ServerlessConfig, serverless);
        assert.deepEqual(await environmentOf(name), { SM_WORKERS: '1' });
      } else {
        assert.match(
          err,
          /^Cost: 0 to 2 x ml\.m5\.large \(none while the queue is empty\) in us-east-1, billed until/m,
        );
        assert.equal(config.AsyncInferenceConfig.ClientConfig.MaxConcurrentInvocationsPerInstance, 4);
        await scalesByBacklog(directory, name);
      }

      put42(directory);
      await succeed(directory, 'upload_model.sh');
      const requests = target === 'serverless' ? client(name, directory) : undefined;
      await succeed(directory, 'deploy.sh', [], scaled);
      assert.deepEqual(await predict(directory), [42, 42]);
      breakModel(directory);
      await succeed(directory, 'upload_model.sh');
      const { err: reason } = await refuse(/did not pass the ping health check/, directory, 'deploy.sh', [], scaled);
      assert.match(reason, / {2}\| .*model.*\n(.*\n)*The previous deployment keeps running/);
      if (requests) assert.ok((await requests.stop()) > 0);
      assert.deepEqual(await predict(directory), [42, 42]);
      assert.equal((await leftOf(name)).length, 3);
      assert.equal(await succeed(directory, 'delete.sh'), target === 'async' ? '6' : '4'); // async: 2 policies, 1 alarm
      assert.equal(await succeed(directory, 'delete.sh'), '0');
      assert.deepEqual(await leftOf(name), []);
      const alarms = await aws('cloudwatch', 'describe-alarms', '--alarm-names', `${name}-wake`);
      assert.deepEqual(alarms.MetricAlarms, []);
      await refuse(/Check that .* is deployed in/, directory, 'invoke.sh', [sample(directory)]);
      if (target === 'serverless') await readsOtherArchives(directory, name);
      await succeed(directory, 'delete.sh', ['--all']);
      await recording.check(directory);
    });

  /** An archive that was packed elsewhere is checked and deployed; nothing is left behind if it has no model. */
  async function readsOtherArchives(directory: string, name: string): Promise<void> {
    recording?.pause(); // the policies permit only this project's models
    const [archive, MODEL_DATA] = [path.join(folder, 'none.tar.gz'), `s3://${recording?.bucket}/elsewhere/none.tar.gz`];
    await must('tar', ['-czf', archive, '-C', directory, 'Dockerfile']);
    await must('aws', ['s3', 'cp', archive, MODEL_DATA]);
    const { err } = await refuse(/did not pass the ping health check/, directory, 'deploy.sh', [], { MODEL_DATA });
    assert.match(err, /^Reading .*none\.tar\.gz(.*\n)* {2}\| .*model/m);
    assert.deepEqual(await leftOf(name), []);
    recording?.start();
  }

  /** The error of a bad request is shown; the endpoint scales to zero by the backlog, unless MIN_INSTANCE_COUNT is 1. */
  async function scalesByBacklog(directory: string, name: string): Promise<void> {
    const bad = path.join(folder, 'bad.json');
    writeFileSync(bad, '{"instances": [["a"]]}');
    await refuse(/\{"error":(?:.*\n)*.*CloudWatch: \/aws\/sagemaker\/Endpoints/, directory, 'invoke.sh', [bad]);
    const ours = ['--service-namespace', 'sagemaker', '--resource-id', `endpoint/${name}/variant/AllTraffic`];
    const { ScalingPolicies } = await aws('application-autoscaling', 'describe-scaling-policies', ...ours);
    assert.deepEqual(ScalingPolicies.map(({ PolicyType }: { PolicyType: string }) => PolicyType).sort(), [
      'StepScaling',
      'TargetTrackingScaling',
    ]);
    const { MetricAlarms } = await aws('cloudwatch', 'describe-alarms', '--alarm-names', `${name}-wake`);
    const step = ScalingPolicies.find(({ PolicyType }: { PolicyType: string }) => PolicyType === 'StepScaling');
    assert.deepEqual(MetricAlarms[0].AlarmActions, [step.PolicyARN]);
    await succeed(directory, 'deploy.sh', [], { MIN_INSTANCE_COUNT: '1' });
    const after = await aws('application-autoscaling', 'describe-scaling-policies', ...ours);
    assert.deepEqual(after.ScalingPolicies, []);
  }

  it('realtime: with every unusual but legal character, in another region, with an image outside ECR', async () => {
    const name = unique('odd');
    const directory = await trained(folder, name, 'realtime', { awsRegion: 'eu-central-1', awsRoleArn: role });
    lives.push([directory, name]);
    const own = {
      ENDPOINT_NAME: `Fraud-${name}-`.padEnd(63, 'Xy9'),
      ROLE_ARN: 'arn:aws-us-gov:iam::123456789012:role/a/b+=,.@-_c/Name+=,.@-_x',
      TAGS: JSON.stringify({ 'team / owner': `a+b=c.d_e:f/g@h - é "'$(x)\\`, empty: '' }),
      CONTAINER_ENV: JSON.stringify({ SM_LOG_LEVEL: 'DEBUG', ODD: `a b\t"'$(touch x)\\ é` }),
      AWS_REGION: undefined,
      AWS_DEFAULT_REGION: undefined,
      IMAGE_URI: await build(directory, `${name}:latest`, rig('BASE_IMAGE').BASE_IMAGE),
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

  it('batch: a job on a file, a folder or S3; one line per record; failures are reported and cleaned up', async () => {
    const name = unique('batch');
    const { directory, recording } = await begin(name, 'batch', { deployTool: ['cli', 'boto3'] });
    recording.pause();
    for (const call of ['CreateModel', 'CreateTransformJob']) {
      await arm({ throttle: { [call]: 1 } });
      await refuse(/Rate exceeded/, directory, 'deploy.sh', [], { AWS_MAX_ATTEMPTS: '1' });
      assert.deepEqual(await leftOf(name), []);
    }
    recording.start();
    const { result: job, err } = await script(directory, 'deploy.sh');
    assert.match(job, new RegExp(`^${name.slice(0, 40)}-\\d{14}-[0-9a-f]{4}$`), err);
    assert.match(err, /^Cost: 1 x ml\.m5\.large in us-east-1, billed until the job ends/m);
    const fetch = /^.*Next: (aws s3 cp .*predictions\/),/m.exec(err)?.[1] ?? '';
    await must('bash', ['-c', fetch], { cwd: folder });
    const read = (file: string) =>
      readFileSync(path.join(folder, 'predictions', file), 'utf8')
        .trimEnd()
        .split('\n');
    const lines = read('sample_request.csv.out');
    assert.equal(lines.length, 2);
    const asJson = await script(directory, 'invoke.sh', [sample(directory)]);
    assert.deepEqual(asJson.out.trimEnd().split('\n'), lines);
    const printed = await script(directory, 'invoke.sh', [sample(directory, 'csv')]);
    assert.deepEqual(printed.out.trimEnd().split('\n'), lines);

    const records = path.join(folder, 'records');
    await must('mkdir', ['-p', path.join(records, '2026')]);
    for (const file of ['a.csv', '2026/b.csv'])
      writeFileSync(path.join(records, file), readFileSync(sample(directory, 'csv')));
    const whole = await script(directory, 'deploy.sh', [], {
      BATCH_INPUT: records,
      BATCH_CONTENT_TYPE: 'text/csv',
      BATCH_STRATEGY: 'SingleRecord',
      BATCH_CONCURRENCY: '4',
    });
    assert.equal(whole.code, 0, whole.err);
    await must('bash', ['-c', /Next: (aws s3 cp .*predictions\/),/.exec(whole.err)?.[1] ?? ''], { cwd: folder });
    assert.deepEqual([read('a.csv.out'), read('2026/b.csv.out')], [lines, lines]);

    writeFileSync(path.join(folder, 'broken.csv'), '1,2,nonsense\n');
    const broken = { BATCH_INPUT: path.join(folder, 'broken.csv') };
    const failed = await refuse(/failed: ClientError: See job logs/, directory, 'deploy.sh', [], broken);
    assert.match(failed.err, / {2}\| .*Bad HTTP status received from algorithm: 400/);
    recording.pause(); // the policies do not permit other buckets
    await refuse(/nothing in S3 at/, directory, 'deploy.sh', [], { BATCH_INPUT: 's3://no-such-bucket/x' });
    recording.start();
    await refuse(/no file or folder/, directory, 'deploy.sh', [], { BATCH_INPUT: 'no-such-file.csv' });
    const wrong = { BATCH_STRATEGY: 'Some' };
    await refuse(/BATCH_STRATEGY must be one of MultiRecord, SingleRecord/, directory, 'deploy.sh', [], wrong);

    await succeed(directory, 'deploy.py', ['deploy'], { CONTAINER_ENV: '{"A": "b"}' });
    await succeed(directory, 'deploy.py', ['invoke', sample(directory, 'csv')]);
    const stopped = await interrupt(/: InProgress/, directory, 'deploy.sh');
    assert.equal(stopped.code, 130, stopped.err);
    assert.match(stopped.err, /Stopping .*: .*delete\.sh'? removes the model later/);
    breakModel(directory);
    await succeed(directory, 'upload_model.sh');
    await refuse(/ {2}\| /, directory, 'deploy.sh');
    assert.equal(await succeed(directory, 'delete.sh'), '2');
    assert.equal(await succeed(directory, 'delete.sh'), '0');
    await succeed(directory, 'delete.sh', ['--all']);
    await recording.check(directory);
  });
});
