// What goes wrong on the way: calls that fail, several at once, a Ctrl-C, models and images that SageMaker would refuse.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { clearAway, client, describeEndpoint, predict, put42, sample, trained } from '../support/lives.js';
import { must, rig, run, scratch, unique, until } from '../support/rig.js';
import { arm, aws, leftOf, refuse, role, script, succeed } from '../support/scripts.js';

describe('a deployment that fails', function () {
  this.timeout(600_000);
  const folder = scratch();
  const name = unique('fails');
  let directory: string;
  const scaled = { MAX_INSTANCE_COUNT: '2' };
  const policies = async () => {
    const ours = ['--service-namespace', 'sagemaker', '--resource-id', `endpoint/${name}/variant/AllTraffic`];
    return (await aws('application-autoscaling', 'describe-scaling-policies', ...ours)).ScalingPolicies.length;
  };

  before(async () => {
    directory = await trained(folder, name, 'realtime', { awsRoleArn: role });
    await succeed(directory, 'build_and_push.sh');
    await succeed(directory, 'upload_model.sh');
  });
  after(async () => {
    await arm({ throttle: {}, fail_endpoints: [] });
    await clearAway(directory, name);
  });

  const fail = async (call: string, env = {}) => {
    await arm({ throttle: { [call]: 1 } });
    await refuse(/Rate exceeded/, directory, 'deploy.sh', [], { ...scaled, ...env, AWS_MAX_ATTEMPTS: '1' });
    await arm({ throttle: {} });
  };

  for (const call of [
    'CreateModel',
    'CreateEndpointConfig',
    'CreateEndpoint',
    'RegisterScalableTarget',
    'PutScalingPolicy',
  ])
    it(`leaves nothing of a new endpoint when ${call} fails`, async () => {
      await fail(call);
      assert.deepEqual(await leftOf(name), []);
      assert.equal(await policies(), 0);
    });

  it('says what to do where the AWS CLI is too old for METRICS, and leaves nothing', async () => {
    const bin = path.join(folder, 'old');
    mkdirSync(bin);
    const real = await must('bash', ['-c', 'command -v aws']);
    const words =
      'Unknown parameter in MetricsConfig: "EnableDetailedObservability", must be one of: EnableEnhancedMetrics';
    const old = `#!/usr/bin/env bash\n[ "$2" != create-endpoint-config ] || { echo '${words}' >&2; exit 252; }\nexec ${real} "$@"\n`;
    writeFileSync(path.join(bin, 'aws'), old, { mode: 0o755 });
    const env = { METRICS: 'true', PATH: `${bin}:${process.env.PATH}` };
    await refuse(/This AWS CLI is too old for METRICS\. Update it/, directory, 'deploy.sh', [], env);
    assert.deepEqual(await leftOf(name), []);
  });

  it('goes on where two deploy the same at once, or not the same, and leaves one', async () => {
    const both = async (...settings: NodeJS.ProcessEnv[]) => {
      const ended = await Promise.all(settings.map((env) => script(directory, 'deploy.sh', [], env)));
      const said = ended.map(({ err }) => err).join('\n---\n');
      assert.ok(
        ended.some(({ code }) => code === 0),
        said,
      );
      assert.equal((await leftOf(name)).length, 3, said);
      assert.equal((await predict(directory)).length, 2);
    };
    await both({}, {});
    await both({ STARTUP_SECONDS: '490' }, { STARTUP_SECONDS: '500' });
    assert.equal(await succeed(directory, 'deploy.sh', [], scaled), name);
    assert.equal((await leftOf(name)).length, 3);
    assert.equal(await policies(), 1);
  });

  it('loses no request of a client while it is updated, also to a model that answers otherwise than it did', async () => {
    const { stop } = client(name, directory);
    put42(directory);
    await succeed(directory, 'upload_model.sh');
    assert.equal(await succeed(directory, 'deploy.sh', [], scaled), name);
    assert.deepEqual(await predict(directory), [42, 42]);
    const expected = path.join(directory, 'model/expected.json');
    writeFileSync(expected, JSON.stringify({ inputs: [Array(8).fill(0)], predictions: [41] }));
    await succeed(directory, 'upload_model.sh');
    const said =
      /1 of 1 predictions differ from .*expected predictions 41, got 42\.0(?:.*\n)*.*did not pass the ping health check/;
    await refuse(said, directory, 'deploy.sh', [], scaled);
    assert.deepEqual(await predict(directory), [42, 42]);
    assert.ok((await stop()) > 5);
    unlinkSync(expected);
    await succeed(directory, 'upload_model.sh');
  });

  for (const call of ['CreateModel', 'CreateEndpointConfig', 'UpdateEndpoint', 'PutScalingPolicy'])
    it(`leaves what ran before when ${call} fails`, async () => {
      const before = await describeEndpoint(name);
      await fail(call, { CONTAINER_ENV: '{"SM_LOG_LEVEL": "DEBUG"}' });
      assert.equal((await describeEndpoint(name)).EndpointConfigName, before.EndpointConfigName);
      assert.deepEqual(await predict(directory), [42, 42]);
      assert.equal((await leftOf(name)).length, 3);
    });

  it('is gone on with, or deleted, after a Ctrl-C', async () => {
    await succeed(directory, 'delete.sh');
    put42(directory, 10);
    await succeed(directory, 'upload_model.sh');
    const { BASE_IMAGE } = rig('BASE_IMAGE');
    const env = { ...process.env, BASE_IMAGE, POLL_SECONDS: '0.2' };
    const child = spawn(path.join(directory, 'deploy/deploy.sh'), {
      detached: true,
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (text) => {
      said += text;
    });
    await until('Creating', 60, async () => said.includes('Creating') || undefined).catch(() => assert.fail(said));
    process.kill(-(child.pid ?? 0), 'SIGINT');
    await new Promise((resolve) => child.on('close', resolve));
    assert.equal(child.exitCode, 130, said);
    assert.match(said, /is still Creating: .*deploy\.sh goes on, .*delete\.sh removes it/);
    assert.equal(await succeed(directory, 'deploy.sh'), name);
    assert.equal((await leftOf(name)).length, 3);
  });
});

describe('a deployment that SageMaker would refuse after minutes', function () {
  this.timeout(300_000);
  const folder = scratch();
  const name = unique('early');
  let directory: string;
  const refused = (reason: RegExp, env: NodeJS.ProcessEnv) =>
    refuse(reason, directory, 'deploy.sh', [], { IMAGE_URI: 'elsewhere/image:1', ...env });

  before(async () => {
    directory = await trained(folder, name, 'serverless', { awsRoleArn: role });
    await succeed(directory, 'upload_model.sh');
  });
  after(() => clearAway(directory, name));

  it('is refused at once for a model archive with links, or that is none', async () => {
    const bucket = 's3://sagemaker-us-east-1-123456789012';
    symlinkSync('model.json', path.join(directory, 'model/link'));
    await must('tar', ['-C', path.join(directory, 'model'), '-czf', path.join(folder, 'own.tar.gz'), '.']);
    await must('aws', ['s3', 'cp', path.join(folder, 'own.tar.gz'), `${bucket}/${name}/own.tar.gz`]);
    await refused(/link is a link \(to model\.json\)(?:.*\n)*.*upload_model\.sh/, {
      MODEL_DATA: `${bucket}/${name}/own.tar.gz`,
    });
    await must('aws', ['s3', 'cp', sample(directory), `${bucket}/${name}/none.tar.gz`]);
    await refused(/not a whole \.tar\.gz/, { MODEL_DATA: `${bucket}/${name}/none.tar.gz` });
    await must('aws', ['s3', 'rm', '--recursive', `${bucket}/${name}/`]);
    unlinkSync(path.join(directory, 'model/link'));
    await succeed(directory, 'upload_model.sh');
  });

  it('is refused at once for settings that cannot be', async () => {
    await refused(/SERVERLESS_MEMORY has to be a multiple of 1024/, { SERVERLESS_MEMORY: '1500' });
    await refused(/SERVERLESS_MAX_CONCURRENCY has to be a whole number from 1 to 200/, {
      SERVERLESS_MAX_CONCURRENCY: 'x',
    });
    await refused(/PROVISIONED_CONCURRENCY can be at most/, { PROVISIONED_CONCURRENCY: '6' });
    await refused(/needs a PROVISIONED_CONCURRENCY of 1 or more/, { MAX_PROVISIONED_CONCURRENCY: '2' });
    await refused(/NETWORK_ISOLATION has to be one of false, true/, { NETWORK_ISOLATION: 'yes' });
    await refused(/TAGS has to be a JSON object of strings/, { TAGS: 'team=fraud' });
    assert.deepEqual(await leftOf(name), []);
  });

  it('is refused at once for an image of more than 10 GB', async () => {
    const check = '. "$0/deploy/common.sh"; fits_serverless 9999999999; fits_serverless 10000000001';
    const { code, err } = await run('bash', ['-euc', check, directory]);
    assert.equal(code, 1);
    assert.match(err, /^ERROR: The image has 10000000001 bytes; a serverless endpoint takes at most 10 GB/);
  });

  it('is refused at once for a role that SageMaker may not take on, or that may not read the model', async () => {
    const trust = (service: string) =>
      `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "${service}"}, "Action": "sts:AssumeRole"}]}`;
    const make = (role: string, service: string) =>
      aws('iam', 'create-role', '--role-name', role, '--assume-role-policy-document', trust(service));
    const other = (await make(`${name}-lambda`, 'lambda.amazonaws.com')).Role.Arn;
    await refused(/SageMaker may not take on .*lambda: its trust policy(?:.*\n)*.*create_role\.sh/, {
      ROLE_ARN: other,
    });
    const own = (await make(`${name}-own`, 'sagemaker.amazonaws.com')).Role.Arn;
    // The look-alike does not simulate policies: this answers for it as IAM does, and passes all else on.
    const bin = path.join(folder, 'bin');
    mkdirSync(bin);
    const real = await must('bash', ['-c', 'command -v aws']);
    const answers = `#!/usr/bin/env bash\n[ "$2" != simulate-principal-policy ] || { echo implicitDeny; exit; }\nexec ${real} "$@"\n`;
    writeFileSync(path.join(bin, 'aws'), answers, { mode: 0o755 });
    const env = { ROLE_ARN: own, PATH: `${bin}:${process.env.PATH}` };
    await refused(
      /may not do what SageMaker needs: s3:GetObject on arn:aws:s3:::sagemaker-us-east-1-.*model\.tar\.gz/,
      env,
    );
    for (const role of [`${name}-lambda`, `${name}-own`])
      await must('aws', ['iam', 'delete-role', '--role-name', role]);
  });
});
