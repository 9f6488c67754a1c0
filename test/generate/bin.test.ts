import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contents, newFolder, type Run, run } from '../support/bin.js';

const sample = ['demo', '--framework=sklearn', '--include-sample-model', '--skip-prompts'];

/** Asserts that a run was refused with an exit status and a reason, and without a stack trace. */
function assertRefused({ status, stdout, stderr }: Run, code: number, reason: RegExp): void {
  assert.equal(status, code, stderr);
  assert.match(stderr, reason);
  assert.doesNotMatch(stderr + stdout, /\n\s+at .*:\d+:\d+|node:internal/);
}

describe('the bin', () => {
  it('generates a project, and prints the next commands, ready to paste', () => {
    const folder = newFolder();
    const { status, stdout, stderr } = run(folder, sample);
    assert.equal(status, 0, stderr);
    assert.match(
      stdout,
      /\nNext, run:\n\n {2}cd demo && test\/run_local\.sh\n\nThen, to deploy the project, .*\n\n {2}deploy\/.*\n$/,
    );
    assert.ok(contents(join(folder, 'demo'))['test/run_local.sh']?.startsWith('755 '));
  });

  it('writes the same bytes every time, and a second run finds no conflicts', () => {
    const [one, two] = [newFolder(), newFolder()];
    run(one, sample);
    run(two, sample);
    assert.deepEqual(contents(one), contents(two));
    assert.equal(run(one, sample).status, 0);
    assert.deepEqual(contents(one), contents(two));
  });

  it('does not load Yeoman without a terminal', () => {
    const hook = `import{register}from'node:module';register('data:text/javascript,'+encodeURIComponent("export async function resolve(s,c,n){if(/yeoman|inquirer|mem-fs/.test(s))throw new Error('loaded '+s);return n(s,c)}"))`;
    const guarded = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`];
    for (const args of [sample, ['--help'], ['--version'], ['schema']])
      assert.equal(run(newFolder(), args, {}, guarded).status, 0, args[0]);
    assert.match(run(newFolder(), ['--version'], {}, guarded).stdout, /^\d+\.\d+\.\d+\n$/);
  });

  it('with --dry-run, lists what it would write, and writes nothing', () => {
    const folder = newFolder();
    const { status, stdout } = run(folder, [...sample, '--dry-run']);
    assert.equal(status, 0);
    assert.match(stdout, /Dockerfile\n/);
    assert.deepEqual(readdirSync(folder), []);
  });

  it('with --json, prints one object on stdout and the rest on stderr', () => {
    const { stdout, stderr } = run(newFolder(), [...sample, '--json', '--instance-type=ml.c5n.xlarge', '--explain']);
    const { project, files, warnings } = JSON.parse(stdout);
    assert.equal(project.projectName, 'demo');
    assert.ok(files.includes('Dockerfile'));
    assert.match(warnings[0], /ml\.c5\.xlarge/);
    assert.match(stderr, /cd demo/);
    const wrong = run(newFolder(), ['--framework=x', '--json']);
    assert.equal(wrong.status, 2);
    assert.equal(JSON.parse(wrong.stdout).problems[0].key, 'framework');
  });

  it('explains where each value came from, even for a request that it refuses', () => {
    const { stdout } = run(newFolder(), ['--framework=sklearn', '--explain', '--dry-run'], {
      ML_MODEL_SERVER: 'flask',
    });
    assert.match(stdout, /framework +sklearn +--framework\n/);
    assert.match(stdout, /modelServer +flask +ML_MODEL_SERVER\n/);
    assert.match(stdout, /awsRegion +us-east-1 +default\n/);
    assert.match(
      run(newFolder(), ['--framework=sklearn', '--bogus', '--explain']).stdout,
      /framework +sklearn +--framework\n/,
    );
  });

  it('reads --config, then ml-container.config.json, then package.json', () => {
    const folder = newFolder();
    const write = (name: string, object: object) => writeFileSync(join(folder, name), JSON.stringify(object));
    write('package.json', {
      name: 'x',
      'ml-container-creator': {
        framework: 'sklearn',
        modelServer: 'flask',
        modelFormat: 'pkl',
        awsRegion: 'eu-west-1',
      },
    });
    write('ml-container.config.json', { $schema: 'x', modelFormat: 'skops', awsRegion: 'eu-west-2' });
    write('mine.json', { awsRegion: 'eu-west-3' });
    const { project } = JSON.parse(run(folder, ['--config=mine.json', '--json', '--dry-run']).stdout);
    assert.deepEqual([project.modelServer, project.modelFormat, project.awsRegion], ['flask', 'skops', 'eu-west-3']);
  });

  it('stores the answers of a project in its .yo-rc.json', () => {
    const folder = newFolder();
    run(folder, [...sample, '--model-server=flask']);
    const { project } = JSON.parse(run(folder, ['demo', '--json', '--dry-run']).stdout);
    assert.deepEqual([project.framework, project.modelServer, project.includeSampleModel], ['sklearn', 'flask', true]);
  });

  it('configure writes a config file that generates the same project', () => {
    const folder = newFolder();
    const { status, stdout } = run(folder, ['configure', ...sample, '--model-server=flask']);
    assert.equal(status, 0);
    assert.match(stdout, /ml-container-creator\n$/);
    assert.deepEqual(readdirSync(folder), ['ml-container.config.json']);
    assert.equal(run(folder, []).status, 0);
    const other = newFolder();
    run(other, [...sample, '--model-server=flask']);
    assert.deepEqual(contents(join(folder, 'demo')), contents(join(other, 'demo')));
  });

  it('prints a JSON Schema with every key', () => {
    const schema = JSON.parse(run(newFolder(), ['schema']).stdout);
    assert.equal(schema.additionalProperties, false);
    assert.deepEqual(schema.properties.modelServer.enum, ['fastapi', 'flask', 'vllm', 'sglang', 'mms']);
    assertRefused(run(newFolder(), ['schema', 'extra']), 2, /unexpected argument "extra"/);
  });
});

describe('the bin refuses', () => {
  it('an invalid request, with status 2, and writes nothing', () => {
    const folder = newFolder();
    assertRefused(
      run(folder, []),
      2,
      /framework is required\n +pass your model with --model=PATH, or set --framework=/,
    );
    assertRefused(run(folder, ['--framework=sklearn', '--inlcude-tests']), 2, /did you mean --include-tests/);
    assertRefused(run(folder, ['../x', '--framework=sklearn']), 2, /projectName/);
    const large = ['--framework=transformers', '--model-name=a/b-70b', '--instance-type=ml.g5.xlarge'];
    assertRefused(run(folder, ['demo', ...large]), 2, /a\/b-70b needs about 131 GiB/);
    assertRefused(
      run(folder, ['demo', '--framework=sklearn', '--config=none.json']),
      2,
      /none\.json.*does not exist|does not exist.*none\.json/s,
    );
    assert.deepEqual(readdirSync(folder), []);
  });

  for (const [name, text] of [
    ['broken', '{'],
    ['an array', '[]'],
    ['a number', '1'],
    ['with an unknown key', '{"framwork": "sklearn"}'],
  ] as const) {
    it(`a config file that is ${name}, wherever it was found`, () => {
      for (const file of ['ml-container.config.json', 'package.json', 'named.json']) {
        if (file === 'package.json' && text.includes('framwork')) continue; // package.json has other keys
        const folder = newFolder();
        writeFileSync(join(folder, file), text);
        assertRefused(
          run(folder, [...sample, ...(file === 'named.json' ? ['--config', file] : [])]),
          2,
          new RegExp(file.replace('.', '\\.')),
        );
        assert.deepEqual(readdirSync(folder), [file]);
      }
    });
  }

  it('a config file that is a folder', () => {
    const folder = newFolder();
    mkdirSync(join(folder, 'ml-container.config.json'));
    assertRefused(run(folder, sample), 2, /cannot read ml-container\.config\.json: EISDIR/);
  });

  it('to plan a project where a file is in the way', () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'notes.txt'), '');
    const { status, stdout, stderr } = run(folder, ['--framework=sklearn', '--project-dir=notes.txt', '--dry-run']);
    assert.equal(status, 2);
    assert.match(stderr, /^1 problem found[\s\S]*part of the path is a file/);
    assert.equal(stdout, '');
  });

  it('to overwrite files without --force, with status 3, and never touches other files of the user', () => {
    const folder = newFolder();
    run(folder, sample);
    const handler = join(folder, 'demo/code/model_handler.py');
    writeFileSync(handler, '# mine\n');
    writeFileSync(join(folder, 'demo/model/model.joblib'), 'mine');
    const before = contents(folder);
    assertRefused(run(folder, [...sample, '--model-server=flask']), 3, /^\d+ files in [\s\S]*code\/model_handler\.py/);
    assert.deepEqual(contents(folder), before);
    assert.equal(run(folder, [...sample, '--force']).status, 0);
    assert.notEqual(readFileSync(handler, 'utf8'), '# mine\n');
    assert.equal(readFileSync(join(folder, 'demo/model/model.joblib'), 'utf8'), 'mine');
  });

  it('a path that cannot be written, and leaves no files behind', () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'demo'), 'a file');
    assertRefused(run(folder, sample), 2, /part of the path is a file/);
    assertRefused(run(folder, [...sample, '--project-dir=demo/x/y']), 2, /part of the path is a file/);
    assert.deepEqual(readdirSync(folder), ['demo']);
    const partly = newFolder();
    mkdirSync(join(partly, 'demo/Dockerfile'), { recursive: true });
    assertRefused(run(partly, [...sample, '--force']), 2, /a folder is where a file should be/);
    assert.deepEqual(readdirSync(join(partly, 'demo')), ['Dockerfile']);
  });

  it('a folder that nobody can write to, not even root', () => {
    assertRefused(run(newFolder(), [...sample, '--project-dir=/sys/demo']), 2, /cannot be written: /);
  });

  it('to follow a broken link', () => {
    const folder = newFolder();
    symlinkSync(join(folder, 'gone'), join(folder, 'demo'));
    assertRefused(run(folder, sample), 2, /part of the path is a broken link/);
    assert.deepEqual(readdirSync(folder), ['demo']);
  });
});
