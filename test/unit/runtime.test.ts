// --runtime=onnx: the converted model is served by onnxruntime, and the library that trained it is not in the image.
import assert from 'node:assert/strict';
import { frameworkNames } from '../../generators/catalog/frameworks.js';
import { readObject } from '../../generators/config/sources.js';
import { manifest } from '../../generators/project/manifest.js';
import { render } from '../../generators/project/render.js';
import { resolve } from '../support/generate.js';

const converted = ['sklearn', 'xgboost', 'lightgbm', 'catboost'];
const from = (answers: object) => resolve([readObject({ runtime: 'onnx', ...answers }, 'the test')]);
const said = (answers: object) => from(answers).problems.map(({ message, hint }) => `${message}; ${hint}`);

/** The texts of a project's files, by path. */
function filesOf(answers: object): Map<string, string> {
  const { project, problems } = from(answers);
  assert.ok(project, JSON.stringify(problems));
  return new Map(render(manifest(project), project).map(({ path, text }) => [path, text]));
}

describe('runtime onnx', () => {
  for (const framework of converted)
    it(`of ${framework} puts onnxruntime into the image, and neither the library nor pandas or SciPy`, () => {
      const files = filesOf({ framework });
      const lock = files.get('requirements.txt') ?? '';
      assert.match(lock, /^onnxruntime==/m);
      assert.doesNotMatch(lock, /^(scikit-learn|xgboost|lightgbm|catboost|pandas|scipy|joblib|treelite)\b/m);
      assert.match(files.get('code/model_handler.py') ?? '', /onnxruntime/);
      assert.ok(files.has('tools/convert.py') && files.has('tools/describe_library.py'));
      assert.match(files.get('README.md') ?? '', /python tools\/convert\.py MODEL ROWS\.csv/);
      assert.doesNotMatch(files.get('Dockerfile') ?? '', /libgomp1/);
    });

  it('is not for frameworks whose models do not convert, and is the default of none', () => {
    for (const framework of frameworkNames.filter((name) => !converted.includes(name)))
      assert.match(said({ framework, modelName: 'org/tiny' }).join(), /what works: native/, framework);
    assert.equal(resolve([readObject({ framework: 'sklearn' }, 'the test')]).answers.runtime, 'native');
  });

  it('takes a model of any version, and the Python of the image', () => {
    const files = filesOf({ framework: 'sklearn', frameworkVersion: '0.24' });
    assert.equal(files.get('.python-version'), '3.13\n');
    assert.match(said({ framework: 'sklearn', pythonVersion: '3.10' }).join(), /what works: 3\.11/);
  });

  it('says nothing of pickles, which do not get into the image', () => {
    assert.doesNotMatch(from({ framework: 'sklearn', modelFormat: 'pkl' }).warnings.join(), /pickle/);
    assert.doesNotMatch(filesOf({ framework: 'sklearn' }).get('README.md') ?? '', /is a pickle/);
  });

  it('installs the library for the sample alone', () => {
    const files = filesOf({ framework: 'sklearn', modelFormat: 'skops', includeSampleModel: true });
    const added = files.get('sample_model/requirements.txt') ?? '';
    for (const name of ['scikit-learn', 'skops', 'onnx']) assert.match(added, new RegExp(`^${name}==`, 'm'));
    assert.doesNotMatch(added, /^(numpy|onnxruntime)==/m);
  });

  it('has no training container: a job would write a model of the library', () => {
    assert.match(said({ framework: 'xgboost', includeTraining: true }).join(), /--no-include-training/);
  });

  it('works with many models, on both web servers and on MMS', () => {
    for (const modelServer of ['fastapi', 'flask', 'mms'])
      assert.ok(filesOf({ framework: 'xgboost', multiModel: true, modelServer }).has('tools/convert.py'));
  });
});
