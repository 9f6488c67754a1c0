// deploy.py, which deploys with boto3, for each target; one image and one model serve all of them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { breakModel, clearAway, describeEndpoint, put42, sample, scrapeOf, trained } from '../support/lives.js';
import { must, scratch, unique, until } from '../support/rig.js';
import { arm, aws, leftOf, refuse, role, script, succeed } from '../support/scripts.js';
import { tool } from '../support/tools.js';

const PATH = `${path.dirname(tool('python'))}:${process.env.PATH}`; // deploy.py runs under the python3 found first
const bucket = 's3://sagemaker-us-east-1-123456789012';

describe('deploying with boto3', function () {
  this.timeout(300_000);
  const folder = scratch(); // its name has a space
  const stem = unique('boto3');
  const shared: NodeJS.ProcessEnv = { PATH };
  let [json, csv] = ['', ''];
  let expected: number[];

  /** What a target's project is asked by the tests. */
  const life = (target: string, answers: Record<string, unknown> = {}) => {
    const name = `${stem}-${target}`;
    const directory = path.join(folder, name);
    const py = (args: string[], env: NodeJS.ProcessEnv = {}) =>
      succeed(directory, 'deploy.py', args, { ...shared, ...env });
    return {
      name,
      directory,
      py,
      begin: () => trained(folder, name, target, { deployTool: ['boto3'], awsRoleArn: role, ...answers }),
      refused: async (reason: RegExp, args: string[], env: NodeJS.ProcessEnv = {}) => {
        const ended = await refuse(reason, directory, 'deploy.py', args, { ...shared, ...env });
        assert.doesNotMatch(ended.err, /^Traceback/m);
        return ended;
      },
      predict: async (): Promise<number[]> => JSON.parse(await py(['invoke', json])).predictions,
      left: () => leftOf(name),
    };
  };
  const realtime = life('realtime', { deployTool: ['boto3', 'cli'] });
  const serverless = life('serverless');
  const queue = life('async');
  const batch = life('batch');
  const all = [serverless, queue, batch, realtime];
  const upload = () => succeed(realtime.directory, 'upload_model.sh');

  before(async () => {
    for (const { begin } of all) await begin();
    [json, csv] = [sample(realtime.directory), sample(realtime.directory, 'csv')];
    shared.IMAGE_URI = await succeed(realtime.directory, 'build_and_push.sh');
    shared.MODEL_DATA = await upload();
  });
  after(async () => {
    await arm({ throttle: {}, fail_endpoints: [] });
    for (const { directory, name } of all) await clearAway(directory, name);
  });

  it('is Python in which mypy finds nothing', async () => {
    const args = ['--strict', '--ignore-missing-imports', '--cache-dir', path.join(folder, 'mypy'), 'deploy.py'];
    for (const { directory } of all) await must(tool('mypy'), args, { cwd: path.join(directory, 'deploy') });
  });

  describe('to a real-time endpoint', () => {
    const { name, directory, py, refused, predict, left } = realtime;

    it('refuses in a sentence what cannot work', async () => {
      for (const bad of ['x', role.replace('service-', 'a!b/')])
        await refused(/not the ARN of a role that SageMaker takes/, ['deploy', bad]);
      await refused(/no such image/, ['deploy'], { IMAGE_URI: `${shared.IMAGE_URI?.split('@')[0]}:none` });
      await refused(/needed, but this one is tagged amd64/, ['deploy'], { INSTANCE_TYPE: 'ml.m6g.large' });
      await refused(/no such model/, ['deploy'], { MODEL_DATA: `${bucket}/none/model.tar.gz` });
      await refused(/MIN_INSTANCE_COUNT has to be/, ['deploy'], { MIN_INSTANCE_COUNT: 'x' });
      await refused(/Is it deployed/, ['invoke', json]);
      await refused(/says no content type/, ['invoke', path.join(directory, 'Dockerfile')]);
      await refused(/invalid choice/, ['deplyo']);
    });

    it('says that credentials or boto3 are missing', async () => {
      const keys = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };
      await refused(/credentials.*\n.*aws configure/, ['delete'], { ...keys, AWS_EC2_METADATA_DISABLED: 'true' });
      writeFileSync(path.join(folder, 'boto3.py'), 'raise ImportError');
      await refused(/pip install boto3/, ['delete'], { PYTHONPATH: folder });
    });

    it('leaves nothing of the first deployment whichever call fails', async () => {
      for (const call of ['CreateModel', 'CreateEndpointConfig', 'CreateEndpoint', 'PutScalingPolicy']) {
        await arm({ throttle: { [call]: 1 } });
        await refused(/Rate exceeded/, ['deploy'], { AWS_MAX_ATTEMPTS: '1', MAX_INSTANCE_COUNT: '2' });
      }
      assert.deepEqual(await left(), []);
      const resource = `endpoint/${name}/variant/AllTraffic`;
      const args = ['describe-scalable-targets', '--service-namespace', 'sagemaker', '--resource-ids', resource];
      assert.deepEqual((await aws('application-autoscaling', ...args)).ScalableTargets, []);
    });

    it('leaves nothing when SageMaker has no such type, or no capacity', async () => {
      await refused(/be one that it knows\n.*INSTANCE_TYPE/, ['deploy'], { INSTANCE_TYPE: 'ml.m5.giant' });
      await arm({ fail_endpoints: ['Unable to provision: no capacity.'] });
      await refused(/was not deployed: Unable to provision: no capacity/, ['deploy']);
      assert.deepEqual(await left(), []);
    });

    it('goes on after a Ctrl-C', async () => {
      const env = { ...process.env, ...shared, POLL_SECONDS: '0.2' };
      const deploy = path.join(directory, 'deploy/deploy.py');
      const child = spawn(deploy, ['deploy'], { env, cwd: tmpdir(), stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        if (text.includes(': Creating (')) child.kill('SIGINT');
        said += text;
      });
      assert.equal(await new Promise((resolve) => child.on('close', resolve)), 130, said);
      assert.match(said, /is still Creating: .*deploy\.py'? deploy goes on/);
      assert.equal(await py(['deploy']), name);
      assert.equal((await left()).length, 3);
    });

    it('answers json and csv, and shows what the container says of a bad request', async () => {
      expected = await predict();
      assert.equal(expected.length, JSON.parse(readFileSync(json, 'utf8')).instances.length);
      assert.deepEqual(JSON.parse(await py(['invoke', csv])).predictions, expected);
      await refused(/ModelError.*\{"error":/s, ['invoke', csv, 'application/json']);
    });

    it('is the deployment of the scripts: neither does what the other has done', async () => {
      const before = await describeEndpoint(name);
      const { err } = await script(directory, 'deploy.sh', [], shared);
      assert.match(err, /runs exactly this already/);
      assert.equal(await py(['deploy', role]), name);
      assert.deepEqual(await describeEndpoint(name), before);
    });

    it('updates in place to a new model, outliving a few throttled calls, and removes what was before', async () => {
      const before = await describeEndpoint(name);
      put42(directory);
      await upload();
      await arm({ throttle: { CreateModel: 1, UpdateEndpoint: 2, DescribeEndpoint: 1 } });
      assert.equal(await py(['deploy'], { MODEL_DATA: '', METRICS: 'true' }), name);
      assert.deepEqual([...new Set(await predict())], [42]);
      const { samples, errors } = await until('a look at the metrics', 30, () => scrapeOf(name));
      assert.deepEqual(errors, []);
      assert.ok(samples.some((sample) => sample.name === 'serving_requests_total'));
      const now = await describeEndpoint(name);
      assert.equal(now.CreationTime, before.CreationTime);
      assert.deepEqual(await left(), [now.EndpointConfigName, now.EndpointConfigName, name]);
    });

    it('goes on as it was when the update fails, and shows the log of a container that does not start', async () => {
      const before = await describeEndpoint(name);
      breakModel(directory);
      await upload();
      const { err } = await refused(/did not pass the ping health check/, ['deploy'], { MODEL_DATA: '' });
      assert.match(err, / {2}\| .*model/);
      assert.match(err, /What ran before runs on/);
      for (const call of ['CreateEndpointConfig', 'UpdateEndpoint', 'RegisterScalableTarget']) {
        await arm({ throttle: { [call]: 1 } });
        await refused(/Rate exceeded/, ['deploy'], { AWS_MAX_ATTEMPTS: '1', MAX_INSTANCE_COUNT: '2' });
      }
      assert.equal((await describeEndpoint(name)).EndpointConfigName, before.EndpointConfigName);
      assert.equal((await left()).length, 3);
      assert.deepEqual([...new Set(await predict())], [42]);
    });

    it('does not touch what is of another project', async () => {
      const env = { PROJECT_NAME: 'another', ENDPOINT_NAME: name };
      await refused(/did not make/, ['deploy'], env);
      assert.equal(await py(['delete'], env), '0');
    });

    it('ends with delete, which counts what it removed', async () => {
      assert.equal(await py(['delete']), '3');
      assert.equal(await py(['delete']), '0');
      assert.deepEqual(await left(), []);
    });
  });

  describe('to a serverless endpoint', () => {
    const { name, directory, py, refused, predict, left } = serverless;

    it('deploys, answers and deletes', async () => {
      assert.equal(await py(['deploy']), name);
      assert.deepEqual(await predict(), expected);
      assert.equal(await py(['delete']), '3');
    });

    it('is asked and deleted by the scripts, too, where none of them deploys', async () => {
      const image = await succeed(directory, 'build_and_push.sh');
      await succeed(directory, 'upload_model.sh');
      assert.equal(await py(['deploy'], { IMAGE_URI: image, MODEL_DATA: '' }), name);
      assert.deepEqual(JSON.parse(await succeed(directory, 'invoke.sh', [json])).predictions, expected);
      assert.equal(await succeed(directory, 'delete.sh'), '3');
      await refuse(/Is it deployed/, directory, 'invoke.sh', [json]);
    });

    it('reads an archive that was packed elsewhere, and leaves nothing when that holds no model', async () => {
      const [archive, MODEL_DATA] = [path.join(folder, 'model.tar.gz'), `${bucket}/${name}/model.tar.gz`];
      const pack = async (file: string) => {
        await must('tar', ['-czf', archive, '-C', folder, file]);
        await must('aws', ['s3', 'cp', archive, MODEL_DATA]);
      };
      await must('ln', ['-s', 'boto3.py', path.join(folder, 'link')]);
      await pack('link');
      await refused(/would not unpack.*is a link/, ['deploy'], { MODEL_DATA });
      await pack('boto3.py');
      await refused(/ {2}\| .*model.*did not pass the ping health check/s, ['deploy'], { MODEL_DATA });
      assert.deepEqual(await left(), []);
      await must('aws', ['s3', 'rm', MODEL_DATA]);
    });
  });

  describe('to an asynchronous endpoint', () => {
    const { name, directory, py, refused, predict } = queue;

    it('waits for the answer, or for what went wrong; is removed with what scales it', async () => {
      assert.equal(await py(['deploy'], { MAX_INSTANCE_COUNT: '2' }), name);
      assert.deepEqual(await predict(), expected);
      await refused(/"error":.*not JSON.*\n.*CloudWatch/, ['invoke', csv, 'application/json']);
      const alarms = () => aws('cloudwatch', 'describe-alarms', '--alarm-names', `${name}-wake`);
      assert.equal((await alarms()).MetricAlarms.length, 1);
      assert.deepEqual(JSON.parse(await succeed(directory, 'invoke.sh', [json])).predictions, expected);
      assert.equal(await py(['delete']), '6'); // endpoint 3, policies 2, alarm 1
      assert.equal((await alarms()).MetricAlarms.length, 0);
      await refused(/Is it deployed/, ['invoke', json]);
      await refuse(/Is it deployed/, directory, 'invoke.sh', [json]);
      assert.equal(await succeed(directory, 'delete.sh'), '0');
    });
  });

  describe('as batch jobs', () => {
    const { directory, py, refused, left } = batch;
    const numbers = (lines: string) => lines.trim().split('\n').map(Number);

    it('predicts a file, and a folder; delete counts what it removed', async () => {
      for (const [program, ...args] of [
        ['deploy.py', 'invoke', csv],
        ['invoke.sh', csv],
      ] as const) {
        const { out, err } = await script(directory, program, args, shared);
        assert.deepEqual(numbers(out), expected, err);
      }
      const files = ['a.csv', 'b/b.csv'];
      mkdirSync(path.join(folder, 'input/b'), { recursive: true });
      for (const file of files) writeFileSync(path.join(folder, 'input', file), readFileSync(csv));
      const env = { BATCH_INPUT: path.join(folder, 'input'), BATCH_CONTENT_TYPE: 'text/csv' };
      const job = await aws('sagemaker', 'describe-transform-job', '--transform-job-name', await py(['deploy'], env));
      for (const file of files) {
        const predictions = await must('aws', ['s3', 'cp', `${job.TransformOutput.S3OutputPath}/${file}.out`, '-']);
        assert.deepEqual(numbers(predictions), expected);
      }
      assert.equal(await py(['delete']), '1');
      assert.equal(await succeed(directory, 'delete.sh'), '0');
    });

    it('refuses nothing to predict, and leaves nothing of a job that fails', async () => {
      await refused(/There is no file or folder/, ['deploy'], { BATCH_INPUT: 'nowhere.csv' });
      await refused(/nothing in S3/, ['deploy'], { BATCH_INPUT: `${bucket}/nowhere.csv` });
      for (const call of ['CreateModel', 'CreateTransformJob']) {
        await arm({ throttle: { [call]: 1 } });
        await refused(/Rate exceeded/, ['invoke', csv], { AWS_MAX_ATTEMPTS: '1' });
      }
      writeFileSync(path.join(folder, 'bad.csv'), 'a,b\n');
      const { err } = await refused(/failed: ClientError/, ['invoke', path.join(folder, 'bad.csv')]);
      assert.match(err, / {2}\| .*400/);
      assert.deepEqual(await left(), []);
    });
  });
});
