// Failures of a deployment: failed calls, lost responses, concurrent runs, Ctrl-C.
import assert from 'node:assert/strict';
import { unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { answering, type Handle } from '../support/intercept.js';
import { clearAway, client, describeEndpoint, predict, put42, scrapeOf, trained } from '../support/lives.js';
import { must, scratch, unique, until } from '../support/rig.js';
import { arm, aws, interrupt, leftOf, refuse, role, script, succeed } from '../support/scripts.js';
import { tool } from '../support/tools.js';

describe('a deployment that fails', function () {
  this.timeout(600_000);
  const folder = scratch();
  const name = unique('fails');
  let directory: string;
  const scaled = { MAX_INSTANCE_COUNT: '2' };
  const ours = ['--service-namespace', 'sagemaker'];
  const policies = async () => {
    const resource = ['--resource-id', `endpoint/${name}/variant/AllTraffic`];
    const found = await aws('application-autoscaling', 'describe-scaling-policies', ...ours, ...resource);
    return found.ScalingPolicies.length;
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
    it(`leaves nothing of a new endpoint behind when ${call} fails`, async () => {
      await fail(call);
      assert.deepEqual(await leftOf(name), []);
      assert.equal(await policies(), 0);
      const resource = ['--resource-ids', `endpoint/${name}/variant/AllTraffic`];
      const found = await aws('application-autoscaling', 'describe-scalable-targets', ...ours, ...resource);
      assert.deepEqual(found.ScalableTargets, []);
    });

  it('says what to do if boto3 is too old for METRICS, and leaves nothing behind', async () => {
    // boto3's model of SageMaker's API, from before this parameter existed.
    const code = `
import json, sys
from pathlib import Path
from botocore.loaders import Loader
model = Loader().load_service_model("sagemaker", "service-2")
del model["shapes"]["MetricsConfig"]["members"]["EnableDetailedObservability"]
file = Path(sys.argv[1], "sagemaker/2017-07-24/service-2.json")
file.parent.mkdir(parents=True)
file.write_text(json.dumps(model))`;
    const AWS_DATA_PATH = path.join(folder, 'old');
    await must(tool('python'), ['-c', code, AWS_DATA_PATH]);
    const env = { METRICS: 'true', AWS_DATA_PATH };
    await refuse(/too old for METRICS\. Upgrade it: pip install/, directory, 'deploy.sh', [], env);
    assert.deepEqual(await leftOf(name), []);
  });

  it('retries after a lost response while it waits, but not after three in a row', async () => {
    const lose = (count: number): Handle => {
      let [created, lost] = [false, 0];
      return async (operation, pass) => {
        created ||= operation === 'CreateEndpoint';
        if (created && operation === 'DescribeEndpoint' && lost < count) lost += 1;
        else return pass();
        return undefined;
      };
    };
    const once = { AWS_MAX_ATTEMPTS: '1' };
    const { err } = await answering(lose(3), (env) =>
      refuse(/Connection was closed/, directory, 'deploy.sh', [], { ...once, ...env }),
    );
    assert.match(err, /is still Creating\. To continue, run .*deploy\.sh/);
    await succeed(directory, 'delete.sh');
    assert.equal(await answering(lose(2), (env) => succeed(directory, 'deploy.sh', [], { ...once, ...env })), name);
    await arm({ throttle: { DescribeEndpoint: 1 } });
    assert.equal(await succeed(directory, 'delete.sh', [], once), '3');
  });

  it('leaves one endpoint when two runs deploy at once, with the same or other settings', async () => {
    const both = async (...settings: NodeJS.ProcessEnv[]) => {
      const ended = await Promise.all(settings.map((env) => script(directory, 'deploy.sh', [], env)));
      const output = ended.map(({ err }) => err).join('\n---\n');
      assert.ok(
        ended.some(({ code }) => code === 0),
        output,
      );
      assert.equal((await leftOf(name)).length, 3, output);
      assert.equal((await predict(directory)).length, 2);
    };
    await both({}, {});
    await both({ STARTUP_SECONDS: '490' }, { STARTUP_SECONDS: '500' });
    assert.equal(await succeed(directory, 'deploy.sh', [], scaled), name);
    assert.equal((await leftOf(name)).length, 3);
    assert.equal(await policies(), 1);
  });

  it('says that another run replaced what it deployed, and leaves only what that run made', async () => {
    let [updated, other] = [false, Promise.resolve('')];
    const overtake: Handle = async (operation, pass) => {
      if (updated && operation === 'DescribeEndpoint') {
        updated = false;
        await until('the first update', 60, async () => (await describeEndpoint(name)).EndpointStatus === 'InService');
        other = succeed(directory, 'deploy.sh', [], { ...scaled, STARTUP_SECONDS: '520' });
      }
      await other;
      const answer = await pass();
      updated ||= operation === 'UpdateEndpoint';
      return answer;
    };
    const { err } = await answering(overtake, (env) =>
      refuse(/Another deployment updated/, directory, 'deploy.sh', [], { ...scaled, STARTUP_SECONDS: '510', ...env }),
    );
    assert.equal(await other, name);
    assert.equal((await leftOf(name)).length, 3, err);
    assert.equal(await policies(), 1);
  });

  it('loses no request during an update, even one to a model whose predictions have changed', async () => {
    const { stop } = client(name, directory);
    put42(directory);
    await succeed(directory, 'upload_model.sh');
    assert.equal(await succeed(directory, 'deploy.sh', [], scaled), name);
    assert.deepEqual(await predict(directory), [42, 42]);
    const expected = path.join(directory, 'model/expected.json');
    writeFileSync(expected, JSON.stringify({ inputs: [Array(8).fill(0)], predictions: [41] }));
    await succeed(directory, 'upload_model.sh');
    const reason =
      /1 of 1 predictions differ from .*expected predictions 41, got 42\.0(?:.*\n)*.*did not pass the ping health check/;
    await refuse(reason, directory, 'deploy.sh', [], scaled);
    assert.deepEqual(await predict(directory), [42, 42]);
    assert.ok((await stop()) > 5);
    unlinkSync(expected);
    await succeed(directory, 'upload_model.sh');
  });

  it('is updated despite throttled calls, here to an endpoint with metrics', async () => {
    await arm({ throttle: { CreateModel: 1, UpdateEndpoint: 2, DescribeEndpoint: 1 } });
    assert.equal(await succeed(directory, 'deploy.sh', [], { ...scaled, METRICS: 'true' }), name);
    const { samples, errors } = await until('a scrape of the metrics', 30, () => scrapeOf(name));
    assert.deepEqual(errors, []);
    assert.ok(samples.some((each) => each.name === 'serving_requests_total'));
    assert.equal((await leftOf(name)).length, 3);
  });

  for (const call of [
    'CreateModel',
    'CreateEndpointConfig',
    'UpdateEndpoint',
    'RegisterScalableTarget',
    'PutScalingPolicy',
  ])
    it(`keeps the previous deployment when ${call} fails`, async () => {
      const before = await describeEndpoint(name);
      await fail(call, { CONTAINER_ENV: '{"SM_LOG_LEVEL": "DEBUG"}' });
      assert.equal((await describeEndpoint(name)).EndpointConfigName, before.EndpointConfigName);
      assert.deepEqual(await predict(directory), [42, 42]);
      assert.equal((await leftOf(name)).length, 3);
    });

  it('can be continued or deleted after a Ctrl-C', async () => {
    await succeed(directory, 'delete.sh');
    put42(directory, 10);
    await succeed(directory, 'upload_model.sh');
    const { code, err } = await interrupt(/: Creating/, directory, 'deploy.sh');
    assert.equal(code, 130, err);
    assert.match(err, /is still Creating\. To continue, run .*deploy\.sh'?; to remove it, run .*delete\.sh/);
    assert.equal(await succeed(directory, 'deploy.sh'), name);
    assert.equal((await leftOf(name)).length, 3);
  });
});
