// Windows has other paths, and a checkout with other line endings and modes. The generated files must be the same.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contents, newFolder, quietEnv, run } from '../support/bin.js';
import { filesBelow } from '../support/generate.js';
import { root } from '../support/tools.js';
import { asWindows, runOnWindows } from '../support/windows.js';

/** The start of an XGBoost model in JSON. */
const booster = JSON.stringify({
  learner: {
    attributes: {},
    feature_names: ['age', 'calls'],
    feature_types: ['int', 'int'],
    gradient_booster: { model: { gbtree_model_param: { num_trees: '1' } }, name: 'gbtree' },
    learner_model_param: { base_score: '5E-1', num_class: '0', num_feature: '2', num_target: '1' },
    objective: { name: 'reg:squarederror' },
  },
  version: [3, 0, 2],
});

/** Creates a folder with a model and a Python package. */
function prepareFolder(): string {
  const folder = newFolder();
  mkdirSync(join(folder, 'my models'));
  mkdirSync(join(folder, 'own/features/dates'), { recursive: true });
  writeFileSync(join(folder, 'my models/churn.json'), booster);
  for (const name of ['__init__.py', 'dates/__init__.py']) writeFileSync(join(folder, 'own/features', name), '');
  writeFileSync(join(folder, 'training.txt'), 'xgboost==3.0.2\nnumpy==2.2.0\n');
  return folder;
}

describe('with Windows paths', () => {
  const flags = ['--include-sample-model', '--deploy-tool=cli,boto3', '--include-training'];

  it('the same files are written, and their paths have slashes', () => {
    const [here, there] = [newFolder(), newFolder()];
    assert.equal(run(here, ['demo', '--framework=sklearn', ...flags]).status, 0);
    const { status, stdout, stderr } = runOnWindows(there, ['demo', '--framework=sklearn', ...flags]);
    assert.equal(status, 0, stderr);
    assert.deepEqual(contents(there), contents(here));
    assert.match(stdout, /^ {2}cd demo && test\/run_local\.sh$/m);
    const { files } = JSON.parse(runOnWindows(there, ['demo', '--json', '--dry-run']).stdout);
    assert.deepEqual([...files].sort(), filesBelow(join(there, 'demo')));
  });

  it('a model and code are found by paths with backslashes, a drive or blanks', () => {
    const [here, there] = [prepareFolder(), prepareFolder()];
    const slashes = ['churn', '--model=my models/churn.json', '--code=own/features', '--requirements=training.txt'];
    const expected = run(here, slashes);
    assert.equal(expected.status, 0, expected.stderr);
    for (const args of [
      ['--model=my models\\churn.json', '--code=own\\features', '--requirements=.\\training.txt'],
      [
        `--model=${asWindows(join(there, 'my models/churn.json'))}`,
        `--code=${asWindows(join(there, 'own/features'))}`,
        '--requirements=training.txt',
      ],
    ]) {
      const { status, stderr } = runOnWindows(there, ['churn', ...args]);
      assert.equal(status, 0, stderr);
      assert.deepEqual(contents(join(there, 'churn')), contents(join(here, 'churn')));
    }
    assert.ok(filesBelow(join(there, 'churn')).includes('code/features/dates/__init__.py'));
  });

  it('inspect names the project after the file, and quotes its path', () => {
    const path = asWindows(join(prepareFolder(), 'my models/churn.json'));
    const { status, stdout, stderr } = runOnWindows(newFolder(), ['inspect', path]);
    assert.equal(status, 0, stderr);
    assert.ok(stdout.endsWith(`  ml-container-creator churn --model='${path}'\n`), stdout);
  });

  it('the output folder is accepted with slashes, and refused with backslashes before anything is written', () => {
    const folder = newFolder();
    const place = asWindows(join(folder, 'out')).replaceAll('\\', '/');
    const made = runOnWindows(folder, ['--framework=sklearn', `--project-dir=${place}`]);
    assert.equal(made.status, 0, made.stderr);
    assert.ok(filesBelow(join(folder, 'out')).includes('deploy/deploy.sh'));
    const other = newFolder();
    const { status, stderr } = runOnWindows(other, ['--framework=sklearn', `--project-dir=${asWindows(other)}\\out`]);
    assert.equal(status, 2);
    assert.match(stderr, /projectDir/);
    assert.deepEqual(filesBelow(other), []);
  });
});

describe('from a Windows checkout', () => {
  it('with CRLF line endings and no executable bits, the same bytes and modes are generated', () => {
    const checkout = newFolder();
    for (const name of ['dist', 'templates', 'package.json'])
      cpSync(join(root, name), join(checkout, name), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'));
    for (const path of filesBelow(join(checkout, 'templates')).filter((each) => !each.endsWith('.gz'))) {
      const file = join(checkout, 'templates', path);
      writeFileSync(file, readFileSync(file, 'utf8').replace(/\r?\n/g, '\r\n'));
      chmodSync(file, 0o644);
    }
    const bin = join(checkout, 'dist/generators/cli.js');
    const full = [
      '--include-sample-model',
      '--include-training',
      '--deploy-tool=cli,boto3,cdk',
      '--build-target=codebuild',
    ];
    for (const flags of [
      ['--framework=sklearn', '--model-server=flask', ...full],
      ['--framework=xgboost', '--multi-model', '--model-server=mms'],
      ['--framework=transformers', '--model-name=org/x-1b'],
    ]) {
      const [here, there] = [newFolder(), newFolder()];
      assert.equal(run(here, ['demo', ...flags]).status, 0);
      const options = { cwd: there, env: quietEnv, encoding: 'utf8', input: '' } as const;
      const { status, stderr } = spawnSync(process.execPath, [bin, 'demo', ...flags], options);
      assert.equal(status, 0, stderr);
      const files = contents(there);
      assert.deepEqual(files, contents(here));
      assert.deepEqual(
        Object.entries(files).filter(([name, text]) => !name.endsWith('.gz') && text.includes('\r')),
        [],
      );
      assert.match(files['demo/code/serve'] ?? '', /^755 /);
    }
  });

  it('all files of the repository are stored and checked out with LF', () => {
    assert.match(readFileSync(join(root, '.gitattributes'), 'utf8'), /^\* text=auto eol=lf$/m);
  });
});
