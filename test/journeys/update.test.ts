// `update` on edited projects: edits are kept, and everything else is as if newly generated.
import assert from 'node:assert/strict';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import helpers from 'yeoman-test';
import { baseFile, decodeBase } from '../../generators/project/base.js';
import Update from '../../generators/update/index.js';
import { version } from '../../generators/version.js';
import { contents, newFolder, quietEnv, run } from '../support/bin.js';
import { type Edit, edit, edited, generate, update } from '../support/projects.js';
import { outcome, root } from '../support/tools.js';

const edits: readonly Edit[] = [
  { path: 'code/model_handler.py', from: 'it loads your model', to: 'it loads the churn model' },
  { path: 'code/model_handler.py', to: '\n\ndef ours() -> int:\n    return 1\n' },
  { path: 'deploy/settings.env', from: 'S3_BUCKET=\n', to: 'S3_BUCKET=churn-bucket\n' },
  { path: 'README.md', to: '\n## Who to call\n\nThe churn team.\n' },
  { path: 'requirements.in', to: 'pandas==2.3.3\n' },
];
const extra = 'code/churn/rules.py';

/** Edits a project like a user, and adds a file. */
function editAll(folder: string): void {
  edit(folder, ...edits);
  mkdirSync(join(folder, 'code/churn'));
  writeFileSync(join(folder, extra), 'LIMIT = 3\n');
}

/** Generates a project and edits it. */
async function editedProject(...args: string[]): Promise<string> {
  const folder = await generate(newFolder(), '--framework=xgboost', ...args);
  editAll(folder);
  return folder;
}

/** The contents of a newly generated project with the same edits. */
async function expected(...args: string[]): Promise<Record<string, string>> {
  const fresh = contents(await generate(newFolder(), '--framework=xgboost', ...args));
  for (const each of edits) fresh[each.path] = edited(fresh[each.path] ?? '', each);
  return { ...fresh, [extra]: '644 LIMIT = 3\n' };
}

const changes: Readonly<Record<string, readonly string[]>> = {
  'another server': ['--model-server=flask'],
  'the CDK, too': ['--deploy-tool=cli,cdk'],
  'another target': ['--deploy-target=serverless'],
  'a training container': ['--include-training'],
  'another version of the framework': ['--framework-version=2.1'],
  'another name': ['--project-name=churn'],
  'no tests, a build in AWS and the model in the image': [
    '--no-include-tests',
    '--build-target=codebuild',
    '--model-delivery=image',
  ],
};

describe('an update to', () => {
  for (const [name, args] of Object.entries(changes))
    it(`${name} keeps all edits, has nothing to do when repeated, and can be undone to the same bytes`, async () => {
      const folder = await editedProject();
      const first = contents(folder);
      const { status, output } = await update(folder, args);
      assert.equal(status, 0, output);
      const second = contents(folder);
      assert.deepEqual(second, await expected(...args));
      assert.match((await update(folder)).output, /^Nothing to update/);
      assert.match((await update(folder, args)).output, /^Nothing to update/);
      assert.deepEqual(contents(folder), second);
      const stored = JSON.parse(first['.yo-rc.json']?.slice(4) ?? '')['generator-ml-container-creator'];
      const back = [`--project-name=${stored.projectName}`, '--deploy-target=realtime', '--deploy-tool=cli'];
      const rest = ['--no-include-training', '--include-tests', '--build-target=local', '--model-delivery=s3'];
      const server = ['--model-server=fastapi', `--framework-version=${stored.frameworkVersion}`];
      assert.equal((await update(folder, [...back, ...rest, ...server])).status, 0);
      assert.deepEqual(contents(folder), first);
    });

  it('another framework lists the conflicts', async () => {
    const folder = await editedProject();
    const { status, output } = await update(folder, ['--framework=sklearn', '--model-format=skops']);
    assert.equal(status, 4);
    assert.match(output, /conflict +code\/model_handler\.py/);
    assert.match(
      readFileSync(join(folder, 'code/model_handler.py'), 'utf8'),
      /<<<<<<< yours\n[\s\S]*=======\n[\s\S]*>>>>>>> generated\n/,
    );
    await assert.rejects(update(folder), /conflicts from an earlier merge are unresolved/);
  });
});

describe('an update by another version of the generator', () => {
  const place = newFolder();
  const newer = join(place, 'newer');
  before(() => {
    for (const part of ['dist', 'templates', 'package.json'])
      cpSync(join(root, part), join(newer, part), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(newer, 'node_modules'));
    edit(newer, { path: 'package.json', from: `"version": "${version()}"`, to: '"version": "9.0.0"' });
    edit(
      join(newer, 'templates'),
      { path: 'container/code/serving/values.py', to: '\n\nNEW = 1\n' },
      { path: 'container/Dockerfile.ejs', to: '# version 9\n' },
      {
        path: 'frameworks/xgboost/code/model_handler.py',
        from: 'Each request passes through',
        to: 'A request passes through',
      },
    );
  });
  const runNewer = (folder: string, ...args: string[]) =>
    outcome(process.execPath, [join(newer, 'dist/generators/cli.js'), ...args], {
      cwd: folder,
      env: quietEnv,
      input: '',
    });

  it('applies its changes, keeps the edits, and is not undone by an older version', async () => {
    const folder = await editedProject();
    const before = contents(folder);
    const { status, output } = runNewer(folder, 'update');
    assert.equal(status, 0, output);
    assert.match(output, /from version \S+ to 9\.0\.0: wrote 3 files\./);
    const after = contents(folder);
    const handler = after['code/model_handler.py'] ?? '';
    assert.match(handler, /it loads the churn model[\s\S]*A request passes through[\s\S]*def ours/);
    const changed = Object.keys(after).filter((path) => after[path] !== before[path]);
    assert.deepEqual(changed, [baseFile, 'Dockerfile', 'code/model_handler.py', 'code/serving/values.py']);
    assert.match(runNewer(folder, 'update').output, /Nothing to update/);
    await assert.rejects(update(folder), /generated by version 9\.0\.0, but this is.*install version 9\.0\.0/s);
    assert.deepEqual(contents(folder), after);
  });
});

describe('an update', () => {
  it('does not restore deleted files, and lists those that would have changed', async () => {
    const folder = await generate(newFolder(), '--framework=xgboost');
    for (const path of ['test/check_contract.py', 'Dockerfile']) rmSync(join(folder, path));
    const { status, output } = await update(folder, ['--model-server=flask']);
    assert.equal(status, 0);
    assert.match(output, /deleted +Dockerfile/);
    assert.doesNotMatch(output, /check_contract/);
    assert.ok(!existsSync(join(folder, 'Dockerfile')) && !existsSync(join(folder, 'test/check_contract.py')));
  });

  it('removes files that are no longer generated, keeps edited ones, and merges these when generated again', async () => {
    const folder = await generate(newFolder(), '--framework=xgboost', '--include-training');
    edit(folder, { path: 'train/train.py', to: '# ours\n' });
    const first = contents(folder);
    assert.match((await update(folder, ['--no-include-training'])).output, /kept +train\/train\.py/);
    assert.deepEqual(Object.keys(contents(join(folder, 'train'))), ['train.py']);
    assert.match((await update(folder)).output, /^Nothing to update/);
    assert.equal((await update(folder, ['--include-training'])).status, 0);
    assert.deepEqual(contents(folder), first);
  });

  it('reports a conflict if the user has added a file that is generated now', async () => {
    const folder = await generate(newFolder(), '--framework=xgboost');
    writeFileSync(join(folder, 'code/nginx.conf'), '# ours\n');
    const { status } = await update(folder, ['--model-server=flask']);
    assert.equal(status, 4);
    assert.match(
      readFileSync(join(folder, 'code/nginx.conf'), 'utf8'),
      /^<<<<<<< yours\n# ours\n=======\n[\s\S]+>>>>>>> generated\n$/,
    );
  });

  it('keeps CRLF line endings, binary files, missing newlines and modes', async () => {
    const folder = await generate(newFolder(), '--framework=xgboost');
    const place = (path: string) => join(folder, path);
    const windows = (path: string) =>
      writeFileSync(place(path), readFileSync(place(path), 'utf8').replaceAll('\n', '\r\n'));
    for (const path of ['README.md', 'Dockerfile', 'lock.sh']) windows(path);
    edit(folder, { path: 'README.md', to: 'Ours, without an end' });
    writeFileSync(place('requirements.in'), Buffer.from('# caf\xe9\n', 'latin1'), { flag: 'a' });
    writeFileSync(place('requirements.txt'), Buffer.from([0, 1, 2, 255]));
    const lock = readFileSync(place('lock.sh'));
    const { status, output } = await update(folder, ['--model-server=flask']);
    assert.equal(status, 4, output);
    assert.deepEqual(readFileSync(place('lock.sh')), lock);
    assert.doesNotMatch(readFileSync(place('README.md'), 'latin1'), /[^\r]\n/);
    assert.match(readFileSync(place('README.md'), 'utf8'), /served by Flask[\s\S]*Ours, without an end$/);
    assert.match(readFileSync(place('Dockerfile'), 'utf8'), /nginx/);
    assert.doesNotMatch(readFileSync(place('Dockerfile'), 'latin1'), /[^\r]\n/);
    assert.match(readFileSync(place('requirements.in'), 'latin1'), /gunicorn[\s\S]*# caf\xe9\n/);
    assert.deepEqual([...readFileSync(place('requirements.txt'))], [0, 1, 2, 255]);
    assert.match(readFileSync(place('requirements.txt.new'), 'utf8'), /gunicorn/);
    assert.match(output, /conflict +requirements\.txt .*see requirements\.txt\.new/);
  });

  it('with --dry-run, prints a diff that has the same result when applied with git', async () => {
    const [repository, other] = [newFolder(), await editedProject()];
    const one = join(repository, 'service');
    appendFileSync(join(other, 'README.md'), Buffer.from([0x63, 0x61, 0x66, 0xe9, 0x0a])); // Latin-1
    cpSync(other, one, { recursive: true });
    outcome('git', ['init', '-q'], { cwd: repository });
    const args = ['--model-server=flask', '--deploy-target=serverless', '--force'];
    const before = contents(one);
    const { status, diff } = await update(one, [...args, '--dry-run']);
    assert.equal(status, 0);
    assert.deepEqual(contents(one), before);
    const patch = join(newFolder(), 'update.diff');
    writeFileSync(patch, diff);
    const applied = outcome('git', ['apply', patch], { cwd: one });
    assert.equal(applied.status, 0, applied.output);
    await update(other, args);
    const [byGit, byUpdate] = [contents(one), contents(other)];
    assert.deepEqual({ ...byGit, [baseFile]: '' }, { ...byUpdate, [baseFile]: '' });
  });

  it('leaves a lock written by lock.sh unchanged, and says when to run lock.sh', async () => {
    const folder = await editedProject();
    const lock = join(folder, 'requirements.txt');
    assert.match((await update(folder, ['--aws-region=eu-west-1'])).output, /Next:\n {2}\.\/lock\.sh\n$/);
    const body = `${readFileSync(lock, 'utf8').split('\n').slice(1).join('\n')}pandas==2.3.3\n`;
    writeFileSync(lock, body);
    const script = `{ printf '# Check: %s\\n' "$(cat requirements.in .python-version requirements.txt | sha256sum | cut -c 1-16)"; cat requirements.txt; } >made && mv made requirements.txt`;
    outcome('sh', ['-c', script], { cwd: folder });
    assert.equal(outcome('./lock.sh', ['--check'], { cwd: folder }).status, 0);
    assert.doesNotMatch((await update(folder, ['--aws-region=eu-west-2'])).output, /lock\.sh/);
    const made = readFileSync(lock, 'utf8');
    const { status, output } = await update(folder, ['--model-server=flask']);
    assert.deepEqual([status, readFileSync(lock, 'utf8')], [0, made]);
    assert.match(output, /Next:\n {2}\.\/lock\.sh\n$/);
  });

  it('keeps the files derived from the model, without the model', async () => {
    const home = newFolder();
    const fixtures = JSON.parse(readFileSync(join(root, 'test/unit/fixtures/pickles.json'), 'utf8'));
    writeFileSync(join(home, 'model.joblib'), gunzipSync(Buffer.from(fixtures['logistic-1.3.joblib'].data, 'base64')));
    assert.equal(run(home, ['demo', '--model=model.joblib']).status, 0);
    const folder = join(home, 'demo');
    const first = contents(folder);
    assert.match(first['test/sample_request.json'] ?? '', /instances/);
    assert.equal(run(folder, ['update', '--no-include-tests']).status, 0);
    assert.ok(!existsSync(join(folder, 'test')));
    assert.equal(run(folder, ['update', '--include-tests', '--json']).status, 0);
    assert.deepEqual(contents(folder), first);
  });

  it('applies edits of .yo-rc.json, and keeps what other generators store there', async () => {
    const folder = await generate(newFolder(), '--framework=xgboost');
    edit(
      folder,
      { path: '.yo-rc.json', from: '"modelServer": "fastapi"', to: '"modelServer": "flask"' },
      { path: '.yo-rc.json', from: '{\n', to: '{\n  "generator-other": { "a": 1 },\n' },
    );
    assert.equal((await update(folder, ['--instance-count=2'])).status, 0);
    const stored = JSON.parse(readFileSync(join(folder, '.yo-rc.json'), 'utf8'));
    assert.deepEqual(stored['generator-other'], { a: 1 });
    assert.equal(stored['generator-ml-container-creator'].modelServer, 'flask');
    assert.ok(existsSync(join(folder, 'code/nginx.conf')));
  });

  it('with --json, prints one object', async () => {
    const folder = await editedProject();
    const { status, stdout } = run(folder, ['update', '--model-server=flask', '--json']);
    assert.equal(status, 0);
    const { project, files, merged, conflicts } = JSON.parse(stdout);
    assert.equal(project.modelServer, 'flask');
    assert.ok(files.includes('code/nginx.conf') && merged.includes('README.md'));
    assert.deepEqual(conflicts, []);
  });
});

describe('on a conflict, the sub-generator', () => {
  /** Runs it as Yeoman does, on a project with a conflict. Returns the README and the paths of saved files. */
  async function resolved(answer: string): Promise<[string, string[]]> {
    const folder = await generate(newFolder(), '--framework=xgboost');
    edit(folder, { path: 'README.md', from: ' served by FastAPI', to: ' served by our own FastAPI' });
    const context = helpers.run(Update as never, { namespace: 'ml-container-creator:update' } as never, {
      cwd: folder,
    });
    await context.withAnswers({ conflicts: answer }).withOptions({ 'model-server': 'flask' } as never);
    const all = contents(folder);
    return [all['README.md'] ?? '', Object.keys(all).filter((path) => path.includes('.orig'))];
  }

  it('asks, and keeps yours', async () => assert.match((await resolved('yours'))[0], /our own FastAPI/));

  it('asks, and uses the generated lines after saving yours', async () => {
    const [readme, saved] = await resolved('generated');
    assert.match(readme, / served by Flask/);
    assert.deepEqual(saved, ['README.md.orig']);
  });

  it('asks, and writes markers', async () => assert.match((await resolved('markers'))[0], /<<<<<<< yours\n/));

  it('asks, and changes nothing if cancelled', async () => {
    await assert.rejects(resolved('cancel'), /nothing was changed/);
    process.exitCode = 0;
  });
});

describe('--force over an edited project', () => {
  it('saves the edited files that it replaces, and prints the number of files written', async () => {
    const folder = await editedProject();
    writeFileSync(join(folder, 'README.md.orig'), 'older\n');
    const args = ['--project-dir=.', '--force', '--model-server=flask'];
    const before = contents(folder);
    const { status, stdout } = run(folder, args);
    assert.equal(status, 0);
    const after = contents(folder);
    const saved = [
      'README.md.orig.1',
      'code/model_handler.py.orig',
      'deploy/settings.env.orig',
      'requirements.in.orig',
    ];
    assert.deepEqual(
      Object.keys(after).filter((path) => /\.orig/.test(path)),
      ['README.md.orig', ...saved],
    );
    for (const name of saved) assert.equal(after[name], before[name.replace(/\.orig(\.1)?$/, '')], name);
    assert.match(stdout, /Saved the files that you had edited:\n( {2}\S+\n)* {2}code\/model_handler\.py\.orig\n/);
    const changed = Object.keys(after).filter((path) => after[path] !== before[path] && !saved.includes(path));
    assert.match(stdout, new RegExp(`Wrote ${changed.length} files to `));
    assert.match(run(folder, args).stdout, / is up to date: nothing was written\.$/m);
    assert.equal((await update(folder)).status, 0);
  });
});

describe('the base of a project', () => {
  it('contains the version and the format, is small, and is reproducible', async () => {
    const all = [
      '--include-training',
      '--include-sample-model',
      '--deploy-tool=cli,boto3,cdk',
      '--build-target=codebuild',
    ];
    for (const args of [[], all, ['--framework=pytorch', ...all], ['--runtime=onnx', ...all.slice(1)]]) {
      const [one, two] = [newFolder(), newFolder()];
      for (const folder of [one, two])
        await generate(folder, ...(args[0]?.includes('framework') ? [] : ['--framework=sklearn']), ...args);
      const bytes = readFileSync(join(one, baseFile));
      assert.deepEqual(bytes, readFileSync(join(two, baseFile)));
      assert.ok(bytes.length < 60_000, `${bytes.length} bytes`);
      const text = outcome('gzip', ['-dc', baseFile], { cwd: one }).output;
      assert.match(text, new RegExp(`"format":1,"version":"${version()}"`));
      const { files } = decodeBase(bytes, version());
      for (const { path, text } of files) assert.equal(readFileSync(join(one, path), 'utf8'), text, path);
    }
  });
});
