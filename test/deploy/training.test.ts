// train/: from data to a running endpoint in four commands, and the errors of failed jobs. test/docker/combinations.test.ts
// runs the training images of all frameworks.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { clearAway, describeEndpoint, predict } from '../support/lives.js';
import { must, project, run, scratch, unique } from '../support/rig.js';
import { aws, refuse, role, script, succeed } from '../support/scripts.js';
import { tool } from '../support/tools.js';
import { assertNear, csvOf, writeData } from '../support/training.js';

const fitPy = '../train/fit.py';
const answers = { includeTraining: true, awsRoleArn: role };

/** A project with training, the sample's data as csv and a sample request. */
async function begin(folder: string, name: string, more: Record<string, unknown> = {}) {
  const directory = await project(folder, { projectName: name, ...answers, ...more });
  const prices = await writeData(directory);
  return { directory, prices, csv: (channel: 'train' | 'validation') => csvOf(directory, channel) };
}

const describeJob = (uri: string) =>
  aws('sagemaker', 'describe-training-job', '--training-job-name', uri.split('/').at(-3) ?? '');

describe('training', function () {
  this.timeout(900_000);
  const folder = scratch(); // its name has a space

  it('takes four commands from data to a running endpoint', async () => {
    const name = unique('train');
    const { directory, prices, csv } = await begin(folder, name, { framework: 'xgboost' });
    try {
      await succeed(directory, '../train/build_and_push.sh');
      const fit = [csv('train'), '--validation', csv('validation')];
      const { result, err, code } = await script(directory, fitPy, fit);
      assert.equal(code, 0, err);
      assert.match(result, new RegExp(`^s3://.*/${name}/training/${name}-\\d{14}-[0-9a-f]{4}/output/model.tar.gz$`));
      assert.match(err, / {2}\| train:rmse=.* validation:rmse=/);
      assert.match(err, /^Next: .*build_and_push\.sh'? && .*deploy\.sh'?$/m);
      await succeed(directory, 'build_and_push.sh');
      assert.equal(await succeed(directory, 'deploy.sh'), name);
      assertNear(await predict(directory), prices);
      const { EndpointConfigName: model } = await describeEndpoint(name);
      const { PrimaryContainer } = await aws('sagemaker', 'describe-model', '--model-name', model);
      assert.equal(PrimaryContainer.ModelDataUrl, result);
    } finally {
      await clearAway(directory, name);
    }
  });

  describe('with a job that fails or is stopped', () => {
    const name = unique('train-fails');
    const fit = { directory: '', csv: (_: string) => '' };
    const write = (content: string) => {
      const file = path.join(folder, 'bad.csv');
      writeFileSync(file, content);
      return file;
    };
    const refused = (reason: RegExp, args: string[], env: NodeJS.ProcessEnv = {}) =>
      refuse(reason, fit.directory, fitPy, args, env);

    before(async () => {
      Object.assign(fit, await begin(folder, name, { framework: 'xgboost' }));
      const first = /No training image has been pushed.*\nRun .*train\/build_and_push\.sh'? first\./;
      await refuse(first, fit.directory, fitPy, ['x.csv']);
      await succeed(fit.directory, '../train/build_and_push.sh');
    });
    after(() => clearAway(fit.directory, name));

    it('reports invalid arguments before it starts', async () => {
      await refused(/There is no training data/, []);
      await refused(/nowhere\.csv is neither a file nor a folder/, ['nowhere.csv']);
      await refused(/There is nothing in S3/, ['s3://sagemaker-us-east-1-123456789012/nowhere/']);
      await refused(/'depth' is not NAME=VALUE/, ['x.csv', '--hyperparameter', 'depth']);
      await refused(/be one that it supports\n.*TRAIN_INSTANCE_TYPE/, [fit.csv('train')], {
        TRAIN_INSTANCE_TYPE: 'ml.x.y',
      });
      await refused(/TRAIN_VOLUME_GB must be/, [fit.csv('train')], { TRAIN_VOLUME_GB: 'x' });
    });

    it('reports the line of invalid data and the name of an invalid hyperparameter', async () => {
      const failed = (reason: string) =>
        new RegExp(`\\| ERROR: ${reason}[^]*ERROR: .* failed: AlgorithmError: ${reason}`);
      await refused(failed('There are no records in channel train'), [write('price,rooms\n')]);
      await refused(failed("train/bad.csv, line 3: column 2 is 'four', not a number"), [
        write('price,rooms\n1,2\n3,four\n'),
      ]);
      const args = [fit.csv('train'), '--hyperparameter', 'max_dept=3'];
      await refused(failed('Unknown hyperparameter max_dept. Did you mean max_depth\\?'), args);
    });

    it('reports that the model cannot be written', async () => {
      const root = path.join(folder, 'ml');
      for (const each of ['model', 'output']) mkdirSync(path.join(root, each), { recursive: true });
      chmodSync(path.join(root, 'output'), 0o777);
      const mounts = ['model:/opt/ml/model:ro', 'output:/opt/ml/output'].map((each) => `--volume=${root}/${each}`);
      const { code, out } = await run('docker', ['run', '--rm', '--user=1000', ...mounts, `${name}-train`, 'train']);
      assert.equal(code, 1, out);
      const reason = readFileSync(path.join(root, 'output/failure'), 'utf8');
      assert.equal(reason, 'The model cannot be written to /opt/ml/model: Read-only file system.');
    });

    it('keeps running after a signal, and says how to stop it', async () => {
      const env = { ...process.env, POLL_SECONDS: '0.2' };
      const program = path.join(fit.directory, 'train/fit.py');
      const args = [program, fit.csv('train'), '--hyperparameter', 'num_round=100'];
      for (const [signal, status] of [
        ['SIGINT', 130],
        ['SIGTERM', 143],
      ] as const) {
        const child = spawn(tool('python'), args, { env, cwd: tmpdir(), stdio: ['ignore', 'ignore', 'pipe'] });
        let output = '';
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          output += text;
          if (/ing \(\d+ s\)/.test(output) && !child.killed) child.kill(signal);
        });
        assert.equal(await new Promise((resolve) => child.on('close', resolve)), status, output);
        assert.match(
          output,
          /is still running and billed\. To stop it: aws sagemaker stop-training-job --region us-east-1/,
        );
      }
    });

    it('uses the model that a job has when its time is up', async () => {
      const args = [fit.csv('train'), '--hyperparameter', 'num_round=100000'];
      const env = { TRAIN_SECONDS: '8', TRAIN_SPOT: 'true' };
      const { result, err } = await script(fit.directory, fitPy, args, env);
      assert.match(err, /was stopped .* and saved its current model/);
      const job = await describeJob(result);
      assert.deepEqual([job.TrainingJobStatus, job.EnableManagedSpotTraining], ['Stopped', true]);
      assert.match(job.CheckpointConfig.S3Uri, new RegExp(`/${name}/checkpoints/${name}-`));
      await must('aws', ['s3', 'cp', result, path.join(folder, 'model.tar.gz')]);
      assert.equal(await must('tar', ['-tf', path.join(folder, 'model.tar.gz')]), 'metadata.json\nmodel.json');
    });
  });
});
