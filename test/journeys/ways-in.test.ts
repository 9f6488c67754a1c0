// The same answers in prompts, flags, variables or a file give byte-identical projects.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import helpers from 'yeoman-test';
import App from '../../generators/app/index.js';
import { flagOf, type Key, variableOf } from '../../generators/config/parameters.js';
import Configure from '../../generators/configure/index.js';
import { contents, newFolder, quietEnv, run } from '../support/bin.js';
import { outcome, tool } from '../support/tools.js';

const answers = {
  framework: 'sklearn',
  projectName: 'churn-model',
  modelFormat: 'skops',
  modelServer: 'flask',
  instanceType: 'custom',
  customInstanceType: 'ml.m5.large',
  instanceCount: 2,
  modelDelivery: 'image',
  awsRegion: 'eu-central-1',
  awsRoleArn: 'arn:aws:iam::123456789012:role/service-role/Role',
  includeSampleModel: true,
  includeTests: false,
};
const entries = Object.entries(answers) as [Key, unknown][];

/** Runs the generator as Yeoman does, with answers to prompts and options. Returns the folder that it wrote to. */
async function prompted(given: object, options: object = {}, generator: unknown = App): Promise<string> {
  const folder = newFolder();
  const context = helpers.run(generator as never, { namespace: 'ml-container-creator:app' } as never, { cwd: folder });
  await context.withAnswers(given, { throwOnMissingAnswer: false }).withOptions(options);
  return folder;
}

describe('the same answers', () => {
  let byFlags: Record<string, string>;
  before(() => {
    const folder = newFolder();
    const { status, stderr } = run(
      folder,
      entries.map(([key, value]) => `${flagOf(key)}=${value}`),
    );
    assert.equal(status, 0, stderr);
    byFlags = contents(join(folder, 'churn-model'));
  });

  it('in variables give the same project as in flags', () => {
    const folder = newFolder();
    run(folder, [], Object.fromEntries(entries.map(([key, value]) => [variableOf(key), String(value)])));
    assert.deepEqual(contents(join(folder, 'churn-model')), byFlags);
  });

  it('in a config file give the same project', () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'ml-container.config.json'), JSON.stringify(answers));
    run(folder, []);
    assert.deepEqual(contents(join(folder, 'churn-model')), byFlags);
  });

  it('to prompts give the same project', async () =>
    assert.deepEqual(contents(join(await prompted(answers), 'churn-model')), byFlags));

  it('in options of a composed generator give the same project', async () =>
    assert.deepEqual(contents(join(await prompted({}, { ...answers, skipPrompts: true }), 'churn-model')), byFlags));

  it('to the prompts of configure give the same project', async () => {
    const folder = await prompted(answers, {}, Configure);
    assert.deepEqual(readdirSync(folder), ['ml-container.config.json']);
    run(folder, []);
    assert.deepEqual(contents(join(folder, 'churn-model')), byFlags);
  });
});

describe('the generator', () => {
  /** The questions that are asked with these options. */
  async function questions(given: object): Promise<string[]> {
    const asked: string[] = [];
    const callback = (answer: unknown, { question }: { question: { name?: string } }) => {
      asked.push(String(question.name));
      return answer;
    };
    const context = helpers.run(App as never, { namespace: 'ml-container-creator:app' } as never, { cwd: newFolder() });
    await context.withAnswers({}, { callback } as never).withOptions(given);
    return asked;
  }

  it('asks only the open questions', async () => {
    const given = { framework: 'sklearn', projectName: 'x', modelServer: 'flask', awsRegion: 'eu-west-1' };
    const asked = await questions(given);
    assert.deepEqual(asked, [
      'model',
      'modelFormat',
      'runtime',
      'deployTarget',
      'multiModel',
      'instanceType',
      'instanceCount',
      'deployTool',
      'buildTarget',
      'modelDelivery',
      'frameworkVersion',
      'awsRoleArn',
      'includeSampleModel',
      'includeTests',
      'includeTraining',
      'confirmation',
    ]);
  });

  it('asks no question that other answers rule out', async () => {
    const asked = await questions({ framework: 'sklearn', deployTarget: 'batch' });
    assert.equal(asked.includes('multiModel'), false);
    assert.equal(asked.includes('instanceCount'), true);
  });

  it('throws an error with all problems if a program composes it', async () => {
    await assert.rejects(
      prompted({}, { framework: 'sklern', projectName: 'A', skipPrompts: true }),
      /"sklern" is not one of.*projectName/s,
    );
  });
});

/** Drives the bin on a real terminal: waits for a text, then sends keys, or closes it. In Python: Node has no pty. */
const driver = `
import fcntl, json, os, pty, select, struct, sys, termios, time
steps, command = json.loads(sys.argv[1]), sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    os.environ['TERM'] = 'xterm'
    os.execvp(command[0], command)
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 40, int(os.environ.get('WIDTH', 80)), 0, 0))
seen = everything = ''
def read(until, deadline):
    global seen, everything
    while until is None or until not in seen:
        ready, _, _ = select.select([fd], [], [], max(0, deadline - time.monotonic()))
        if not ready: sys.exit('timed out waiting for %r after: %s' % (until, seen[-2000:]))
        try: chunk = os.read(fd, 65536)
        except OSError: chunk = b''
        if not chunk: return
        seen += chunk.decode(errors='replace')
        everything += chunk.decode(errors='replace')
for text, keys in steps:
    read(text, time.monotonic() + 30)
    seen = seen.partition(text)[2]
    if keys is None:
        os.close(fd)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) + 128)
    os.write(fd, keys.encode())
read(None, time.monotonic() + 30)
print(everything)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

describe('on a terminal, the bin', () => {
  const bin = join(import.meta.dirname, '../../dist/generators/cli.js');
  const drive = (
    cwd: string,
    steps: readonly (readonly [string, string | null])[],
    args: readonly string[] = [],
    env: Record<string, string> = {},
  ) =>
    outcome(tool('python'), ['-c', driver, JSON.stringify(steps), process.execPath, bin, ...args], {
      cwd,
      env: { ...quietEnv, ...env },
    });
  const enter = '\r';
  const all = [
    'Model file',
    'trained with',
    'Name of',
    'Format',
    'Library that',
    'clients call',
    'Serve many models',
    'Server',
    'Instance type',
    'Number of',
    'Deployment tools',
    'is built',
    'reaches the container',
    'Version of',
    'region',
    'ARN',
    'sample model',
    'Include tests',
    'training container',
    'What do you want to do?',
  ];

  it('asks every question, and ends with the next command', () => {
    const folder = newFolder();
    const { status, output } = drive(
      folder,
      all.map((text) => [text, enter] as const),
    );
    assert.equal(status, 0, output);
    assert.match(output, /cd sklearn-model && test\/run_local\.sh/);
    const direct = newFolder();
    run(direct, ['--framework=sklearn']);
    assert.deepEqual(contents(folder), contents(direct));
  });

  it('exits with 130 after Ctrl-C at any question, and writes nothing', () => {
    for (const count of [0, 3, all.length - 1]) {
      const folder = newFolder();
      const steps = all.slice(0, count + 1).map((text, at) => [text, at === count ? '\u0003' : enter] as const);
      const { status, output } = drive(folder, steps);
      assert.equal(status, 130, output);
      assert.match(output, /Cancelled: nothing was written/);
      assert.deepEqual(readdirSync(folder), []);
    }
  });

  it('ends like any other program if the terminal is closed', () => {
    const { status, output } = drive(newFolder(), [
      ['Model file', enter],
      ['trained with', null],
    ]);
    assert.equal(status, 127, `128 less the number of SIGHUP: ${output}`);
  });

  it('goes back to a question from the summary, and keeps the other answers', () => {
    const folder = newFolder();
    const up = '\u001b[A';
    const toRegion = up.repeat(5); // from "None", the last of the list
    const steps = [
      ...all.slice(0, -1).map((text) => [text, text === 'Name of' ? 'churn\r' : enter] as const),
      ['What do you want to do?', '\u001b[B\r'],
      ['Which question?', `${toRegion}\r`],
      ['mx-central-1', `${up}\r`],
      ['What do you want to do?', enter],
    ] as const;
    const { status, output } = drive(folder, steps);
    assert.equal(status, 0, output);
    assert.match(contents(join(folder, 'churn'))['deploy/settings.env'] ?? '', /^AWS_REGION=sa-east-1$/m);
  });

  it('writes nothing if the user cancels at the summary', () => {
    const folder = newFolder();
    const steps = all.map((text) => [text, text === 'What do you want to do?' ? '\u001b[B\u001b[B\r' : enter] as const);
    const { status, output } = drive(folder, steps);
    assert.equal(status, 130, output);
    assert.match(output, /Cancelled: nothing was written/);
    assert.deepEqual(readdirSync(folder), []);
  });

  it('asks again after an invalid value, and completes a path with Tab', () => {
    const folder = newFolder();
    const { status, output } = drive(folder, [
      ['Model file', 'missing.pkl\r'],
      ['no such file or folder', '\u0015\r'],
      ['trained with', enter],
      ['Name of', 'My Model\r'],
      ['try my-model', '\u0003'],
    ]);
    assert.equal(status, 130, output);
    writeFileSync(join(folder, 'only-one.txt'), 'no model');
    const completed = drive(folder, [
      ['Model file', 'only\t'],
      ['only-one.txt', enter],
      ['> only-one.txt', '\u0003'],
    ]);
    assert.equal(completed.status, 130, completed.output);
  });

  it('prints no line longer than 80 columns, and no colour with NO_COLOR', () => {
    const folder = newFolder();
    const language = ['demo', '--framework=transformers', '--model-name=Qwen/Qwen3-8B'];
    const open = ['clients call', 'Server', 'Instance type', 'Number of', 'Deployment tools'];
    const steps = [...open.map((text) => [text, enter] as const), ['is built', '\u0003'] as const];
    const { status, output } = drive(folder, steps, language, { NO_COLOR: '1' });
    assert.equal(status, 130, output);
    const start = String.fromCharCode(27);
    assert.doesNotMatch(output, new RegExp(`${start}\\[[0-9;]+m`));
    // A cursor move to a column starts a line that is drawn over, so it counts as a new line.
    const drawn = output.replaceAll(new RegExp(`${start}\\[[0-9]*G`, 'g'), '\n');
    const lines = drawn.replaceAll(new RegExp(`${start}\\[[0-9;?]*[A-Za-z]`, 'g'), '').split(/\r?\n/);
    for (const line of lines) assert.ok(line.trimEnd().length <= 80, line);
    assert.doesNotMatch(output, /[\u2500-\u257f]/, 'box drawing');
  });

  it('wraps texts at the width of a narrow terminal, but not the commands in them', () => {
    const steps = all.slice(0, 8).map((text, at) => [text, at === 7 ? '\u0003' : enter] as const);
    const prompts = drive(newFolder(), steps, [], { WIDTH: '40' }).output;
    assert.match(prompts, /^Creates a project that serves your model\r?\non SageMaker, in your own container\.\r?$/m);
    assert.match(prompts, /FastAPI on[^\r\n]*\r?\n +/);
    const missing = ['demo', '--model=absent.pkl', '--skip-prompts', '--framework-version=latest'];
    const { output } = drive(newFolder(), [], missing, { WIDTH: '40' });
    assert.match(output, /^ {2}frameworkVersion: "latest" is not\r?\n {2}valid; expected/m);
    const elsewhere = drive(newFolder(), [], ['update'], { WIDTH: '40' }).output;
    assert.match(elsewhere, /^ {6}run: cd PROJECT && ml-container-creator update\r?$/m);
  });

  it('asks before it overwrites a file', () => {
    const folder = newFolder();
    mkdirSync(join(folder, 'demo'));
    writeFileSync(join(folder, 'demo/Dockerfile'), '# mine\n');
    const args = ['demo', '--framework=sklearn', '--skip-prompts'];
    const { status, output } = drive(folder, [['Overwrite demo/Dockerfile?', 'n\r']], args);
    assert.equal(status, 0, output);
    assert.equal(contents(join(folder, 'demo')).Dockerfile, '644 # mine\n');
    assert.ok(existsSync(join(folder, 'demo/README.md')));
    assert.equal(drive(folder, [['Overwrite demo/Dockerfile?', '\u0003']], args).status, 130);
  });

  it('changes nothing in a project if the user cancels at its files, and names update', () => {
    const folder = newFolder();
    run(folder, ['demo', '--framework=xgboost']);
    const before = contents(join(folder, 'demo'));
    const args = ['demo', '--framework=sklearn', '--skip-prompts'];
    const [agreed, again] = ['Overwrite demo/README.md?', 'Overwrite demo/requirements.in?'];
    for (const last of ['\u0003', 'x\r']) {
      const steps = [
        [agreed, 'd\r'],
        ['-An XGBoost model', ''],
        [agreed, 'y\r'],
        [again, last],
      ] as const;
      const { status, output } = drive(folder, steps, args);
      assert.equal(status, 130, output);
      assert.match(output.replaceAll(/\s+/g, ' '), /run ml-container-creator update in that folder/);
      assert.match(output, /Cancelled: nothing was written/);
      assert.deepEqual(contents(join(folder, 'demo')), before);
    }
  });

  it('replaces the model of a project if the user agrees, and keeps the old one', () => {
    const folder = newFolder();
    const fixtures = JSON.parse(readFileSync(new URL('../unit/fixtures/pickles.json', import.meta.url), 'utf8'));
    for (const protocol of ['2', '4']) {
      const { data } = fixtures[`logistic-1.9.protocol-${protocol}.pkl`];
      writeFileSync(join(folder, `${protocol}.pkl`), gunzipSync(Buffer.from(data, 'base64')));
    }
    assert.equal(run(folder, ['demo', '--model=2.pkl']).status, 0);
    const known = [
      'Model file',
      'trained with',
      'Name of',
      'Format',
      'Version of',
      'sample model',
      'What do you want to do?',
    ];
    const steps = all.filter((text) => !known.includes(text)).map((text) => [text, enter] as const);
    const last = [
      ['Replace them?', 'y\r'],
      ['What do you want to do?', enter],
    ] as const;
    const { status, output } = drive(folder, [...steps, ...last], ['demo', '--model=4.pkl']);
    assert.equal(status, 0, output);
    assert.match(output, /model\/model\.pkl\.orig/);
    const bytes = (path: string) => readFileSync(join(folder, path));
    assert.deepEqual(bytes('demo/model/model.pkl'), bytes('4.pkl'));
    assert.deepEqual(bytes('demo/model/model.pkl.orig'), bytes('2.pkl'));
  });
});
