// A Ctrl-C with each call of AWS, one run after the other; a second run goes on with what is there, or delete removes it.
// CI takes every fourth call; `npm run test:interruptions` takes each.
import assert from 'node:assert/strict';
import { answering, type Handle } from '../support/intercept.js';
import { clearAway, describeEndpoint, predict, put42, trained } from '../support/lives.js';
import { scratch, unique } from '../support/rig.js';
import { aws, interrupt, leftOf, role, succeed } from '../support/scripts.js';

const step = process.env.INTERRUPTIONS === 'all' ? 1 : 4;

describe('a deployment that is interrupted with any of its calls', function () {
  this.timeout(600_000);
  const folder = scratch();
  const projects: [string, string][] = [];

  /** A project with its image and a model that answers 42. */
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

  /** Deploys again and again, each time interrupted one call later, until none is left; `then` looks at what is there. */
  async function eachCall(
    directory: string,
    env: NodeJS.ProcessEnv,
    then: (call: number, said: string) => Promise<void>,
  ): Promise<void> {
    for (let [last, ended] = [step, false]; !ended; last += step) {
      let [calls, reached] = [0, () => {}];
      const moment = new Promise<void>((resolve) => {
        reached = resolve;
      });
      const handle: Handle = async (_, pass) => {
        calls += 1;
        const answer = await pass();
        if (calls === last) reached();
        return answer;
      };
      const { code, err } = await answering(handle, (door) =>
        interrupt(moment, directory, 'deploy.sh', [], { POLL_SECONDS: '2', ...env, ...door }),
      );
      ended = calls < last;
      assert.equal(code, ended ? 0 : 130, `call ${last}: ${err}`);
      assert.doesNotMatch(err, /Traceback/);
      await then(last, `call ${last}: ${err}`);
    }
  }

  it('is created by the next, or removed', async () => {
    const { directory, name } = await begin('realtime');
    const env = { MAX_INSTANCE_COUNT: '2' };
    const resource = ['--service-namespace', 'sagemaker', '--resource-id', `endpoint/${name}/variant/AllTraffic`];
    const policies = async () =>
      (await aws('application-autoscaling', 'describe-scaling-policies', ...resource)).ScalingPolicies.length;
    await eachCall(directory, env, async (call, said) => {
      if ((call / step) % 2) {
        assert.equal(await succeed(directory, 'deploy.sh', [], env), name);
        assert.equal((await leftOf(name)).length, 3, said);
        assert.equal(await policies(), 1, said);
      }
      await succeed(directory, 'delete.sh');
      assert.deepEqual(await leftOf(name), [], said);
      assert.equal(await policies(), 0, said);
    });
  });

  it('is updated by the next, and answers meanwhile', async () => {
    const { directory, name } = await begin('realtime');
    await succeed(directory, 'deploy.sh');
    let version = 0;
    const settings = { CONTAINER_ENV: '' };
    const next = () => {
      version += 1;
      settings.CONTAINER_ENV = `{"VERSION": "${version}"}`;
    };
    next();
    await eachCall(directory, settings, async (_, said) => {
      assert.deepEqual(await predict(directory), [42, 42], said);
      assert.equal(await succeed(directory, 'deploy.sh', [], settings), name);
      const { EndpointConfigName } = await describeEndpoint(name);
      const { PrimaryContainer } = await aws('sagemaker', 'describe-model', '--model-name', EndpointConfigName);
      assert.deepEqual(PrimaryContainer.Environment, { VERSION: `${version}` }, said);
      next();
    });
    // Where the update was under way, what ran before stays until then.
    await succeed(directory, 'delete.sh');
    assert.deepEqual(await leftOf(name), []);
  });

  it('as a job is stopped, and delete removes its model', async () => {
    const { directory, name } = await begin('batch');
    await eachCall(directory, {}, async (_, said) => {
      await succeed(directory, 'delete.sh');
      assert.deepEqual(await leftOf(name), [], said);
      const jobs = ['sagemaker', 'list-transform-jobs', '--name-contains', name.slice(0, 40)];
      const { TransformJobSummaries } = await aws(...jobs, '--status-equals', 'InProgress');
      assert.deepEqual(TransformJobSummaries, [], said);
    });
  });
});
