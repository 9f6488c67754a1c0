// --runtime=onnx: onnxruntime serves the converted model, and the library that trained it is not in the image.
import assert from 'node:assert/strict';
import { frameworkNames } from '../../generators/catalog/frameworks.js';
import { readObject } from '../../generators/config/sources.js';
import { manifest } from '../../generators/project/manifest.js';
import { render } from '../../generators/project/render.js';
import { resolve } from '../support/generate.js';

const converted = ['sklearn', 'xgboost', 'lightgbm', 'catboost'];
const from = (answers: object) => resolve([readObject({ runtime: 'onnx', ...answers }, 'the test')]);
const problemsWith = (answers: object) => from(answers).problems.map(({ message, hint }) => `${message}; ${hint}`);

/** The texts of a project's files, by path. */
function filesOf(answers: object): Map<string, string> {
  const { project, problems } = from(answers);
  assert.ok(project, JSON.stringify(problems));
  return new Map(render(manifest(project), project).map(({ path, text }) => [path, text]));
}

describe('runtime onnx', () => {
  for (const framework of converted)
    it(`for ${framework} installs onnxruntime, but not the library, pandas or SciPy`, () => {
      const files = filesOf({ framework });
      const lock = files.get('requirements.txt') ?? '';
      assert.match(lock, /^onnxruntime==/m);
      assert.doesNotMatch(lock, /^(scikit-learn|xgboost|lightgbm|catboost|pandas|scipy|joblib|treelite)\b/m);
      assert.match(files.get('code/model_handler.py') ?? '', /onnxruntime/);
      assert.ok(files.has('tools/convert.py') && files.has('tools/describe_library.py'));
      assert.match(files.get('README.md') ?? '', /python tools\/convert\.py MODEL ROWS\.csv/);
      assert.doesNotMatch(files.get('Dockerfile') ?? '', /libgomp1/);
    });

  it('is refused for frameworks whose models cannot be converted, and is never the default', () => {
    for (const framework of frameworkNames.filter((name) => !converted.includes(name)))
      assert.match(problemsWith({ framework, modelName: 'org/tiny' }).join(), /use one of: native/, framework);
    assert.equal(resolve([readObject({ framework: 'sklearn' }, 'the test')]).answers.runtime, 'native');
  });

  it('accepts a model of any version, and uses the Python version of onnxruntime', () => {
    const files = filesOf({ framework: 'sklearn', frameworkVersion: '0.24' });
    assert.equal(files.get('.python-version'), '3.13\n');
    assert.match(problemsWith({ framework: 'sklearn', pythonVersion: '3.10' }).join(), /use one of: 3\.11/);
  });

  it('does not warn about pickles, which are not in the image', () => {
    assert.doesNotMatch(from({ framework: 'sklearn', modelFormat: 'pkl' }).warnings.join(), /pickle/);
    assert.doesNotMatch(filesOf({ framework: 'sklearn' }).get('README.md') ?? '', /is a pickle/);
  });

  it('installs the library only for the sample', () => {
    const files = filesOf({ framework: 'sklearn', modelFormat: 'skops', includeSampleModel: true });
    const added = files.get('sample_model/requirements.txt') ?? '';
    for (const name of ['scikit-learn', 'skops', 'onnx']) assert.match(added, new RegExp(`^${name}==`, 'm'));
    assert.doesNotMatch(added, /^(numpy|onnxruntime)==/m);
  });

  it('has no training container, because a job would write an unconverted model', () => {
    assert.match(problemsWith({ framework: 'xgboost', includeTraining: true }).join(), /--no-include-training/);
  });

  it('works with many models, on both web servers and on MMS', () => {
    for (const modelServer of ['fastapi', 'flask', 'mms'])
      assert.ok(filesOf({ framework: 'xgboost', multiModel: true, modelServer }).has('tools/convert.py'));
  });
});
