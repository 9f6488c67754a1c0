// What goes wrong on the way: calls that fail, answers that are lost, several runs at once, a Ctrl-C.
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
    it(`leaves nothing of a new endpoint when ${call} fails`, async () => {
      await fail(call);
      assert.deepEqual(await leftOf(name), []);
      assert.equal(await policies(), 0);
      const resource = ['--resource-ids', `endpoint/${name}/variant/AllTraffic`];
      const found = await aws('application-autoscaling', 'describe-scalable-targets', ...ours, ...resource);
      assert.deepEqual(found.ScalableTargets, []);
    });

  it('says what to do where boto3 is too old for METRICS, and leaves nothing', async () => {
    // Its model of SageMaker's API, as it was before that came.
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
    await refuse(/too old for METRICS\. Update it: pip install/, directory, 'deploy.sh', [], env);
    assert.deepEqual(await leftOf(name), []);
  });

  it('outlives lost answers while it waits, but not three in a row', async () => {
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
    assert.match(err, /is still Creating: .*deploy\.sh'? continues/);
    await succeed(directory, 'delete.sh');
    assert.equal(await answering(lose(2), (env) => succeed(directory, 'deploy.sh', [], { ...once, ...env })), name);
    await arm({ throttle: { DescribeEndpoint: 1 } });
    assert.equal(await succeed(directory, 'delete.sh', [], once), '3');
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

  it('outlives throttled calls of an update, here to one whose metrics are read', async () => {
    await arm({ throttle: { CreateModel: 1, UpdateEndpoint: 2, DescribeEndpoint: 1 } });
    assert.equal(await succeed(directory, 'deploy.sh', [], { ...scaled, METRICS: 'true' }), name);
    const { samples, errors } = await until('a look at the metrics', 30, () => scrapeOf(name));
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
    const { code, err } = await interrupt(/: Creating/, directory, 'deploy.sh');
    assert.equal(code, 130, err);
    assert.match(err, /is still Creating: .*deploy\.sh'? continues, .*delete\.sh'? removes it/);
    assert.equal(await succeed(directory, 'deploy.sh'), name);
    assert.equal((await leftOf(name)).length, 3);
  });
});
