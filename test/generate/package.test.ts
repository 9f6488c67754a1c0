// The package as npm would publish it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { newFolder, quietEnv } from '../support/bin.js';
import { outcome, root } from '../support/tools.js';

describe('the package', () => {
  it('is one that publint finds nothing in', () => {
    const { status, output } = outcome(join(root, 'node_modules/.bin/publint'), ['--strict', '--pack', 'npm', root]);
    assert.equal(status, 0, output);
  });

  it('generates from its tarball, with nothing but its dependencies beside it', () => {
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
    for (const name of ['test', 'generators', 'docs']) assert.ok(!existsSync(join(packed, name)), name);
    symlinkSync(join(root, 'node_modules'), join(packed, 'node_modules'));
    const args = ['demo', '--framework=sklearn', '--skip-prompts'];
    const bin = join(packed, 'dist/generators/cli.js');
    const { status, stderr } = spawnSync(bin, args, { cwd: folder, env: quietEnv, encoding: 'utf8', input: '' });
    assert.equal(status, 0, stderr);
    assert.ok(existsSync(join(folder, 'demo/.gitignore')));
  });
});
