// Models saved by different versions of their libraries: a project generated for a version predicts the same as the library. CI
// tests the oldest version, one in between and, unless test/frameworks covers it, the newest; npm run test:versions tests all.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateProject } from '../support/generate.js';
import { sets } from '../support/pins.js';
import { pythonOf, root, tool } from '../support/tools.js';

const tested = ['sklearn', 'xgboost', 'lightgbm', 'catboost', 'tensorflow', 'transformers'];
/** Frameworks whose models are trained on a DataFrame and described by tools/describe_model.py. */
const boosters = new Set(['xgboost', 'lightgbm', 'catboost']);
const everySet = sets.filter(({ gpu, framework = '' }) => !gpu && tested.includes(framework)).map(({ name }) => name);
const some = 'sklearn-1.0 sklearn-1.3 xgboost-1.7 xgboost-2.1 xgboost-3.4 lightgbm-3.3 lightgbm-4.2';
const chosen =
  process.env.VERSIONS === 'all' ? everySet : `${some} tensorflow-2.12 tensorflow-2.16 transformers-4.57`.split(' ');

/** Fails unless numbers agree to a millionth and everything else is equal. */
function assertAgree(found: unknown, expected: unknown, where = 'the response'): void {
  if (typeof expected === 'number' && !Number.isInteger(expected)) {
    assert.ok(
      Math.abs((found as number) - expected) <= 1e-6 * Math.max(1e-3, Math.abs(expected)),
      `${where}: ${found}`,
    );
  } else if (typeof expected === 'object' && expected !== null) {
    assert.deepEqual(Object.keys(found as object), Object.keys(expected), where);
    for (const [key, value] of Object.entries(expected))
      assertAgree((found as Record<string, unknown>)[key], value, `${where}, ${key}`);
  } else assert.equal(found, expected, where);
}

describe('a model saved by another version', function () {
  this.timeout(600_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'versions-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const run = (command: string, args: readonly string[], cwd: string, env: object = {}) => {
    const { status, stdout, stderr } = spawnSync(command, args, {
      cwd,
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
    assert.equal(status, 0, `${command} ${args.join(' ')}\n${stderr}`);
    return stdout;
  };

  for (const name of chosen) {
    const [framework = '', frameworkVersion] = name.split('-');
    it(`of ${framework} ${frameworkVersion} predicts the same as where it was saved`, async function () {
      const set = sets.find((each) => each.name === name);
      assert.ok(set, name);
      const version = set.release.pythons.at(-1) ?? '';
      const python = pythonOf(version);
      if (!python) {
        console.log(`      not tested: Python ${version} is not on this machine`);
        this.skip();
      }
      const extras = {
        ...(framework === 'transformers' && {
          modelName: 'org/tiny',
          modelServer: 'fastapi',
          instanceType: 'ml.m5.large',
        }),
        ...(framework === 'sklearn' && { packages: ['pandas'] }),
        ...(framework === 'tensorflow' && Number(frameworkVersion?.split('.')[1]) < 16 && { modelFormat: 'h5' }), // Keras 2
      };
      const directory = await generateProject({ framework, frameworkVersion, ...extras }, join(folder, name));
      // The same as run_local.sh would install, but from uv's cache.
      run(tool('uv'), ['venv', '--quiet', '--python', python, '.venv'], directory);
      run(
        tool('uv'),
        ['pip', 'install', '--quiet', '--python', '.venv/bin/python', '-r', 'requirements.txt'],
        directory,
      );
      const lock = readFileSync(join(directory, 'requirements.txt'), 'utf8');
      writeFileSync(join(directory, '.venv/installed.txt'), `${version}\n${lock}`);
      if (boosters.has(framework)) {
        const pandas = ['-c', 'requirements.txt', 'pandas']; // for training only
        run(tool('uv'), ['pip', 'install', '--quiet', '--python', '.venv/bin/python', ...pandas], directory);
      }
      copyFileSync(join(root, 'test/versions/frames.py'), join(directory, 'frames.py'));
      copyFileSync(join(root, `test/versions/make_${framework}.py`), join(directory, 'make.py'));
      run('.venv/bin/python', ['make.py'], directory);
      const response = JSON.parse(run('test/run_local.sh', [], directory, { PYTHON: python }));
      assertAgree(response, JSON.parse(readFileSync(join(directory, 'expected.json'), 'utf8')));
      rmSync(directory, { recursive: true });
    });
  }
});
