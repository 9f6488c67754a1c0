// Framework and Python versions: the requirements sets, and the requirements.in and lock of a project.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { frameworkNames } from '../../generators/catalog/frameworks.js';
import { nameOf, releaseOf, releasesOf } from '../../generators/catalog/versions.js';
import { gather } from '../../generators/config/gather.js';
import { readArguments, readObject } from '../../generators/config/sources.js';
import { manifest } from '../../generators/project/manifest.js';
import { projectFrom } from '../../generators/project/project.js';
import { render } from '../../generators/project/render.js';
import { resolve } from '../support/generate.js';

const from = (answers: object) => resolve([readObject({ framework: 'sklearn', ...answers }, 'the test')]);
const problemsOf = (answers: object) => from(answers).problems.map(({ message, hint }) => `${message}; ${hint}`);

/** The text of a file in a project; undefined if the project does not have it. */
function file(answers: object, path: string): string | undefined {
  const { project, problems } = from(answers);
  assert.ok(project, JSON.stringify(problems));
  return render(manifest(project), project).find((each) => each.path === path)?.text;
}
const lock = (answers: object) => file(answers, 'requirements.txt');

describe('a version of a framework', () => {
  it('has a set for each minor version, newest first', () => {
    for (const framework of frameworkNames) {
      const names = releasesOf(framework).map(nameOf);
      const numbers = names.map((name) =>
        name.split('.').reduce((sum, part, at) => sum + Number(part) / 1000 ** at, 0),
      );
      assert.deepEqual(
        numbers,
        [...numbers].sort((one, other) => other - one),
        framework,
      );
    }
    assert.equal(releaseOf('sklearn', '1.3.1'), releaseOf('sklearn', '1.3'));
    assert.equal(releaseOf('sklearn', '1.30'), undefined);
  });

  it('without a patch means the newest; another patch changes one line of the lock', () => {
    const [minor, newest, other] = ['1.3', '1.3.2', '1.3.1'].map((frameworkVersion) => lock({ frameworkVersion }));
    assert.equal(minor, newest);
    const lines = (text = '') => text.split('\n').filter((line) => !line.startsWith('#'));
    const changed = lines(other).filter((line) => !lines(newest).includes(line));
    assert.deepEqual(changed, ['scikit-learn==1.3.1']);
  });

  it('determines the Python version, the libraries and the base image', () => {
    const old = { frameworkVersion: '1.0' };
    assert.equal(file(old, '.python-version'), '3.10\n');
    assert.match(file(old, 'Dockerfile') ?? '', /python:3\.10-slim/);
    assert.match(lock(old) ?? '', /^numpy==1\.22\./m);
    assert.equal(file({}, '.python-version'), '3.13\n');
    assert.match(from(old).warnings.join(), /Python 3\.10 no longer gets security fixes/);
  });

  it('without a set is refused, with the nearest as a hint', () => {
    assert.deepEqual(problemsOf({ frameworkVersion: '0.24' }), [
      'there is no tested set of packages for scikit-learn 0.24; use --framework-version=1.0, the nearest version, or --runtime=onnx, which works with any version',
    ]);
    assert.match(problemsOf({ frameworkVersion: '1.3.9' }).join(), /use --framework-version=1\.3, the nearest/);
    assert.match(problemsOf({ frameworkVersion: '9.9' }).join(), /use --framework-version=1\.9, the nearest/);
    assert.match(problemsOf({ frameworkVersion: 'newest' }).join(), /is not valid; expected a version such as 1\.3/);
  });

  it('allows the Python versions that its libraries have builds for', () => {
    assert.match(
      problemsOf({ frameworkVersion: '1.3', pythonVersion: '3.13' }).join(),
      /scikit-learn 1\.3 does not support .*; use one of: 3\.11/,
    );
    assert.equal(file({ pythonVersion: '3.12' }, '.python-version'), '3.12\n');
    for (const pythonVersion of ['3.10', '3.11', '3.12', '3.13'])
      assert.ok(lock({ framework: 'custom', pythonVersion }), pythonVersion);
  });

  it('overrides a stored Python version that it does not allow, when a project is generated again', () => {
    const stored = readObject({ framework: 'sklearn', frameworkVersion: '1.9', pythonVersion: '3.13' }, '.yo-rc.json');
    const { project, warnings } = resolve([readObject({ frameworkVersion: '1.3' }, 'a flag'), stored]);
    assert.equal(project?.python, '3.11');
    assert.match(warnings.join(), /pythonVersion "3\.13" \(from \.yo-rc\.json\) is ignored/);
  });

  it('without packages that include CUDA is refused on a GPU', () => {
    const answers = { framework: 'tensorflow', instanceType: 'gpu-enabled' };
    assert.match(
      problemsOf({ ...answers, frameworkVersion: '2.12' }).join(),
      /there are no CUDA packages for TensorFlow 2\.12/,
    );
    assert.deepEqual(problemsOf({ ...answers, frameworkVersion: '2.17' }), []);
  });
});

describe('the lock of a project', () => {
  it('has the packages that it requires, their dependencies, and nothing else', () => {
    const fastapi = lock({}) ?? '';
    for (const name of ['scikit-learn', 'threadpoolctl', 'fastapi', 'starlette'])
      assert.match(fastapi, new RegExp(`^${name}==`, 'm'));
    assert.doesNotMatch(fastapi, /^(flask|gunicorn|skops|multi-model-server)==/m);
    assert.match(lock({ modelFormat: 'skops', modelServer: 'flask' }) ?? '', /^flask==[\s\S]*^skops==/m);
  });

  it('includes the user’s packages if the set has them; otherwise lock.sh must make it', () => {
    assert.match(lock({ packages: ['boto3'] }) ?? '', /^boto3==/m);
    assert.equal(lock({ packages: ['boto3', 'statsmodels'] }), undefined);
    assert.equal(lock({ packages: ['numpy==1.0'] }), undefined);
    assert.match(file({ packages: ['numpy==1.0', 'pandas'] }, 'requirements.in') ?? '', /^numpy==1\.0\npandas$/m);
    assert.doesNotMatch(file({ packages: ['numpy==1.0'] }, 'requirements.in') ?? '', /^numpy==[^1]/m);
  });

  it('with an added booster also installs the system library that the booster needs', () => {
    const answers = { packages: ['lightgbm==3.3.5'], includeTraining: true };
    for (const path of ['Dockerfile', 'train/Dockerfile'])
      assert.match(file(answers, path) ?? '', /apt-get install .* libgomp1 \\$/m);
    assert.doesNotMatch(file({ packages: ['xgboost==1.7.6'] }, 'Dockerfile') ?? '', /apt-get/);
  });

  it('for training takes its versions from the one for serving', () => {
    assert.match(file({ includeTraining: true }, 'train/requirements.in') ?? '', /^-c \.\.\/requirements\.txt$/m);
    assert.doesNotMatch(file({ includeTraining: true }, 'train/requirements.txt') ?? '', /^fastapi==/m);
  });
});

describe('--requirements', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'training-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  /** Gathers the answers from a requirements file with this content. */
  const read = async (content: string | Buffer, ...flags: string[]) => {
    writeFileSync(join(folder, 'training.txt'), content);
    const line = readArguments(['x', '--framework=sklearn', '--requirements=training.txt', ...flags]);
    return gather(line, { cwd: folder, env: {} });
  };
  const problem = async (content: string) => {
    const { problems } = await read(content);
    return problems.map(({ message }) => message).join();
  };
  const freeze = 'joblib==1.2.0\nmatplotlib==3.7.1\nnumpy==1.24.3\nscikit-learn==1.2.1\nscipy==1.10.1\n';

  it('sets the versions of the packages that the model needs, and of no others', async () => {
    const { answers, origins } = await read(freeze);
    assert.equal(answers.frameworkVersion, '1.2.1');
    assert.deepEqual(answers.packages, ['joblib==1.2.0', 'numpy==1.24.3', 'scipy==1.10.1']);
    assert.deepEqual([origins.frameworkVersion, origins.packages], ['training.txt', 'training.txt']);
    assert.equal(projectFrom(answers).answers.requirements, undefined); // not the file, but its answers are stored
  });

  it('sets the versions of packages that --packages names', async () => {
    const { answers } = await read(freeze, '--packages=matplotlib,pandas');
    assert.ok(answers.packages?.includes('matplotlib==3.7.1'));
  });

  it('is overridden by a flag', async () => {
    assert.equal((await read(freeze, '--framework-version=1.3')).answers.frameworkVersion, '1.3');
  });

  it('reads hashes, markers, comments, continued lines, post releases and PowerShell’s UTF-16', async () => {
    const lines =
      'scikit-learn==1.4.1.post1 \\\n    --hash=sha256:abc \\\n    --hash=sha256:def\n# numpy==9\nnumpy==1.26.4 ; python_version > "3.8" # pinned\n';
    for (const content of [lines, lines.replaceAll('\n', '\r\n'), Buffer.from(`\uFEFF${lines}`, 'utf16le')]) {
      const { answers, problems } = await read(content);
      assert.deepEqual(problems, []);
      assert.equal(answers.frameworkVersion, '1.4');
      assert.deepEqual(answers.packages, ['numpy==1.26.4']);
    }
  });

  it('reports unsupported lines with their number', async () => {
    assert.match(await problem('numpy==1.0\n'), /training\.txt does not list scikit-learn/);
    assert.match(await problem(`${freeze}numpy==1.25.0\n`), /lines 3 and 6: numpy is listed twice/);
    assert.match(await problem('scikit-learn\n'), /line 1: "scikit-learn" does not pin the version of scikit-learn/);
    assert.match(await problem('scikit-learn @ file:///build/x\n'), /line 1: .* does not pin the version/);
    assert.match(await problem('-e git+https://host/x#egg=scikit-learn\n'), /line 1: .* does not pin the version/);
    assert.match(await problem('name: base\ndependencies:\n  - python=3.11\n'), /is a conda environment/);
    assert.match(await problem('[tool.poetry]\nname = "x"\n'), /is TOML/);
    const { problems } = await gather(readArguments(['--framework=sklearn', '--requirements=none.txt']), {
      cwd: folder,
      env: {},
    });
    assert.match(problems[0]?.message ?? '', /none\.txt does not exist/);
  });
});
