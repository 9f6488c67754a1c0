// Models of every age: saved by one version of a library, served by a project that was generated for it, and answering as the
// library itself does. In CI the oldest, one between and, where test/frameworks has it not, the newest; npm run test:versions
// has every set.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateProject } from '../support/generate.js';
import { sets } from '../support/pins.js';
import { pythonOf, root, tool } from '../support/tools.js';

const made = ['sklearn', 'xgboost', 'lightgbm', 'catboost', 'tensorflow', 'transformers'];
/** Their models are trained on a DataFrame, and described by tools/describe_model.py. */
const boosters = new Set(['xgboost', 'lightgbm', 'catboost']);
const everySet = sets.filter(({ gpu, framework = '' }) => !gpu && made.includes(framework)).map(({ name }) => name);
const some = 'sklearn-1.0 sklearn-1.3 xgboost-1.7 xgboost-2.1 xgboost-3.4 lightgbm-3.3 lightgbm-4.2';
const chosen =
  process.env.VERSIONS === 'all' ? everySet : `${some} tensorflow-2.12 tensorflow-2.16 transformers-4.57`.split(' ');

/** Fails unless numbers are within a millionth, and all else is the same. */
function agree(found: unknown, expected: unknown, where = 'the answer'): void {
  if (typeof expected === 'number' && !Number.isInteger(expected)) {
    assert.ok(
      Math.abs((found as number) - expected) <= 1e-6 * Math.max(1e-3, Math.abs(expected)),
      `${where}: ${found}`,
    );
  } else if (typeof expected === 'object' && expected !== null) {
    assert.deepEqual(Object.keys(found as object), Object.keys(expected), where);
    for (const [key, value] of Object.entries(expected))
      agree((found as Record<string, unknown>)[key], value, `${where}, ${key}`);
  } else assert.equal(found, expected, where);
}

describe('a model of another age', function () {
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
    it(`of ${framework} ${frameworkVersion} answers as it did where it was saved`, async function () {
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
      // What run_local.sh would download, but from uv's cache.
      run(tool('uv'), ['venv', '--quiet', '--python', python, '.venv'], directory);
      run(
        tool('uv'),
        ['pip', 'install', '--quiet', '--python', '.venv/bin/python', '-r', 'requirements.txt'],
        directory,
      );
      const lock = readFileSync(join(directory, 'requirements.txt'), 'utf8');
      writeFileSync(join(directory, '.venv/installed.txt'), `${version}\n${lock}`);
      if (boosters.has(framework)) {
        const pandas = ['-c', 'requirements.txt', 'pandas']; // for the training: the server needs none
        run(tool('uv'), ['pip', 'install', '--quiet', '--python', '.venv/bin/python', ...pandas], directory);
      }
      copyFileSync(join(root, 'test/versions/frames.py'), join(directory, 'frames.py'));
      copyFileSync(join(root, `test/versions/make_${framework}.py`), join(directory, 'make.py'));
      run('.venv/bin/python', ['make.py'], directory);
      const answer = JSON.parse(run('test/run_local.sh', [], directory, { PYTHON: python }));
      agree(answer, JSON.parse(readFileSync(join(directory, 'expected.json'), 'utf8')));
      rmSync(directory, { recursive: true });
    });
  }
});
