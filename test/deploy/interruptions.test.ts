// A Ctrl-C after each call to AWS, in one run after the other; the next run continues, or delete removes everything.
// CI tests every fourth call, `npm run test:interruptions` every call.
import assert from 'node:assert/strict';
import { answering, type Handle } from '../support/intercept.js';
import { clearAway, describeEndpoint, predict, put42, trained } from '../support/lives.js';
import { scratch, unique } from '../support/rig.js';
import { aws, interrupt, leftOf, role, succeed } from '../support/scripts.js';

const step = process.env.INTERRUPTIONS === 'all' ? 1 : 4;

describe('a deployment that is interrupted after any of its calls', function () {
  this.timeout(600_000);
  const folder = scratch();
  const projects: [string, string][] = [];

  /** A project with its image and a model that predicts 42. */
  const begin = async (target: string) => {
    const name = unique(`ctrl-c-${target}`);
    const directory = await trained(folder, name, target, { awsRoleArn: role });
    projects.push([directory, name]);
    put42(directory);
    await succeed(directory, 'build_and_push.sh');
    await succeed(directory, 'upload_model.sh');
    return { directory, name };
  };
  after(async () => {
    for (const [directory, name] of projects) await clearAway(directory, name);
  });

  /** Deploys again and again, each time interrupted one call later, until it completes; `then` checks the state. */
  async function eachCall(
    directory: string,
    env: NodeJS.ProcessEnv,
    then: (call: number, output: string) => Promise<void>,
  ): Promise<void> {
    for (let [last, ended] = [step, false]; !ended; last += step) {
      let [calls, reached] = [0, () => {}];
      const moment = new Promise<void>((resolve) => {
        reached = resolve;
      });
      const handle: Handle = async (_, pass) => {
        calls += 1;
        const response = await pass();
        if (calls === last) reached();
        return response;
      };
      const { code, err } = await answering(handle, (proxy) =>
        interrupt(moment, directory, 'deploy.sh', [], { POLL_SECONDS: '2', ...env, ...proxy }),
      );
      ended = calls < last;
      assert.equal(code, ended ? 0 : 130, `call ${last}: ${err}`);
      assert.doesNotMatch(err, /Traceback/);
      await then(last, `call ${last}: ${err}`);
    }
  }

  it('is completed by the next one, or removed', async () => {
    const { directory, name } = await begin('realtime');
    const env = { MAX_INSTANCE_COUNT: '2' };
    const resource = ['--service-namespace', 'sagemaker', '--resource-id', `endpoint/${name}/variant/AllTraffic`];
    const policies = async () =>
      (await aws('application-autoscaling', 'describe-scaling-policies', ...resource)).ScalingPolicies.length;
    await eachCall(directory, env, async (call, output) => {
      if ((call / step) % 2) {
        assert.equal(await succeed(directory, 'deploy.sh', [], env), name);
        assert.equal((await leftOf(name)).length, 3, output);
        assert.equal(await policies(), 1, output);
      }
      await succeed(directory, 'delete.sh');
      assert.deepEqual(await leftOf(name), [], output);
      assert.equal(await policies(), 0, output);
    });
  });

  it('is updated by the next one, and serves requests meanwhile', async () => {
    const { directory, name } = await begin('realtime');
    await succeed(directory, 'deploy.sh');
    let version = 0;
    const settings = { CONTAINER_ENV: '' };
    const next = () => {
      version += 1;
      settings.CONTAINER_ENV = `{"VERSION": "${version}"}`;
    };
    next();
    await eachCall(directory, settings, async (_, output) => {
      assert.deepEqual(await predict(directory), [42, 42], output);
      assert.equal(await succeed(directory, 'deploy.sh', [], settings), name);
      const { EndpointConfigName } = await describeEndpoint(name);
      const { PrimaryContainer } = await aws('sagemaker', 'describe-model', '--model-name', EndpointConfigName);
      assert.deepEqual(PrimaryContainer.Environment, { VERSION: `${version}` }, output);
      next();
    });
    // If an update was interrupted, the previous model and configuration are kept until now.
    await succeed(directory, 'delete.sh');
    assert.deepEqual(await leftOf(name), []);
  });

  it('is stopped if it is a job, and delete removes its model', async () => {
    const { directory, name } = await begin('batch');
    await eachCall(directory, {}, async (_, output) => {
      await succeed(directory, 'delete.sh');
      assert.deepEqual(await leftOf(name), [], output);
      const jobs = ['sagemaker', 'list-transform-jobs', '--name-contains', name.slice(0, 40)];
      const { TransformJobSummaries } = await aws(...jobs, '--status-equals', 'InProgress');
      assert.deepEqual(TransformJobSummaries, [], output);
    });
  });
});
