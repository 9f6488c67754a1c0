import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { must, project, run, scratch, unique } from '../support/rig.js';
import { leftOf, refuse, role, script, succeed } from '../support/scripts.js';
import { tool } from '../support/tools.js';

const scripts = ['build_and_push.sh', 'upload_model.sh', 'deploy.sh', 'invoke.sh', 'delete.sh'];
const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';

describe('the deploy scripts', function () {
  this.timeout(300_000);
  const folder = scratch();
  const name = unique('refusals');
  let directory: string;

  before(async () => {
    directory = await project(folder, { projectName: name });
  });
  after(async () => {
    await script(directory, 'delete.sh', ['--all']);
    await run('docker', ['image', 'rm', '--force', name]);
  });

  for (const each of scripts)
    it(`${each} prints its help without Docker or AWS, and refuses unknown arguments`, async () => {
      const { code, out } = await script(directory, each, ['--help'], { AWS_ENDPOINT_URL: 'http://127.0.0.1:1' });
      assert.equal(code, 0);
      assert.match(out, new RegExp(`^Usage: deploy/${each}`));
      const refused = await refuse(new RegExp(`${each}'? --help`), directory, each, ['--unknown', 'b', 'c']);
      assert.equal(refused.code, 2);
    });

  it('report missing credentials before anything is built', async () => {
    const env = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined, AWS_EC2_METADATA_DISABLED: 'true' };
    const { err } = await refuse(/credentials.*\n.*aws configure/, directory, 'build_and_push.sh', [], env);
    assert.ok(!err.includes('Building'));
  });

  it('refuse to build if Docker is not running or cannot build for the architecture', async () => {
    await refuse(/Docker is not responding/, directory, 'build_and_push.sh', [], { DOCKER_HOST: 'tcp://127.0.0.1:1' });
    await refuse(/builds only for .*\n.*emulation/, directory, 'build_and_push.sh', [], { PLATFORM: 'linux/vax' });
  });

  it('push nothing and leave no repository behind when the build fails', async () => {
    await refuse(/could not be built/, directory, 'build_and_push.sh', [], { BASE_IMAGE: 'no-such-image:at-all' });
    await refuse(
      /No image for linux\/amd64.*\n.*INSTANCE_TYPE=ml\.m5\.large .*build_and_push/,
      directory,
      'deploy.sh',
      [role],
    );
    assert.equal(await succeed(directory, 'delete.sh', ['--all']), '0');
  });

  it('refuse to bake a missing model into the image', async () => {
    const whole = await project(folder, {
      projectName: `${name}-w`,
      modelDelivery: 'image',
      includeSampleModel: false,
    });
    const { err } = await refuse(/There is no model in/, whole, 'build_and_push.sh');
    assert.ok(!err.includes('Building'));
  });

  it('accept roles of every partition, with paths, and nothing else', async () => {
    await refuse(/no role/, directory, 'deploy.sh');
    for (const bad of [
      'x',
      'arn:aws:iam::12:role/x',
      'arn:aws:iam::123456789012:user/x',
      `${role}/`,
      `${role} x`,
      role.replace('service-', 'a!b/'),
    ])
      await refuse(/not the ARN of a role that SageMaker accepts/, directory, 'deploy.sh', [bad]);
    for (const good of [role, role.replace('arn:aws:', 'arn:aws-cn:'), role.replace('arn:aws:', 'arn:aws-us-gov:')])
      await refuse(/No image/, directory, 'deploy.sh', [good]);
  });

  it('refuse an image that is missing, in another region, or for another architecture', async () => {
    const image = await succeed(directory, 'build_and_push.sh', [], { DOCKER_BUILD_OPTS: '--quiet --label a=b' });
    assert.equal(await must('docker', ['image', 'inspect', '--format', '{{.Config.Labels.a}}', name]), 'b');
    const deploy = (reason: RegExp, env: NodeJS.ProcessEnv) => refuse(reason, directory, 'deploy.sh', [role], env);
    await deploy(/no such image/, { IMAGE_URI: `${registry}/${name}:nothing` });
    await deploy(/is in eu-west-1/, { IMAGE_URI: image.replace('us-east-1', 'eu-west-1') });
    await deploy(/No image for linux\/arm64/, { INSTANCE_TYPE: 'ml.m6g.large' });
    await deploy(/An image for linux\/arm64 is needed/, { INSTANCE_TYPE: 'ml.m6g.large', IMAGE_URI: image });
    await deploy(/There is no model at/, { MODEL_DATA: 's3://no-such-bucket/model.tar.gz' });
    await deploy(/must be s3:/, { MODEL_DATA: '/a/model.tar.gz' });
  });

  it('leave nothing behind when SageMaker does not have the instance type', async () => {
    writeFileSync(path.join(directory, 'model/model.joblib'), 'anything');
    await succeed(directory, 'upload_model.sh');
    const env = { INSTANCE_TYPE: 'ml.m5.gigantic' };
    await refuse(
      /ml\.m5\.gigantic.*\nSet INSTANCE_TYPE to a type that SageMaker has/,
      directory,
      'deploy.sh',
      [role],
      env,
    );
    assert.deepEqual(await leftOf(name), []);
  });

  it('derive the architecture of an instance type from its family', async () => {
    const families = {
      m5: 'amd64',
      c7gd: 'arm64',
      g5: 'amd64',
      g5g: 'arm64',
      g4dn: 'amd64',
      im4gn: 'arm64',
      g6e: 'amd64',
    };
    const code = `
import sys
from deployer.requests.instances import platform_of
for family in sys.argv[1:]:
    print(platform_of({"instance_type": f"ml.{family}.2xlarge"}))`;
    const env = { PYTHONPATH: path.join(directory, 'deploy') };
    const found = await must(tool('python'), ['-c', code, ...Object.keys(families)], { env });
    assert.deepEqual(
      found.split('\n'),
      Object.values(families).map((architecture) => `linux/${architecture}`),
    );
  });
});

describe('the settings of a project', function () {
  this.timeout(60_000);
  const folder = scratch();
  let directory: string;
  let file: string;
  let unchanged: string;

  before(async () => {
    directory = await project(folder, { projectName: unique('settings') });
    file = path.join(directory, 'deploy/settings.env');
    unchanged = readFileSync(file, 'utf8');
  });
  afterEach(() => writeFileSync(file, unchanged));

  it('are all checked first, and the error lists every invalid one', async () => {
    const env = { INSTANCE_TYPE: 'm5.large', INSTANCE_COUNT: '0', MIN_INSTANCE_COUNT: 'x', TAGS: 'team=fraud' };
    const { code, err } = await refuse(/^ERROR: /, directory, 'deploy.sh', [], env);
    assert.equal(code, 1);
    for (const line of [
      "INSTANCE_TYPE must be ml.FAMILY.SIZE, not 'm5.large'.",
      "INSTANCE_COUNT must be a whole number from 1 to 100, not '0'.",
      "MIN_INSTANCE_COUNT must be a whole number from 1 to 1000, not 'x'.",
      `TAGS must be a JSON object of strings, such as {"team": "fraud"}, not 'team=fraud'.`,
    ])
      assert.ok(err.replace('ERROR: ', '').split('\n').includes(line), `${line}\n${err}`);
  });

  it('are refused if they contradict each other', async () => {
    const env = { INSTANCE_COUNT: '3', MAX_INSTANCE_COUNT: '2', MIN_INSTANCE_COUNT: '1' };
    await refuse(
      /INSTANCE_COUNT must be between MIN_INSTANCE_COUNT \(1\) and MAX_INSTANCE_COUNT \(2\)/,
      directory,
      'deploy.sh',
      [],
      env,
    );
  });

  it('are refused with the line number if one is unknown, repeated or invalid', async () => {
    appendFileSync(file, 'INSTANCE_TYP=ml.m5.large\nQUITE_ANOTHER=1\nAWS_REGION=eu-west-1\nhello\n');
    const { err } = await refuse(/^ERROR: /, directory, 'delete.sh');
    const lines = unchanged.trimEnd().split('\n').length;
    for (const [at, reason] of [
      [1, 'there is no setting INSTANCE_TYP. Did you mean INSTANCE_TYPE?'],
      [2, 'there is no setting QUITE_ANOTHER.'],
      [3, 'AWS_REGION is set twice.'],
      [4, "expected NAME=value, found 'hello'."],
    ] as const)
      assert.ok(err.includes(`deploy/settings.env, line ${lines + at}: ${reason}\n`), err);
  });

  it('can be quoted, exported and commented; the environment overrides them', async () => {
    writeFileSync(
      file,
      `${unchanged.replace(/^(ENDPOINT_NAME|BASE_IMAGE|ROLE_NAME)=.*\n/gm, '')}
export ENDPOINT_NAME = "from-file" # a comment
BASE_IMAGE='a b#c'
ROLE_NAME=one
`,
    );
    const code = `
from deployer import settings
from deployer.project import Settings
known = settings.read(Settings)
print([known.endpoint_name, known.base_image, known.role_name])`;
    const env = { PYTHONPATH: path.join(directory, 'deploy'), ROLE_NAME: 'other', BASE_IMAGE: undefined };
    assert.equal(await must(tool('python'), ['-c', code], { env }), "['from-file', 'a b#c', 'other']");
  });

  it('of an older project are refused, and the error says where to put them', async () => {
    const old = path.join(directory, 'deploy/settings.sh');
    writeFileSync(old, 'AWS_REGION=eu-west-1\n');
    for (const each of scripts.filter((name) => name !== 'invoke.sh'))
      await refuse(
        /settings\.sh is from an older version .*\n.*to deploy\/settings\.env, then delete deploy\/settings\.sh/,
        directory,
        each,
      );
    rmSync(old);
  });
});
