// Whatever the answers, the prompts end in a project or an explicit cancel.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { frameworkNames, frameworks } from '../../generators/catalog/frameworks.js';
import { serverNames, serverOf } from '../../generators/catalog/servers.js';
import { targetNames } from '../../generators/catalog/targets.js';
import { importModel } from '../../generators/config/model.js';
import type { Question } from '../../generators/config/prompts.js';
import { readArguments } from '../../generators/config/sources.js';
import { cleanPath } from '../../generators/path-completion.js';
import { plan } from '../../generators/plan.js';
import { walker } from '../support/walk.js';

const cwd = mkdtempSync(join(tmpdir(), 'ml-prompts-'));
after(() => rmSync(cwd, { recursive: true, force: true }));

/** Writes a fixture, a real pickle, to a file. */
function putPickle(name: string, file: string): void {
  const fixtures = JSON.parse(readFileSync(new URL('../unit/fixtures/pickles.json', import.meta.url), 'utf8'));
  writeFileSync(file, gunzipSync(Buffer.from(fixtures[name].data, 'base64')));
}

/** Answers the questions to the end. */
async function walk(
  { ask }: { ask: (question: Question) => Promise<unknown> },
  args: readonly string[] = [],
  context: object = {},
) {
  return plan('app', readArguments(args), { cwd, env: {}, ...context }, { ask, check: () => [] });
}

const linesOf = ({ message, choices = [], intro = '' }: Question) => [
  `? ${message}`,
  ...choices.flatMap(({ name, disabled = '' }) => `  ${name} ${disabled}`.trimEnd().split('\n')),
  ...intro.split('\n'),
];

describe('the prompts', () => {
  const [offered, chosen] = [new Set<string>(), new Set<string>()];
  const multiModelServers = serverNames.filter((name) => serverOf(name).multiModelOnly);
  for (const framework of frameworkNames)
    for (const deployTarget of targetNames)
      for (const modelServer of [
        ...frameworks[framework].servers,
        ...(framework === 'custom' ? multiModelServers : []),
      ])
        it(`end in a project: ${framework}, ${deployTarget}, ${modelServer}`, async () => {
          const small = deployTarget === 'serverless' || deployTarget === 'batch';
          const wanted = { framework, deployTarget, modelServer, ...(small && { modelName: 'Qwen/Qwen3-0.6B' }) };
          await fc.assert(
            fc.asyncProperty(fc.infiniteStream(fc.nat(10_000)), async (numbers) => {
              const pick = (count: number) => Number(numbers.next().value) % count;
              const user = walker(wanted, pick, chosen);
              const ask = async (question: Question) => {
                for (const line of linesOf(question)) assert.ok(line.length <= 80, `${line.length} columns: ${line}`);
                const answer = await user.ask(question);
                for (const { value, disabled } of question.choices ?? [])
                  if (!disabled) offered.add(`${question.name} ${value}`);
                for (const value of [answer].flat()) chosen.add(`${question.name} ${value}`);
                return answer;
              };
              const planned = await walk({ ask });
              assert.ok(planned.files.some(({ path }) => path === 'Dockerfile'));
            }),
            { seed: 20, numRuns: 2 },
          );
        });

  it('were answered with every offered choice, except some regions and versions', () => {
    const rare = /^(awsRegion|back|frameworkVersion|confirmation) /;
    assert.deepEqual(
      [...offered].filter((each) => !chosen.has(each) && !rare.test(each)),
      [],
    );
  });
});

describe('a dialogue', () => {
  /** The questions asked. Each is answered with its default, unless an answer is given. */
  async function questions(given: Readonly<Record<string, unknown>>, args: readonly string[], context: object = {}) {
    const asked = new Map<string, Question>();
    const ask = async (question: Question) => {
      asked.set(question.name, question);
      return given[question.name] ?? question.default ?? '';
    };
    await walk({ ask }, args, context);
    return asked;
  }

  it('starts with the path of the model, and does not ask for the instance of a serverless endpoint', async () => {
    const asked = await questions({ framework: 'xgboost', deployTarget: 'serverless' }, []);
    assert.equal([...asked.keys()][0], 'model');
    assert.equal(asked.get('model')?.type, 'path');
    for (const name of ['instanceType', 'instanceCount']) assert.ok(!asked.has(name), name);
    assert.ok(asked.get('framework')?.choices?.every((_, at) => at < (asked.get('framework')?.pageSize ?? 7)));
  });

  it('disables choices that cannot work, with the reason', async () => {
    const asked = await questions({ multiModel: true }, ['--framework=sklearn']);
    const gpu = asked.get('instanceType')?.choices?.find(({ value }) => value === 'gpu-enabled');
    assert.match(gpu?.disabled ?? '', /Triton/);
    assert.equal(asked.get('instanceType')?.default, 'cpu-optimized');
  });

  it('asks about the answers of an existing project again, with these as defaults', async () => {
    const folder = mkdtempSync(join(cwd, 'stored-'));
    mkdirSync(join(folder, 'demo'));
    const stored = { framework: 'xgboost', modelFormat: 'ubj', modelServer: 'flask', instanceType: 'gpu-enabled' };
    const file = { 'generator-ml-container-creator': stored };
    writeFileSync(join(folder, 'demo/.yo-rc.json'), JSON.stringify(file));
    const asked = await questions({}, ['demo'], { cwd: folder });
    const defaults = (all: Map<string, Question>) => Object.keys(stored).map((key) => all.get(key)?.default);
    assert.deepEqual(defaults(asked), Object.values(stored));
    const other = await questions({ framework: 'sklearn', multiModel: true }, ['demo'], { cwd: folder });
    assert.deepEqual(defaults(other), ['xgboost', 'joblib', 'flask', 'cpu-optimized']);
  });

  it('suggests an instance type that can hold the language model if the default cannot', async () => {
    const args = ['demo', '--framework=transformers', '--model-name=a/b-200b'];
    const question = (await questions({}, args)).get('instanceType');
    assert.equal(question?.default, 'ml.g7e.48xlarge');
    assert.match(question?.choices?.find(({ value }) => value === 'gpu-enabled')?.disabled ?? '', /373 GiB/);
  });

  it('prints a note if this machine cannot build for the default instance type', async () => {
    const machine = { unbuildable: ['arm64'] };
    const question = (await questions({}, ['--framework=sklearn'], { machine })).get('instanceType');
    assert.match(question?.intro ?? '', /cannot build images for arm64/);
  });

  it('ends with status 130 if the user cancels', async () => {
    const cancelled = questions({ confirmation: 'cancel' }, ['--framework=sklearn']);
    await assert.rejects(cancelled, { code: 130 });
  });

  /** Goes back to a question once, with another answer. Returns the questions asked after that, and the plan. */
  async function afterGoingBack(
    key: string,
    { first = {}, second }: { first?: Record<string, unknown>; second: Record<string, unknown> },
    args: readonly string[] = [],
  ) {
    const asked = new Map<string, Question>();
    let answers = first;
    let isBack = false;
    const ask = async (question: Question) => {
      if (question.name === 'back') {
        answers = second;
        return key;
      }
      if (question.name === 'confirmation') {
        if (isBack) return 'write';
        isBack = true;
        return 'back';
      }
      if (isBack) asked.set(question.name, question);
      return answers[question.name] ?? question.default ?? '';
    };
    return { asked, planned: await walk({ ask }, args) };
  }

  it('asks a new question before it restores the answers to later ones', async () => {
    const second = { framework: 'transformers', modelName: 'Qwen/Qwen3-8B' };
    const { asked } = await afterGoingBack('framework', { first: { framework: 'xgboost' }, second });
    assert.equal(asked.get('modelServer')?.default, 'vllm');
    assert.ok(asked.has('instanceType'));
  });

  it('asks again where the default changed, and keeps what the user chose', async () => {
    const first = { framework: 'xgboost', deployTool: ['boto3'], awsRegion: 'eu-west-1' };
    const second = { framework: 'transformers', modelName: 'Qwen/Qwen3-0.6B' };
    const { asked, planned } = await afterGoingBack('framework', { first, second });
    assert.deepEqual(
      [...asked.keys()],
      ['framework', 'projectName', 'modelName', 'modelServer', 'instanceType', 'includeTests'].filter((key) =>
        asked.has(key),
      ),
    );
    const { project } = planned.summary as { project: Record<string, unknown> };
    assert.deepEqual(
      ['projectName', 'modelServer', 'instanceType', 'deployTool', 'awsRegion'].map((key) => project[key]),
      ['transformers-model', 'vllm', 'gpu-enabled', ['boto3'], 'eu-west-1'],
    );
  });

  it('keeps a name that the user typed', async () => {
    const first = { framework: 'xgboost', projectName: 'churn' };
    const { asked, planned } = await afterGoingBack('framework', { first, second: { framework: 'sklearn' } });
    assert.ok(!asked.has('projectName'));
    assert.ok(planned.directory.endsWith('churn'));
  });

  it('suggests the version of a framework chosen again, not the first in the list', async () => {
    const direct = (await questions({ framework: 'xgboost' }, [])).get('frameworkVersion')?.default;
    const first = { framework: 'sklearn', frameworkVersion: '1.3' };
    const { asked } = await afterGoingBack('framework', { first, second: { framework: 'xgboost' } });
    assert.equal(asked.get('frameworkVersion')?.default, direct);
  });

  it('goes back to the question that causes a problem on the disk', async () => {
    const names = ['taken', 'free'];
    const ask = async ({ name, default: initial }: Question) =>
      name === 'projectName' ? names.shift() : (initial ?? '');
    const problem = { key: 'projectDir', from: 'taken', message: 'cannot be written' };
    const check = ({ directory }: { directory: string }) => (directory.endsWith('taken') ? [problem] : []);
    const planned = await plan('app', readArguments(['--framework=sklearn']), { cwd, env: {} }, { ask, check });
    assert.ok(planned.directory.endsWith('free'));
  });

  it('asks whether to replace the model of an existing project', async () => {
    const problem = { key: 'files', from: 'demo', message: '1 file in demo would be overwritten: model/model.pkl' };
    const check = ({ directory }: { directory: string }) => (directory.endsWith('demo') ? [problem] : []);
    const names = (answers: Record<string, unknown[]>) => {
      const asked: string[] = [];
      const ask = async ({ name, default: initial }: Question) => {
        asked.push(name);
        return answers[name]?.shift() ?? initial ?? '';
      };
      const planned = plan('app', readArguments(['--framework=sklearn']), { cwd, env: {} }, { ask, check });
      return { asked, planned };
    };
    const replaced = names({ projectName: ['demo'], replace: [true] });
    assert.equal((await replaced.planned).replaces, true);
    assert.equal(replaced.asked.filter((name) => name === 'replace').length, 1);
    const other = await names({ projectName: ['demo', 'free'], replace: [false] }).planned;
    assert.ok(other.directory.endsWith('free') && !other.replaces);
    const only = ['demo', '--framework=sklearn'];
    const first = await plan(
      'app',
      readArguments(only),
      { cwd, env: {} },
      {
        ask: async ({ name, default: initial }) => (name === 'replace' ? true : (initial ?? '')),
        check,
      },
    );
    assert.equal(first.replaces, true);
  });

  it('asks for the code that a model needs', async () => {
    const folder = mkdtempSync(join(cwd, 'code-'));
    putPickle('pipeline-main-1.9.joblib', join(folder, 'own.joblib'));
    writeFileSync(join(folder, 'train.py'), 'class Clip:\n    pass\n');
    const asked = await questions({ model: 'own.joblib', code: 'train.py' }, [], { cwd: folder });
    assert.equal(asked.get('code')?.type, 'path');
    assert.match(asked.get('code')?.intro ?? '', /needs Clip/);
    assert.match(String(asked.get('code')?.validate?.('absent.py')), /absent\.py does not exist/);
    assert.doesNotMatch(asked.get('confirmation')?.intro ?? '', /needs Clip/);
    putPickle('logistic-1.9.protocol-4.pkl', join(folder, 'plain.pkl'));
    assert.ok(!(await questions({ model: 'plain.pkl' }, [], { cwd: folder })).has('code'));
  });

  it('asks for the model if the framework is known, and not for the version of a file that any version reads', async () => {
    const folder = mkdtempSync(join(cwd, 'booster-'));
    const models = JSON.parse(readFileSync(new URL('../unit/fixtures/models.json', import.meta.url), 'utf8'));
    writeFileSync(join(folder, 'x.json'), gunzipSync(Buffer.from(models['xgboost.json'].data, 'base64')));
    const asked = await questions({ model: 'x.json' }, ['--framework=xgboost'], { cwd: folder });
    assert.ok(asked.has('model') && !asked.has('frameworkVersion'));
  });

  it('says how to keep or drop an earlier answer, and does not suggest one that no longer works', async () => {
    const awsRoleArn = 'arn:aws:iam::123456789012:role/x';
    const model = join(cwd, 'kept.pkl');
    putPickle('logistic-1.9.protocol-4.pkl', model);
    const again = await afterGoingBack('model', { first: { model }, second: { model: '' } });
    assert.match(again.asked.get('model')?.message ?? '', /Enter: keep this value, Backspace: clear it/);
    const second = { awsRegion: 'cn-north-1' };
    const args = ['--framework=sklearn'];
    const { asked, planned } = await afterGoingBack('awsRegion', { first: { awsRoleArn }, second }, args);
    assert.equal(asked.get('awsRoleArn')?.default, undefined);
    assert.match(asked.get('awsRoleArn')?.message ?? '', /Enter: choose it when you deploy/);
    assert.equal((planned.summary as { project: { awsRegion: string } }).project.awsRegion, 'cn-north-1');
  });

  it('ignores spaces around an answer', async () => {
    const asked = await questions({ modelName: ' Qwen/Qwen3-0.6B ', projectName: 'demo ' }, [
      '--framework=transformers',
    ]);
    assert.equal(asked.get('modelName')?.validate?.(' Qwen/Qwen3-0.6B '), true);
  });

  it('names questions, not flags, in what it refuses and in the summary', async () => {
    const args = ['--framework=transformers', '--deploy-target=serverless', '--model-server=fastapi'];
    const asked = await questions({ modelName: 'a/b-70b', modelMemory: 1, serverlessMemory: 6144 }, args);
    const refused = String(asked.get('modelMemory')?.validate?.('130'));
    assert.match(refused.replaceAll(/\s+/g, ' '), /set deploy target to realtime and set model server to vllm/);
    const summary = asked.get('confirmation')?.intro ?? '';
    for (const text of [refused, summary]) assert.doesNotMatch(text, /--/);
    assert.match(summary, /Serverless memory +6144 MB/);
    assert.doesNotMatch(summary, /Runtime|Multi-model|Training container/);
  });

  it('asks for the size of a model that its name rules out, and goes back to the name without one', async () => {
    const asked: string[] = [];
    let intro = '';
    const answers = { modelName: ['a/b-2000b', 'a/c-3000b'], modelMemory: ['', '12'] };
    const ask = async (question: Question) => {
      asked.push(question.name);
      if (question.name === 'modelMemory') {
        intro = question.intro ?? '';
        assert.equal(question.validate?.(''), true);
        assert.match(String(question.validate?.('4000')), /4000 GiB/);
      }
      return answers[question.name as 'modelName']?.shift() ?? question.default ?? '';
    };
    const planned = await walk({ ask }, ['demo', '--framework=transformers']);
    const first = ['model', 'modelName', 'modelMemory', 'modelName', 'modelMemory', 'deployTarget'];
    assert.deepEqual(
      asked.filter((name) => first.includes(name)),
      first.slice(1),
    );
    assert.match(intro.replaceAll(/\s+/g, ' '), /a\/c-3000b needs about 5588 GiB.*no instance type can hold it/);
    assert.equal((planned.summary as { project: { modelMemory: number } }).project.modelMemory, 12);
    const forever = walk(
      { ask: async ({ name, default: initial }) => (name === 'modelName' ? 'a/b-2000b' : initial) },
      ['demo', '--framework=transformers'],
    );
    await assert.rejects(forever, /2000b needs about/);
  });

  it('disables a choice for the reason that remains with the best of the other answers', async () => {
    const asked = await questions({ modelName: 'Qwen/Qwen3-8B' }, ['--framework=transformers']);
    const serverless = asked.get('deployTarget')?.choices?.find(({ value }) => value === 'serverless');
    assert.match(serverless?.disabled?.replaceAll(/\s+/g, ' ') ?? '', /31 GiB on a CPU, more than 6144 MB/);
  });

  it('asks before it uses a model that runs commands when it is loaded', async () => {
    const folder = mkdtempSync(join(cwd, 'danger-'));
    putPickle('ops.pkl', join(folder, 'ops.pkl'));
    const asked: string[] = [];
    const walkWith = (trust: boolean[]) =>
      plan(
        'app',
        readArguments([]),
        { cwd: folder, env: {} },
        {
          ask: async ({ name, intro, default: initial }) => {
            asked.push(name);
            if (name === 'trust') assert.match(intro ?? '', /Loading ops\.pkl calls os\.system/);
            if (name === 'trust') return trust.shift() ?? initial;
            if (name === 'model') return 'ops.pkl';
            return name === 'framework' ? 'custom' : (initial ?? '');
          },
          check: () => [],
        },
      );
    const planned = await walkWith([false, true]);
    assert.deepEqual(asked.slice(0, 4), ['model', 'trust', 'model', 'trust']);
    assert.ok(planned.copies.some(({ path }) => path.startsWith('model/')));
    assert.match(planned.warnings.join(), /loading ops\.pkl calls os\.system/);
    await assert.rejects(walkWith([]), /calls os\.system/);
  });

  it('offers the smallest types with and without a GPU to a language model on fastapi', async () => {
    const args = ['--framework=transformers', '--model-name=Qwen/Qwen3-8B', '--model-server=fastapi'];
    const asked = await questions({}, args);
    const offers = asked.get('instanceType')?.choices ?? [];
    const named = (type: string) => offers.find(({ value }) => value === type)?.name.replaceAll(/\s+/g, ' ') ?? '';
    assert.match(named('ml.g5.xlarge'), /the smallest with a GPU that can hold/);
    assert.match(named('ml.r5.2xlarge') || named('ml.r5.xlarge'), /the smallest that can hold/);
    assert.match(asked.get('confirmation')?.intro ?? '', /Warning: [\s\S]*fits on ml\.g5\.xlarge/);
  });

  it('names the library whose version it asks for and shows', async () => {
    const asked = await questions({}, ['--framework=sklearn']);
    assert.match(asked.get('frameworkVersion')?.message ?? '', /Version of scikit-learn that saved the model/);
    const summary = (await questions({}, ['--framework=onnx'])).get('confirmation')?.intro ?? '';
    assert.match(summary, /Framework version +[\d.]+ of ONNX Runtime/);
  });

  it('shows the cost of a default instance type in the summary', async () => {
    const asked = await questions({}, ['--framework=transformers', '--model-name=Qwen/Qwen3-8B']);
    assert.match(
      asked.get('confirmation')?.intro ?? '',
      /Warning: [\s\S]*which costs\s+less\s+than[\s\S]*set instance type to\s/,
    );
  });

  it('of configure suggests the answers in the file that it writes', async () => {
    const folder = mkdtempSync(join(cwd, 'configure-'));
    const file = { framework: 'xgboost', modelServer: 'flask', awsRegion: 'eu-west-1' };
    writeFileSync(join(folder, 'ml-container.config.json'), JSON.stringify(file));
    const asked = new Map<string, Question>();
    const ask = async (question: Question) => {
      asked.set(question.name, question);
      return question.name === 'awsRegion' ? 'eu-west-2' : (question.default ?? '');
    };
    const planned = await plan('configure', readArguments([]), { cwd: folder, env: {} }, { ask, check: () => [] });
    assert.deepEqual(
      ['framework', 'modelServer', 'awsRegion'].map((name) => asked.get(name)?.default),
      ['xgboost', 'flask', 'eu-west-1'],
    );
    const [written] = planned.files;
    assert.equal(JSON.parse(written && 'text' in written ? written.text : '').awsRegion, 'eu-west-2');
  });
});

describe('a typed path', () => {
  const { platform } = process;
  for (const [typed, path] of [
    ["'my model.pkl' ", 'my model.pkl'],
    ['file:///tmp/my%20model.pkl', '/tmp/my model.pkl'],
    ...(platform === 'win32' ? [] : [['my\\ model\\(1\\).pkl', 'my model(1).pkl']]),
  ])
    it(`can be ${typed}`, () => assert.equal(cleanPath(String(typed)), path));

  it('that is an address or the name of a model is refused with a way to go on', () => {
    const hint = (path: string) => importModel(path, 'the test', cwd, false).problems[0]?.hint ?? '';
    assert.match(hint('s3://bucket/churn.pkl'), /download it first/);
    assert.match(hint('Qwen/Qwen3-8B'), /use --framework=transformers and --model-name=/);
    assert.equal(hint('absent.pkl'), 'check the path');
  });
});
