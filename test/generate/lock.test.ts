// lock.sh writes the same lock as the generator, and updates it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { newFolder } from '../support/bin.js';
import { generateProject } from '../support/generate.js';
import { tool } from '../support/tools.js';

describe('lock.sh', function () {
  this.timeout(300_000);
  let folder: string;
  const path = (name: string) => join(folder, name);
  const read = (name: string) => readFileSync(path(name), 'utf8');
  const lock = (args: readonly string[] = [], env: Record<string, string> = {}) => {
    const PATH = `${dirname(tool('uv'))}:${process.env.PATH}`;
    const options = { cwd: '/', encoding: 'utf8', env: { ...process.env, PATH, ...env } } as const;
    const { status, stdout, stderr } = spawnSync(path('lock.sh'), args, options);
    return { status, stdout, stderr };
  };
  const assertSucceeds = (done: ReturnType<typeof lock>) => assert.equal(done.status, 0, done.stderr);

  before(async () => {
    const answers = { framework: 'sklearn', frameworkVersion: '1.3', includeTraining: true };
    folder = await generateProject(answers, join(newFolder(), 'a project'));
  });

  it('writes the same locks that the project already has, also for training', () => {
    const files = ['requirements.txt', 'train/requirements.txt'];
    const before = files.map(read);
    assertSucceeds(lock(['--check']));
    assertSucceeds(lock());
    assert.deepEqual(files.map(read), before);
  });

  it('prints its help wherever it is called from', () => {
    const options = { cwd: dirname(folder), encoding: 'utf8' } as const;
    assert.match(spawnSync('a project/lock.sh', ['--help'], options).stdout, /^Usage: \.\/lock\.sh/);
  });

  it('--check detects every change in a lock and in its inputs', () => {
    for (const name of ['requirements.in', '.python-version', 'requirements.txt', 'train/requirements.in']) {
      const text = read(name);
      appendFileSync(path(name), '# changed\n');
      const { status, stderr } = lock(['--check']);
      assert.equal(status, 1, name);
      assert.match(stderr, /is out of sync with .*requirements\.in or \.python-version\. Run \.\/lock\.sh/);
      writeFileSync(path(name), text);
    }
    assertSucceeds(lock(['--check']));
  });

  it('keeps existing versions if possible when a package is added', () => {
    const before = read('requirements.txt').split('\n').slice(2);
    appendFileSync(path('requirements.in'), 'pandas\n');
    assertSucceeds(lock());
    const after = read('requirements.txt').split('\n');
    assert.deepEqual(
      before.filter((pin) => !after.includes(pin)),
      [],
    );
    assert.match(after.join('\n'), /^pandas==/m);
    assertSucceeds(lock(['--check']));
  });

  it('explains why it cannot write a lock, and keeps the existing one', () => {
    const before = read('requirements.txt');
    writeFileSync(path('.python-version'), '3.13\n');
    const { status, stderr } = lock();
    assert.equal(status, 1);
    assert.match(stderr, /scikit-learn==1\.3\.2 has no .*wheels/);
    assert.match(
      stderr,
      /\.\/requirements\.in cannot be resolved for Python 3\.13; .*\. \.\/requirements\.txt was not changed/,
    );
    assert.equal(read('requirements.txt'), before);
    writeFileSync(path('.python-version'), '3.11\n');
  });

  it('--python prints the Python of this machine to use, and refuses one that is too old', () => {
    const python = lock(['--python']);
    assertSucceeds(python);
    assert.ok(existsSync(python.stdout.trim()));
    assert.match(lock(['--python'], { PYTHON: 'false' }).stderr, /false is not Python 3\.10 or newer/);
  });

  it('installs uv for itself if it is missing', () => {
    // A PATH with links to everything except uv.
    const bin = path('bin');
    mkdirSync(bin);
    const programs = 'bash sh env dirname cat cut head tail grep sort awk mktemp rm cp sha256sum sed'.split(' ');
    for (const name of programs) {
      const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
      if (found.startsWith('/')) symlinkSync(found, join(bin, name));
    }
    const python = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).stdout;
    writeFileSync(join(bin, 'python3'), `#!/bin/sh\nexec ${python.trim()} "$@"\n`, { mode: 0o755 });
    rmSync(path('requirements.txt'));
    const { status, stderr } = lock([], { PATH: bin });
    assert.equal(status, 0, stderr);
    assert.match(stderr, /Installing uv into \.uv/);
    assert.match(read('requirements.txt'), /^pandas==/m);
  });
});
