// `inspect`, --model and --code from the command line.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { create } from 'tar';
import { newFolder, run } from '../support/bin.js';

const fixturesOf = (file: string): Record<string, { data: string }> =>
  JSON.parse(readFileSync(new URL(`../unit/fixtures/${file}.json`, import.meta.url), 'utf8'));
const fixtures = fixturesOf('pickles');

/** Writes the fixture `name`, a real model, to `path`. */
function put(folder: string, name: string, path: string): string {
  const file = join(folder, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, gunzipSync(Buffer.from(fixtures[name]?.data ?? assert.fail(name), 'base64')));
  return file;
}

const train = `import joblib
import numpy as np

class Clip:
    def transform(self, X):
        return np.clip(X, -1, 1)

joblib.dump(Clip(), "churn.joblib")
`;

describe('inspect', () => {
  const folder = newFolder();
  put(folder, 'logistic-1.3.joblib', 'churn.joblib');

  it('describes a file on one screen, with the command that generates a project', () => {
    const { status, stdout } = run(folder, ['inspect', 'churn.joblib']);
    assert.equal(status, 0);
    for (const line of [
      'joblib file of LogisticRegression',
      'scikit-learn 1.3.2',
      '4 double values per record',
      '0, 1',
    ])
      assert.ok(stdout.includes(line), stdout);
    assert.match(stdout, /^ {2}ml-container-creator churn --model=churn\.joblib$/m);
  });

  it('prints a command that works when pasted', () => {
    const { stdout } = run(folder, ['inspect', 'churn.joblib', '--json']);
    const { command } = JSON.parse(stdout);
    const { status, stderr } = run(folder, [...command.split(' ').slice(1), '--dry-run']);
    assert.equal(status, 0, stderr);
  });

  it('prints JSON with --json, with null for unknown facts', () => {
    put(folder, 'pipeline-main-1.9.joblib', 'own.joblib');
    const { stdout } = run(folder, ['inspect', '--json', 'own.joblib']);
    const { modules, ...facts } = JSON.parse(stdout);
    assert.deepEqual(
      { ...facts, frameworkVersion: facts.frameworkVersion.slice(0, 3) },
      {
        path: 'own.joblib',
        kind: 'pickle',
        framework: 'sklearn',
        modelFormat: 'joblib',
        frameworkVersion: '1.9',
        pythonVersion: null,
        inputs: null,
        outputs: [{ name: 'predictions', type: 'long', shape: [-1] }],
        warnings: [
          'Clip does not define its inputs, so the sample request has the inputs of a later step, StandardScaler: change it to what Clip accepts.',
        ],
        command: 'ml-container-creator own --model=own.joblib --code=FILE.py',
      },
    );
    const module = (name: string) => modules.find((each: { name: string }) => each.name === name);
    assert.deepEqual(module('__main__'), {
      name: '__main__',
      classes: ['Clip'],
      package: null,
      own: true,
      danger: false,
    });
    assert.equal(module('sklearn.pipeline').package, 'scikit-learn');
  });

  it('warns about dangerous calls in a pickle', () => {
    put(folder, 'ops.pkl', 'bad.pkl');
    const { stdout } = run(folder, ['inspect', 'bad.pkl']);
    assert.match(stdout, /Warning: loading this model calls os\.system, which runs commands/);
    assert.doesNotMatch(stdout, /--model=/);
    assert.ok(
      JSON.parse(run(folder, ['inspect', 'bad.pkl', '--json']).stdout).modules.every(
        (each: { danger: boolean }) => each.danger,
      ),
    );
  });

  it('exits with 0, a warning and no command for a model that cannot be served as it is', () => {
    put(folder, 'dict-1.9.joblib', 'dict.joblib');
    const { status, stdout } = run(folder, ['inspect', 'dict.joblib', '--json']);
    assert.equal(status, 0);
    const { command, warnings } = JSON.parse(stdout);
    assert.equal(command, null);
    assert.match(warnings.join(), /save the model itself/);
  });

  writeFileSync(join(folder, 'empty.pkl'), '');
  writeFileSync(join(folder, 'page.pkl'), '<!DOCTYPE html><html></html>');
  writeFileSync(join(folder, 'pointer.pkl'), 'version https://git-lfs.github.com/spec/v1\n');
  mkdirSync(join(folder, 'nothing'));
  put(folder, 'logistic-1.3.joblib', 'two/a.joblib');
  put(folder, 'logistic-1.9.joblib', 'two/b.joblib');
  symlinkSync('loop', join(folder, 'loop'));
  for (const [path, message] of [
    ['absent.pkl', /absent\.pkl: no such file or folder/],
    ['empty.pkl', /an empty file/],
    ['page.pkl', /a web page/],
    ['pointer.pkl', /Git LFS pointer/],
    ['nothing', /a folder without a model/],
    ['two', /several models: a\.joblib, b\.joblib[\s\S]*two\/a\.joblib/],
    ['loop', /a symbolic link that points to itself/],
    ['--jsn', /unknown flag/],
  ] as const)
    it(`refuses ${path} with exit status 2 and a hint`, () => {
      const { status, stdout, stderr } = run(folder, ['inspect', path]);
      assert.equal(status, 2);
      assert.equal(stdout, '');
      assert.match(stderr, message);
    });
});

describe('--model', () => {
  const folder = newFolder();
  const odd = 'My models/Churn "v2".SAV';
  put(folder, 'logistic-1.3.protocol-4.pkl', odd);

  it('does not ask for a model and a request that the folder already has', () => {
    run(folder, ['twice', `--model=${odd}`]);
    const { status, stdout } = run(folder, ['twice', '--framework=sklearn', '--force']);
    assert.equal(status, 0);
    assert.doesNotMatch(stdout, /^First/m);
  });

  it('sets framework, format and version, and copies the file under the name that the handler expects', () => {
    const { status, stdout, stderr } = run(folder, ['churn', `--model=${odd}`, '--explain']);
    assert.equal(status, 0, stderr);
    for (const line of [/^framework +sklearn +Churn "v2"\.SAV$/m, /^modelFormat +pkl/m, /^frameworkVersion +1\.3\.2/m])
      assert.match(stdout, line);
    assert.deepEqual(readFileSync(join(folder, 'churn/model/model.pkl')), readFileSync(join(folder, odd)));
    assert.deepEqual(JSON.parse(readFileSync(join(folder, 'churn/test/sample_request.json'), 'utf8')), {
      instances: [[0, 0, 0, 0]],
    });
    assert.match(readFileSync(join(folder, 'churn/requirements.in'), 'utf8'), /^scikit-learn==1\.3\.2$/m);
    assert.doesNotMatch(stdout, /First copy your model/);
    assert.equal(statSync(join(folder, 'churn/model/model.pkl')).mode & 0o777, 0o644);
  });

  for (const [flag, message] of [
    ['--framework=xgboost', / was trained with sklearn, not xgboost[\s\S]*use --framework=sklearn/],
    ['--model-format=joblib', / has the format pkl, not joblib[\s\S]*use --model-format=pkl$/m],
    ['--model-format=skops', / has the format pkl, not skops[\s\S]*save the model again with skops\.io\.dump/],
  ] as const)
    it(`refuses ${flag} if the file says otherwise`, () => {
      const { status, stderr } = run(folder, ['other', `--model=${odd}`, flag]);
      assert.equal(status, 2, stderr);
      assert.match(stderr, message);
      assert.ok(!existsSync(join(folder, 'other')));
    });

  it('warns of a version other than the one that saved the file, and how to save a safer file', () => {
    const { status, stderr } = run(folder, ['other', `--model=${odd}`, '--framework-version=1.5', '--dry-run']);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /was saved by scikit-learn 1\.3\.2, but the image has 1\.5/);
    assert.match(stderr, /save the model as skops instead: skops\.io\.dump/);
    assert.doesNotMatch(stderr, /--model-format/);
  });

  it('stores no local path, so that the project can be generated again without the file', () => {
    const stored = readFileSync(join(folder, 'churn/.yo-rc.json'), 'utf8');
    assert.doesNotMatch(stored, /Churn|"model"/);
    const again = run(folder, ['--project-dir=churn', '--dry-run', '--explain']);
    assert.match(again.stdout, /^frameworkVersion +1\.3\.2 +"generator-ml-container-creator" in \.yo-rc\.json/m);
  });

  it('accepts a model.tar.gz, and warns that its code is ignored', () => {
    put(folder, 'logistic-1.3.joblib', 'packed/1/model.joblib');
    mkdirSync(join(folder, 'packed/code'), { recursive: true });
    writeFileSync(join(folder, 'packed/code/inference.py'), 'def model_fn(model_dir):\n    return 1\n');
    create({ file: join(folder, 'model.tar.gz'), cwd: join(folder, 'packed'), gzip: true, sync: true }, ['.']);
    const { status, stderr } = run(folder, ['unpacked', '--model=model.tar.gz']);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /model\.tar\.gz: The archive also contains code\/, .*--code=code/);
    const taken = readFileSync(join(folder, 'unpacked/model/model.joblib'));
    assert.deepEqual(taken, readFileSync(join(folder, 'packed/1/model.joblib')));
    const archive = readFileSync(join(folder, 'model.tar.gz'));
    writeFileSync(join(folder, 'cut.tar.gz'), archive.subarray(0, archive.length / 2));
    assert.match(run(folder, ['cut', '--model=cut.tar.gz']).stderr, /the archive is truncated or damaged/);
  });

  /** Creates an MLflow folder with MLmodel and requirements.txt. */
  function putMlflow(name: string, flavours: string, inputs: readonly object[], more = ''): string {
    const place = join(folder, name);
    mkdirSync(place);
    const signature = `signature:\n  inputs: '${JSON.stringify(inputs)}'`;
    writeFileSync(join(place, 'MLmodel'), `flavors:\n${flavours}\n${signature}\n${more}`);
    writeFileSync(join(place, 'requirements.txt'), 'mlflow==2.14.3\ncloudpickle==3.1.1\npandas==2.2.3\n');
    return place;
  }
  const pyfunc = (predict = 'predict') =>
    `  python_function: { loader_module: mlflow.pyfunc.model, python_version: 3.12.4, predict_fn: ${predict} }`;
  const sklearn = '  sklearn: { pickled_model: model.pkl, sklearn_version: 1.3.2 }';
  const age = { name: 'age', type: 'double', required: false };

  for (const [name, flavours] of [
    ['recommender', pyfunc()],
    ['of-labels', `${pyfunc()}\n  xgboost: { data: model.pkl, model_class: xgboost.sklearn.XGBClassifier }`],
    ['of-probabilities', `${pyfunc('predict_proba')}\n${sklearn}`],
    ['of-trust', `${pyfunc()}\n  sklearn: { pickled_model: model.skops, skops_trusted_types: [own.Step] }`],
  ] as const)
    it(`serves a folder that needs MLflow with MLflow, and its packages and Python version: ${name}`, () => {
      writeFileSync(join(putMlflow(name, flavours, [age]), 'python_model.pkl'), 'x');
      const { status, stdout, stderr } = run(folder, [`serve-${name}`, `--model=${name}`, '--explain']);
      assert.equal(status, 0, stderr);
      assert.match(stdout, new RegExp(`^framework +custom +${name}$`, 'm'));
      const project = (path: string) => readFileSync(join(folder, `serve-${name}`, path), 'utf8');
      assert.match(
        project('requirements.in'),
        /^mlflow==2\.14\.3\ncloudpickle==3\.1\.1\npandas.*\nsetuptools==80\.9\.0$/m,
      );
      assert.equal(project('.python-version'), '3.12\n');
      assert.match(project('code/model_handler.py'), /mlflow\.pyfunc\.load_model/);
      assert.equal(project('model/python_model.pkl'), 'x');
      assert.deepEqual(JSON.parse(project('model/signature.json')), { inputs: [{ ...age, example: null }] });
      assert.deepEqual(JSON.parse(project('test/sample_request.json')), { instances: [{ age: 0 }] });
    });

  const columns = [age, { name: 'city', type: 'string' }, { name: 'since', type: 'datetime', optional: true }];

  it('writes the signature of an MLflow folder, with the values in its input example', () => {
    const example = 'saved_input_example_info: { artifact_path: example.json }\n';
    const place = putMlflow('signed', `${pyfunc()}\n${sklearn}`, columns, example);
    put(folder, 'logistic-1.3.protocol-4.pkl', 'signed/model.pkl');
    const data = '[[NaN, "Oslo", "2024-05-31T00:00:00"], [31.5, "Rome", null]]';
    writeFileSync(join(place, 'example.json'), `{"columns": ["age", "city", "since"], "data": ${data}}`);
    const { status, stderr } = run(folder, ['serve-signed', '--model=signed']);
    assert.equal(status, 0, stderr);
    const project = (path: string) => readFileSync(join(folder, 'serve-signed', path), 'utf8');
    assert.deepEqual(JSON.parse(project('model/signature.json')).inputs, [
      { ...age, example: 31.5 },
      { name: 'city', type: 'string', required: true, nullable: true, example: 'Oslo' },
      { name: 'since', type: 'datetime', required: false, example: '2024-05-31T00:00:00' },
    ]);
    const record = { age: 31.5, city: 'Oslo', since: '2024-05-31T00:00:00' };
    assert.deepEqual(JSON.parse(project('test/sample_request.json')), { instances: [record] });
    assert.match(project('requirements.in'), /^scikit-learn==1\.3\.2$[\s\S]*^pandas==2\.2\.3$/m);
    const { inputs } = JSON.parse(run(folder, ['inspect', 'signed', '--json']).stdout);
    const city = { name: 'city', type: 'string', shape: [-1], required: true, nullable: true, example: 'Oslo' };
    assert.deepEqual(inputs[1], city);
  });

  for (const [name, inputs] of [
    ['a tensor', [{ type: 'tensor', 'tensor-spec': { dtype: 'float64', shape: [-1, 4] } }]],
    ['a column without a name', [{ type: 'double' }]],
    ['a list in a column', [age, { name: 'tags', type: 'array', items: { type: 'string' } }]],
  ] as const)
    it(`writes no signature for ${name}`, () => {
      const place = `of-${name.replaceAll(' ', '-')}`;
      putMlflow(place, pyfunc(), inputs);
      const { status, stderr } = run(folder, [`serve-${place}`, `--model=${place}`]);
      assert.equal(status, 0, stderr);
      assert.ok(!existsSync(join(folder, `serve-${place}`, 'model/signature.json')));
    });

  it('warns that the sample request is a guess if custom code parses requests', () => {
    put(folder, 'logistic-1.3.joblib', 'own.joblib');
    writeFileSync(join(folder, 'inference.py'), 'def input_fn(body, content_type):\n    return body["rows"]\n');
    const { status, stderr } = run(folder, [
      'reads',
      '--model=own.joblib',
      '--code=inference.py',
      '--framework=sklearn',
    ]);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /inference\.py parses requests itself: change test\/sample_request\.json/);
    assert.ok(existsSync(join(folder, 'reads/test/sample_request.json')));
  });

  it('reports one problem for a model that it refuses', () => {
    put(folder, 'dict-1.9.joblib', 'dict.joblib');
    const { status, stderr } = run(folder, ['refused', '--model=dict.joblib']);
    assert.equal(status, 2);
    assert.match(stderr, /^1 problem found; nothing was written:\n {2}model: dict\.joblib/);
  });

  it('is overridden by a flag', () => {
    const { stdout, stderr, status } = run(folder, [
      '--model',
      odd,
      '--framework-version=1.4',
      '--dry-run',
      '--explain',
    ]);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^frameworkVersion +1\.4 +--framework-version/m);
  });

  it('can be a variable or a key of the config file', () => {
    assert.match(run(folder, ['--dry-run', '--explain'], { ML_MODEL: odd }).stdout, /^modelFormat +pkl +Churn/m);
    const other = newFolder();
    writeFileSync(join(other, 'ml-container.config.json'), JSON.stringify({ model: join(folder, odd) }));
    assert.match(run(other, ['--dry-run', '--explain']).stdout, /^modelFormat +pkl +Churn/m);
  });

  it('does not overwrite another model, and says how to replace it', () => {
    put(folder, 'logistic-1.3.protocol-2.pkl', 'new.pkl');
    const { status, stderr } = run(folder, ['--project-dir=churn', '--model=new.pkl']);
    assert.equal(status, 3, stderr);
    assert.match(stderr, /add --force, which saves the old files as NAME\.orig/);
    assert.doesNotMatch(stderr, /update/);
    const forced = run(folder, ['--project-dir=churn', '--model=new.pkl', '--force']);
    assert.equal(forced.status, 0, forced.stderr);
    assert.ok(existsSync(join(folder, 'churn/model/model.pkl.orig')));
    assert.deepEqual(readFileSync(join(folder, 'churn/model/model.pkl')), readFileSync(join(folder, 'new.pkl')));
  });

  it('is refused by update, with the command that copies the file', () => {
    const { stderr } = run(join(folder, 'churn'), ['update', '--model=../new.pkl']);
    assert.match(stderr, /run: cp \.\.\/new\.pkl model\/model\.pkl/);
  });

  it('refuses a model that would run commands when loaded', () => {
    put(folder, 'eval.pkl', 'eval.pkl');
    const refused = run(folder, ['bad', '--model=eval.pkl']);
    assert.equal(refused.status, 2);
    assert.match(refused.stderr, /a dict of|calls builtins\.eval/);
    assert.ok(!existsSync(join(folder, 'bad')));
  });

  it('refuses a file that is not a model, and writes nothing', () => {
    const { status, stderr } = run(folder, ['none', '--model=absent.pkl']);
    assert.equal(status, 2);
    assert.match(stderr, /model: absent\.pkl: no such file or folder \(from --model\)/);
    assert.ok(!existsSync(join(folder, 'none')));
  });
});

describe('--code', () => {
  const folder = newFolder();
  put(folder, 'pipeline-main-1.9.joblib', 'churn.joblib');
  writeFileSync(join(folder, 'train.py'), train);

  it('is suggested if the model needs it', () => {
    const { status, stderr } = run(folder, ['--model=churn.joblib', '--dry-run']);
    assert.equal(status, 0);
    assert.match(stderr, /loading churn\.joblib needs Clip, .*--code=FILE\.py/);
  });

  it('copies the file next to the handler', () => {
    const { status, stderr } = run(folder, ['churn', '--model=churn.joblib', '--code=train.py']);
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stderr, /--code/);
    assert.equal(readFileSync(join(folder, 'churn/code/train.py'), 'utf8'), train);
    const request = JSON.parse(readFileSync(join(folder, 'churn/test/sample_request.json'), 'utf8'));
    assert.deepEqual(request, { instances: [[0, 0, 0, 0]] });
  });

  it('names a class that the file does not define', () => {
    writeFileSync(join(folder, 'other.py'), 'class Other:\n    pass\n');
    const { stderr } = run(folder, ['--model=churn.joblib', '--code=other.py', '--dry-run']);
    assert.match(stderr, /needs Clip, which was defined in .*, but not in other\.py/);
  });

  it('sets the framework to custom for a script with SageMaker’s functions if nothing else determines it', () => {
    writeFileSync(join(folder, 'inference.py'), 'def model_fn(model_dir):\n    return 1\n');
    const { status, stdout, stderr } = run(folder, ['--code=inference.py', '--dry-run', '--explain']);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^framework +custom +inference\.py$/m);
    assert.match(stdout, /^ {2}code\/inference\.py$/m);
  });

  it('keeps the name of the model file if a script loads it', () => {
    const { status, stderr } = run(folder, ['scripted', '--model=churn.joblib', '--code=inference.py']);
    assert.equal(status, 0, stderr);
    assert.ok(existsSync(join(folder, 'scripted/model/churn.joblib')));
    assert.ok(!existsSync(join(folder, 'scripted/model/model.joblib')));
  });

  for (const [path, message] of [
    ['absent.py', /absent\.py does not exist/],
    ['note.ipynb', /is a notebook[\s\S]*run: jupyter nbconvert --to script note\.ipynb; then/],
    ['empty', /empty contains no Python files/],
    ['model_handler.py', /the project already generates code\/model_handler\.py/],
  ] as const)
    it(`refuses ${path}`, () => {
      mkdirSync(join(folder, 'empty'), { recursive: true });
      writeFileSync(join(folder, 'note.ipynb'), '{"cells": []}');
      writeFileSync(join(folder, 'model_handler.py'), '');
      const { status, stderr } = run(folder, ['--framework=custom', `--code=${path}`]);
      assert.equal(status, 2);
      assert.match(stderr, message);
    });
});

describe('--model with --runtime=onnx', () => {
  const folder = newFolder();
  put(folder, 'logistic-1.3.joblib', 'churn.joblib');

  it('takes the facts from the file, but does not copy it', () => {
    const { status, stdout, stderr } = run(folder, ['churn', '--model=churn.joblib', '--runtime=onnx', '--json']);
    assert.equal(status, 0, stderr);
    const { project, files } = JSON.parse(stdout);
    assert.equal(project.frameworkVersion, '1.3.2');
    assert.equal(project.packages, undefined);
    assert.deepEqual(
      files.filter((file: string) => /churn|joblib|pkl|model\/model/.test(file)),
      [],
    );
    assert.match(stderr, /First convert the model.*\n\n {2}python churn\/tools\/convert\.py churn\.joblib ROWS\.csv\n/);
    assert.ok(existsSync(join(folder, 'churn/test/sample_request.json')));
  });
});
