// Ctrl-C after each call that changes something, and what becomes of it: the next run goes on, delete.sh removes all. CI
// takes some of the calls; INTERRUPTS=all, which `npm run test:interrupts` sets, takes each.
import assert from 'node:assert/strict';
import { answering } from '../support/intercept.js';
import { clearAway, predict, put42, trained } from '../support/lives.js';
import { scratch, unique } from '../support/rig.js';
import { interrupt, leftOf, role, succeed } from '../support/scripts.js';

const every = process.env.INTERRUPTS === 'all';
const changes = /^(Create|Update|Delete|Put|Register|Deregister)/;

describe('a deployment that is interrupted', function () {
  this.timeout(1_200_000);
  const folder = scratch();
  const name = unique('stopped');
  const scaled = { MAX_INSTANCE_COUNT: '2' };
  let directory: string;

  /** Runs deploy.sh until it has changed something for the nth time; the call after which it was interrupted, if it was. */
  const deployUntil = async (nth: number, env: NodeJS.ProcessEnv = {}): Promise<string | undefined> => {
    const made: string[] = [];
    let reach = () => {};
    const reached = new Promise<void>((resolve) => {
      reach = resolve;
    });
    const { code, err } = await answering(
      async (operation, pass) => {
        const answer = await pass();
        if (changes.test(operation) && made.push(operation) === nth) reach();
        return answer;
      },
      (address) => interrupt(reached, directory, 'deploy.sh', [], { ...scaled, ...env, ...address }),
    );
    assert.equal(code, made.length < nth ? 0 : 130, err);
    assert.doesNotMatch(err, /Traceback/);
    return made[nth - 1];
  };

  /** Calls `act` after an interruption at each call, or at those that CI takes; the calls. */
  const atEachCall = async (
    sample: readonly number[],
    env: NodeJS.ProcessEnv,
    act: (call: string) => Promise<void>,
  ) => {
    const calls: string[] = [];
    for (let nth = 1; every || nth <= Math.max(...sample); nth++) {
      if (!every && !sample.includes(nth)) continue;
      const call = await deployUntil(nth, env);
      if (call === undefined) break;
      calls.push(call);
      await act(call);
    }
    return calls;
  };

  before(async () => {
    directory = await trained(folder, name, 'realtime', { awsRoleArn: role });
    put42(directory);
    await succeed(directory, 'build_and_push.sh');
    await succeed(directory, 'upload_model.sh');
  });
  after(() => clearAway(directory, name));

  it('leaves nothing that delete.sh does not remove', async () => {
    const calls = await atEachCall([1, 2, 3, 5], {}, async () => {
      await succeed(directory, 'delete.sh');
      assert.deepEqual(await leftOf(name), []);
    });
    const all = ['CreateModel', 'CreateEndpointConfig', 'CreateEndpoint', 'RegisterScalableTarget', 'PutScalingPolicy'];
    assert.deepEqual(calls, every ? all : all.filter((_, at) => at !== 3));
  });

  it('is gone on with by the next run', async () => {
    await atEachCall([3], {}, async () => {
      assert.equal(await succeed(directory, 'deploy.sh', [], scaled), name);
      assert.equal((await leftOf(name)).length, 3);
      if (every) await succeed(directory, 'delete.sh');
    });
    if (every) await succeed(directory, 'deploy.sh', [], scaled);
  });

  it('answers as before or as it was to, when an update is interrupted, and the next run ends it', async () => {
    let version = 0;
    const calls = await atEachCall([2, 3, 6], { CONTAINER_ENV: '{"SM_LOG_LEVEL": "DEBUG"}' }, async (call) => {
      assert.deepEqual(await predict(directory), [42, 42]);
      version += 1;
      await succeed(directory, 'deploy.sh', [], { ...scaled, CONTAINER_ENV: `{"DONE": "${version}"}` });
      assert.deepEqual(await predict(directory), [42, 42]);
      // What ran before the interrupted run and was not removed by it is left to delete.sh, as that run has said.
      if (!call.startsWith('Delete')) assert.equal((await leftOf(name)).length, 3);
    });
    await succeed(directory, 'delete.sh');
    assert.deepEqual(await leftOf(name), []);
    assert.ok(calls.includes('UpdateEndpoint'), calls.join());
  });
});
