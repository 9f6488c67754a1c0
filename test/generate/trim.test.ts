// Runs the commands with which the Dockerfile removes files from installed packages, on packages made for this test.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { generateProject } from '../support/generate.js';
import { outcome, tool } from '../support/tools.js';

/** Files of packages, their contents, and whether the image keeps them. */
const files: readonly [path: string, text: string, kept: boolean][] = [
  ['plain/__init__.py', '"""Nothing is here\nfrom any tests.\n"""\n\ndef test():\n    from .tests import run\n', true],
  ['plain/tests/__init__.py', '', false],
  ['plain/tests/data/rows.csv', '1', false],
  ['plain/part/tests/test_part.py', '', false],
  ['plain/part/testing.py', '', true],
  ['plain/include/plain/api', '', false],
  ['plain/core.h', '', false],
  ['nvidia/cu13/include/cuda.h', '', true],
  ['nvidia/cu13/lib/libcudart_static.a', '', false],
  ['plain/lib/libcore.a', '', false],
  ['plain/lib/libcore.so', '', true],
  ['plain/core.pyx', '', false],
  ['plain/core.pxd', '', false],
  ['plain-1.0.dist-info/licenses/plain/include/LICENSE', '', true],
  ['joblib/__init__.py', '', true],
  ['joblib/test/test_memory.py', '', false],
  ['relative/__init__.py', 'import os\nfrom .tests.runner import run\n', true],
  ['relative/tests/runner.py', 'def run(): ...\n', true],
  ['absolute/__init__.py', 'import absolute.tests\n', true],
  ['absolute/tests/__init__.py', '', true],
  ['api/__init__.py', 'from api.v2 import test\n', true],
  ['api/v2/test/__init__.py', '', true],
];

describe('the packages of an image', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ml-trim-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('lose files that serving does not need, but keep tests that they import', async () => {
    const site = join(folder, 'venv/lib/python3.13/site-packages');
    for (const [path, text] of files) {
      mkdirSync(dirname(join(site, path)), { recursive: true });
      writeFileSync(join(site, path), text);
    }
    const project = await generateProject({ framework: 'sklearn', includeTraining: true }, join(folder, 'project'));
    const [serving, training] = ['', 'train/'].map((where) => {
      const dockerfile = readFileSync(join(project, `${where}Dockerfile`), 'utf8');
      return dockerfile.match(/^ {4}&& (find [\s\S]*?-m compileall .*)$/m)?.[1];
    });
    assert.ok(serving);
    assert.equal(training, serving);
    const command = serving
      .replaceAll('/opt/venv/bin/python', tool('python'))
      .replaceAll('/opt/venv', join(folder, 'venv'));
    const { status, output } = outcome('sh', ['-c', command]);
    assert.equal(status, 0, output);
    assert.equal(output, '');
    for (const [path, , kept] of files) assert.equal(existsSync(join(site, path)), kept, path);
    assert.ok(existsSync(join(site, 'relative/__pycache__')));
    assert.ok(!existsSync(join(site, 'plain/tests')));
  });
});
