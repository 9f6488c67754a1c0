// The package as npm would publish it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { newFolder, quietEnv } from '../support/bin.js';
import { outcome, root } from '../support/tools.js';

describe('the package', () => {
  it('passes publint', () => {
    const { status, output } = outcome(join(root, 'node_modules/.bin/publint'), ['--strict', '--pack', 'npm', root]);
    assert.equal(status, 0, output);
  });

  it('is never installed from npm in the docs, because its names there are unclaimed or belong to strangers', () => {
    const below = (folder: string) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path));
    const files = ['README.md', ...['docs', 'generators', 'templates'].flatMap(below)];
    const fetches = /\b(npx|npm (exec|create|init|install|i|add))\b[^&;#]* (generator-)?ml-container-creator/;
    const found = files
      .filter((path) => statSync(join(root, path)).isFile())
      .flatMap((path) =>
        readFileSync(join(root, path), 'utf8')
          .split('\n')
          .map((line) => `${path}: ${line}`),
      )
      .filter((line) => fetches.test(line) && !line.includes('inside the checkout only'));
    assert.deepEqual(found, []);
  });

  it('generates a project from its tarball, with only its dependencies installed', () => {
    const folder = newFolder();
    const pack = outcome('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], { cwd: root });
    assert.equal(pack.status, 0, pack.output);
    const home = join(folder, 'node_modules');
    mkdirSync(home);
    assert.equal(
      outcome('tar', ['-xzf', join(folder, pack.output.trim().split('\n').at(-1) ?? ''), '-C', home]).status,
      0,
    );
    const packed = join(home, 'package');
    for (const name of ['test', 'generators', 'docs/fit.ts']) assert.ok(!existsSync(join(packed, name)), name);
    for (const name of ['CHANGELOG.md', 'docs/your-model.md', 'docs/recording.svg'])
      assert.ok(existsSync(join(packed, name)), name);
    assert.doesNotMatch(readdirSync(packed, { recursive: true }).join('\n'), /__pycache__|_cache$/m);
    symlinkSync(join(root, 'node_modules'), join(packed, 'node_modules'));
    const args = ['demo', '--framework=sklearn', '--skip-prompts'];
    const bin = join(packed, 'dist/generators/cli.js');
    const { status, stderr } = spawnSync(bin, args, { cwd: folder, env: quietEnv, encoding: 'utf8', input: '' });
    assert.equal(status, 0, stderr);
    assert.ok(existsSync(join(folder, 'demo/.gitignore')));
  });
});
