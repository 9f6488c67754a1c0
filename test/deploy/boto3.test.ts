// deploy.py, which --deploy-tool=boto3 adds, and the deployer without boto3.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { clearAway, predict, sample, trained } from '../support/lives.js';
import { must, scratch, unique } from '../support/rig.js';
import { leftOf, refuse, role, script, succeed } from '../support/scripts.js';
import { tool } from '../support/tools.js';

const commands = ['build_and_push', 'upload_model', 'deploy', 'invoke', 'delete', 'create_role'];

describe('deploy.py', function () {
  this.timeout(300_000);
  const folder = scratch(); // its name has a space
  const name = unique('boto3');
  let directory: string;
  const py = (...args: string[]) => succeed(directory, 'deploy.py', args);
  const refused = (reason: RegExp, ...args: string[]) => refuse(reason, directory, 'deploy.py', args);

  before(async () => {
    directory = await trained(folder, name, 'realtime', { deployTool: ['boto3'] });
  });
  after(() => clearAway(directory, name));

  it('lists its commands, and refuses unknown ones', async () => {
    for (const args of [[], ['--help'], ['-h']]) {
      const { code, out } = await script(directory, 'deploy.py', args);
      assert.equal(code, 0);
      assert.deepEqual(out.match(/(?<=^ {2})\w+$/gm), commands);
    }
    const { code, err } = await refused(/^ERROR: invalid choice: 'deplyo'/, 'deplyo');
    assert.equal(code, 2);
    for (const each of commands) assert.match(err, new RegExp(`^  ${each}$`, 'm'));
  });

  for (const each of commands)
    it(`${each} prints its help as a command of deploy.py, and refuses unknown arguments`, async () => {
      const help = await script(directory, 'deploy.py', [each, '--help']);
      assert.equal(help.code, 0);
      assert.match(help.out, new RegExp(`^Usage: deploy/deploy\\.py ${each}\\b`));
      assert.doesNotMatch(help.out, /deploy\/\S*\.sh/);
      const { code } = await refused(new RegExp(`deploy\\.py'? ${each} --help`), each, '--unknown', 'b', 'c');
      assert.equal(code, 2);
    });

  it('is named in its hints; the scripts name it only for commands without a script', async () => {
    for (const [reason, ...args] of [
      [/There is no role .*\n.*deploy\.py'? deploy arn.*deploy\.py'? create_role/, 'deploy'],
      [/No image for .*\n.*INSTANCE_TYPE=ml\.m5\.large python3 .*deploy\.py'? build_and_push/, 'deploy', role],
      [
        /Check that .* is deployed in .*deploy\.py'? create_role && python3 .*deploy\.py'? deploy/,
        'invoke',
        sample(directory),
      ],
    ] as const)
      assert.doesNotMatch((await refused(reason, ...args)).err, /\.sh/);
    const { err } = await refuse(/Check that .* is deployed in/, directory, 'invoke.sh', [sample(directory)]);
    assert.match(err, /iam\/create_role\.sh'? && python3 .*deploy\.py'? deploy$/m);
  });

  it('manages the same deployment as the scripts', async () => {
    await succeed(directory, 'build_and_push.sh');
    await py('upload_model');
    assert.equal(await py('deploy', role), name);
    assert.deepEqual(JSON.parse(await py('invoke', sample(directory))).predictions, await predict(directory));
    const { err } = await script(directory, 'deploy.py', ['deploy']); // the role is known now
    assert.match(err, /is already up to date/);
    assert.equal(await succeed(directory, 'delete.sh'), '3');
    assert.equal(await py('delete'), '0');
    assert.deepEqual(await leftOf(name), []);
  });

  describe('without boto3', () => {
    let env: NodeJS.ProcessEnv;
    const own = () => path.join(directory, '.venv');

    before(async () => {
      const bare = path.join(folder, 'bare');
      await must(tool('python'), ['-m', 'venv', '--without-pip', bare]);
      env = { PATH: `${bare}/bin:${process.env.PATH}` };
    });
    afterEach(() => rmSync(own(), { recursive: true, force: true }));

    for (const [program, ...args] of [['deploy.py', 'delete'], ['delete.sh'], ['iam/create_role.sh']] as const) {
      it(`${program} says in one line what to type`, async () => {
        const { code, err } = await refuse(/pip install boto3/, directory, program, args, env);
        assert.equal(code, 2);
        assert.equal(err.trimEnd().split('\n').length, 1, err);
      });

      it(`${program} prints its help`, async () => {
        const { code, out } = await script(directory, program, [...args, '--help'], env);
        assert.equal(code, 0);
        assert.match(out, /^Usage: deploy\//);
      });

      it(`${program} runs with the project's .venv, if that has it`, async () => {
        mkdirSync(path.join(own(), 'bin'), { recursive: true });
        const python = path.join(own(), 'bin/python');
        writeFileSync(python, `#!/bin/sh\nexec '${path.join(folder, 'bare/bin/python')}' "$@"\n`);
        chmodSync(python, 0o755);
        assert.equal((await refuse(/pip install boto3/, directory, program, args, env)).code, 2);
        writeFileSync(python, `#!/bin/sh\nexec '${tool('python')}' "$@"\n`);
        await succeed(directory, program, args, env);
      });
    }
  });
});
