// A multi-model endpoint: models are added and invoked while it runs.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { installCdk, only, permissionsOf, readTemplate, synthesize } from '../support/cdk.js';
import { clearAway, describeEndpoint, put42, sample, trained } from '../support/lives.js';
import { must, project, scratch, unique } from '../support/rig.js';
import { recordCalls } from '../support/rights.js';
import { aws, leftOf, refuse, script, succeed } from '../support/scripts.js';
import { outcome, tool } from '../support/tools.js';

describe('a multi-model endpoint', function () {
  this.timeout(300_000);
  const folder = scratch(); // its name has a space
  const name = unique('many');
  const bucket = `${name}-bucket`;
  let recording: Awaited<ReturnType<typeof recordCalls>>;
  const prefix = `s3://${bucket}/${name}/models/`;
  let directory: string;
  let expected: number[];
  const file = () => sample(directory);
  const upload = (model: string) => succeed(directory, 'upload_model.sh', [model]);
  const predictions = (response: string): number[] => JSON.parse(response).predictions;
  const predict = async (model: string) =>
    predictions(await succeed(directory, 'invoke.sh', ['--target-model', model, file()]));
  const py = (...args: string[]) => succeed(directory, 'deploy.py', args);
  const pyPredict = async (model: string) => predictions(await py('invoke', '--target-model', model, file()));
  const objects = async () =>
    (await aws('s3api', 'list-objects-v2', '--bucket', bucket, '--prefix', `${name}/`))?.Contents ?? [];
  /** Moves the model in model/ to the folder of a model. */
  const move = (model: string) => {
    mkdirSync(path.join(directory, 'model', model), { recursive: true });
    renameSync(path.join(directory, 'model/model.json'), path.join(directory, 'model', model, 'model.json'));
  };

  before(async () => {
    const deployTool = ['cli', 'boto3'];
    directory = await trained(folder, name, 'realtime', { multiModel: true, deployTool });
    recording = await recordCalls(name);
    recording.start();
  });
  after(async () => {
    await clearAway(directory, name);
    await recording.close();
  });

  it('is created without a model, and says how to add one', async () => {
    await succeed(directory, 'iam/create_role.sh');
    await succeed(directory, 'iam/create_role.sh');
    await succeed(directory, 'build_and_push.sh');
    const { result, err } = await script(directory, 'deploy.sh');
    assert.equal(result, name, err);
    assert.match(
      err,
      /^Next: .*upload_model\.sh' model-a && .*invoke\.sh' --target-model model-a .*sample_request\.json',/m,
    );
    const { EndpointConfigName } = await describeEndpoint(name);
    const { PrimaryContainer } = await aws('sagemaker', 'describe-model', '--model-name', EndpointConfigName);
    assert.deepEqual([PrimaryContainer.Mode, PrimaryContainer.ModelDataUrl], ['MultiModel', prefix]);
    await refuse(
      /No model is named\. There are none in .* yet\.\n.*upload_model\.sh' model-a/,
      directory,
      'invoke.sh',
      [file()],
    );
  });

  it('serves a model as soon as it is uploaded', async () => {
    const { result, err } = await script(directory, 'upload_model.sh', ['first']);
    assert.equal(result, `${prefix}first.tar.gz`, err);
    assert.match(err, /^Next: .*invoke\.sh' --target-model first .*sample_request\.json'$/m);
    expected = await predict('first');
    assert.equal(expected.length, JSON.parse(readFileSync(file(), 'utf8')).instances.length);
    const csv = sample(directory, 'csv');
    assert.deepEqual(
      predictions(await succeed(directory, 'invoke.sh', ['--target-model=first.tar.gz', csv])),
      expected,
    );
  });

  it('accepts a second model while it runs, and each returns its own predictions', async () => {
    const before = await describeEndpoint(name);
    move('first');
    put42(directory);
    move('second');
    assert.equal(await upload('second'), `${prefix}second.tar.gz`);
    assert.deepEqual([...new Set(await predict('second'))], [42]);
    assert.deepEqual(await predict('first'), expected);
    const { err } = await script(directory, 'deploy.sh');
    assert.match(err, /is already up to date\.\nNext: .*invoke\.sh' --target-model second /);
    assert.deepEqual(await describeEndpoint(name), before);
  });

  it('uploads the same files only once, and refuses other files under the same name', async () => {
    const before = await objects();
    assert.equal(before.length, 2);
    assert.equal(await upload('first.tar.gz'), `${prefix}first.tar.gz`);
    put42(directory, 1);
    move('first');
    await refuse(/already another model first: .*\n.*mv .*upload_model\.sh' first-2/, directory, 'upload_model.sh', [
      'first',
    ]);
    assert.deepEqual(await objects(), before);
    assert.deepEqual(await predict('first'), expected);
  });

  it('refuses invalid names and missing folders', async () => {
    for (const [args, reason] of [
      [[], /arguments are required: NAME\nTry: .*upload_model\.sh'? --help\n$/],
      [['-x'], /arguments are required: NAME\n/],
      [['first', 'second'], /unrecognized arguments: second\n/],
    ] as const)
      assert.equal((await refuse(reason, directory, 'upload_model.sh', args)).code, 2);
    for (const bad of ['', '..', '../first', 'a b', 'a/b', '.tar.gz'])
      await refuse(/Not a valid model name/, directory, 'upload_model.sh', [bad]);
    await refuse(/name is too long/, directory, 'upload_model.sh', ['first'], {
      MODEL_DATA: `s3://b/${'x'.repeat(1020)}`,
    });
    await refuse(/no folder .*third; found: first second\n/, directory, 'upload_model.sh', ['third']);
  });

  it('lists its models if the request names none, or an unknown one', async () => {
    const known = new RegExp(`Models in ${prefix}: first second\nName one: .* --target-model NAME FILE`);
    const unknown = ['--target-model', 'third', file()];
    for (const [args, reason] of [
      [[file()], /No model is named\./],
      [unknown, /There is no model third\./],
    ] as const) {
      assert.match((await refuse(reason, directory, 'invoke.sh', args)).err, known);
      assert.match((await refuse(reason, directory, 'deploy.py', ['invoke', ...args])).err, known);
    }
    for (const [args, reason] of [
      [['--target-model', 'first'], /arguments are required: FILE\n/],
      [['--model', 'first', file()], /unrecognized arguments: --model\n/],
      [['--target', 'first', file()], /unrecognized arguments: --target\n/],
    ] as const)
      assert.equal((await refuse(reason, directory, 'invoke.sh', args)).code, 2);
    const bad = ['--target-model', 'first', sample(directory, 'csv'), 'application/json'];
    await refuse(/ModelError.*\{"error":/s, directory, 'invoke.sh', bad);
  });

  it('can be managed with deploy.py', async () => {
    assert.match((await script(directory, 'deploy.py', ['deploy'])).err, /is already up to date/);
    assert.equal(await succeed(directory, 'delete.sh'), '3');
    const scaled = { MAX_INSTANCE_COUNT: '2' };
    const { result, err } = await script(directory, 'deploy.py', ['deploy'], scaled);
    assert.equal(result, name, err);
    const wrong = { ...scaled, CONTAINER_ENV: '{"SM_BATCH_ROWS": "x"}' };
    await refuse(/ {2}\| /, directory, 'deploy.sh', [], wrong); // with the log
    assert.match(err, /^Next: python3 .*deploy\.py' invoke --target-model \w+ .*sample_request\.json/m);
    assert.deepEqual(await pyPredict('first'), expected);
    assert.deepEqual([...new Set(await pyPredict('second.tar.gz'))], [42]);
    await upload('second');
    assert.equal(await py('delete'), '4'); // endpoint 3, policy 1
    assert.deepEqual(await leftOf(name), []);
  });

  it('can use models in another bucket, and refuses a single model as MODEL_DATA', async () => {
    recording.pause(); // the policies do not permit other buckets
    const other = unique('models');
    await must('aws', ['s3', 'mb', `s3://${other}`]);
    const env = { MODEL_DATA: `s3://${other}/team` };
    assert.equal(await succeed(directory, 'upload_model.sh', ['second'], env), `s3://${other}/team/second.tar.gz`);
    const program = `from deployer import project, settings
from deployer.requests.model_many import models_folder
print(models_folder(settings.read(project.Settings)), end="")`;
    const options = { cwd: path.join(directory, 'deploy'), env: { ...process.env, ...env } };
    assert.equal(outcome(tool('python'), ['-B', '-c', program], options).output, `s3://${other}/team/`);
    await must('aws', ['s3', 'rb', '--force', `s3://${other}`]);
    for (const program of ['deploy.sh', 'deploy.py']) {
      const args = program === 'deploy.py' ? ['deploy'] : [];
      const deploy = (reason: RegExp, MODEL_DATA: string) => refuse(reason, directory, program, args, { MODEL_DATA });
      await deploy(/the folder of all models, .* not a single model: s3:\/\/b\/a\.tar\.gz/, 's3://b/a.tar.gz');
      await deploy(/MODEL_DATA must be s3:/, '/a/b/');
    }
    recording.start();
  });

  it('can be created by the CDK, with a role that can read only its models', async () => {
    installCdk();
    const [out, IMAGE_URI] = [path.join(folder, 'out'), 'public.ecr.aws/x/y:1'];
    const answers = { projectName: name, multiModel: true, deployTool: ['cdk'] };
    const { code, err } = await synthesize(await project(out, answers), out, { S3_BUCKET: bucket, IMAGE_URI });
    assert.equal(code, 0, err);
    const template = readTemplate(path.join(out, `${name}.template.json`));
    const { Mode, ModelDataUrl } = only(template, 'Model')?.Properties.PrimaryContainer ?? {};
    assert.deepEqual([Mode, ModelDataUrl], ['MultiModel', prefix]);
    const own = `arn:aws:s3:::${bucket}`;
    const rights = new Map(
      permissionsOf(template).map((right) => [`${right.action} ${right.resource}`, right.condition]),
    );
    const reads = [...rights].filter(([right]) => right.startsWith('s3:'));
    const below = { StringLike: { 's3:prefix': `${name}/models/*` } };
    assert.deepEqual(reads, [
      [`s3:GetObject ${own}/${name}/models/*`, undefined],
      [`s3:ListBucket ${own}`, below],
    ]);
    assert.match(JSON.stringify(template), /upload_model\.sh model-a && .*invoke\.sh --target-model model-a /);
  });

  it('is removed by delete.sh --all, with its models', async () => {
    assert.equal((await objects()).length, 2);
    assert.equal(await succeed(directory, 'delete.sh', ['--all']), '4'); // repository 1, models 2, role 1
    assert.deepEqual([await objects(), await leftOf(name)], [[], []]);
    assert.equal(await succeed(directory, 'delete.sh', ['--all']), '0');
  });

  it('needs exactly the permissions in deploy/iam', async () => {
    await recording.check(directory);
  });
});
