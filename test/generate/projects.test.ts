// Generates every combination, and checks each file with a real tool for its language.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { combinations, deployments, engines, manyModels, trains } from '../support/combinations.js';
import { filesBelow, generateProject } from '../support/generate.js';
import { has, outcome, root, tool } from '../support/tools.js';

const variants = combinations.flatMap((combination) =>
  (['cpu-optimized', 'ml.m5.large', 'gpu-enabled'] as const).flatMap((instanceType) =>
    [true, false].map((rich) => ({
      ...combination,
      instanceType,
      includeSampleModel: rich,
      includeTests: rich,
      includeTraining: rich && trains(combination.framework),
      ...(rich && {
        awsRoleArn: 'arn:aws:iam::123456789012:role/service-role/Name+=,.@-_x',
        awsRegion: 'eu-central-1',
      }),
    })),
  ),
);

/** The modules of a package that a program imports, including those imported from the package or its `requests`. */
function importsOf(text: string, module: string): string[] {
  const packages = [module, `${module}.requests`];
  return [...text.matchAll(/^ *(?:from ([\w.]+) import (?:\(([^)]*)\)|(.*))|import ([\w., ]+))/gm)].flatMap(
    ([, from = '', listed, line = '', plain = '']) => {
      const names = (listed ?? line).split(',').flatMap((each) => each.trim().split(' ')[0] || []);
      const found = packages.includes(from) ? names.map((name) => `${from}.${name}`) : [from, ...plain.split(/, */)];
      return found.filter((name) => name === module || name.startsWith(`${module}.`));
    },
  );
}

describe('every generated project', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ml-generate-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const answers = [...variants, ...deployments, ...manyModels, ...engines];
  const projects = answers.map((each, at) => ({ answers: each, directory: join(folder, `p${at}`) }));
  before(async () => {
    for (const { answers, directory } of projects) await generateProject(answers, directory);
  });

  const check = (command: string, args: readonly string[]) => {
    const { status, output } = outcome(command, args, { cwd: folder });
    assert.equal(status, 0, output);
  };
  /** The chosen files, with only one of each set of identical files. */
  const each = (choose: (path: string) => boolean) => [
    ...new Map(all(choose).map((path) => [readFileSync(path, 'utf8'), path])).values(),
  ];
  const all = (choose: (path: string) => boolean) =>
    projects.flatMap(({ directory }) =>
      filesBelow(directory)
        .filter(choose)
        .map((path) => join(directory, path)),
    );
  const scripts = () => each((path) => path.endsWith('.sh'));
  const python = () => each((path) => path.endsWith('.py') || path === 'code/serve');

  it(`is one of ${projects.length} combinations, and has a limited number of files`, () => {
    for (const { directory, answers } of projects) {
      const count = filesBelow(directory).length;
      const tools = 'buildTarget' in answers ? 14 : 'deployTool' in answers ? 8 : 0;
      const max = 103 + tools + (answers.includeTraining ? 15 : 0) + ('multiModel' in answers ? 9 : 0);
      assert.ok(count >= 20 && count <= max, `${directory} has ${count} files`);
    }
  });

  it('has scripts that pass bash -n and shellcheck', () => {
    for (const script of scripts()) check('bash', ['-n', script]);
    check(tool('shellcheck'), ['-x', '--source-path=SCRIPTDIR', ...scripts()]);
  });

  it('has Python code that compiles and passes ruff', () => {
    check(tool('python'), ['-c', 'import sys\nfor p in sys.argv[1:]: compile(open(p).read(), p, "exec")', ...python()]);
    for (const command of [['check'], ['format', '--check', '--quiet']])
      check(tool('ruff'), [...command, '--no-cache', '--config', join(root, 'test/serve/pyproject.toml'), ...python()]);
  });

  it('has code to start engines that passes mypy', () => {
    const config = join(root, 'test/serve/pyproject.toml');
    const directories = projects.slice(-engines.length).map(({ directory }) => directory);
    for (const directory of new Map(
      engines.map(({ modelServer }, at) => [modelServer, directories[at] ?? '']),
    ).values()) {
      const args = ['--config-file', config, '--cache-dir', join(folder, 'mypy'), '--allow-subclassing-any'];
      const own = filesBelow(join(directory, 'code')).filter((path) => path.endsWith('.py') || path === 'serve');
      const { status, output } = outcome(tool('mypy'), [...args, ...own], { cwd: join(directory, 'code') });
      assert.equal(status, 0, output);
    }
  });

  it('has training code that passes mypy', function () {
    this.timeout(300_000);
    const config = join(root, 'test/serve/pyproject.toml');
    const trained = projects.filter(({ answers }) => answers.includeTraining);
    for (const { directory } of new Map(trained.map((each) => [each.answers.framework, each])).values()) {
      const args = ['--config-file', config, '--cache-dir', join(folder, 'mypy'), '--allow-subclassing-any'];
      const env = { ...process.env, MYPYPATH: join(directory, 'deploy') };
      const own = filesBelow(join(directory, 'train')).filter((path) => path.endsWith('.py'));
      const { status, output } = outcome(tool('mypy'), [...args, ...own], { cwd: join(directory, 'train'), env });
      assert.equal(status, 0, output);
    }
  });

  it('has a Dockerfile that passes hadolint', () => {
    check(
      tool('hadolint'),
      each((path) => path.endsWith('Dockerfile')),
    );
  });

  for (const [folder, module] of [
    ['code', 'serving'],
    ['deploy', 'deployer'],
  ] as const)
    it(`has every module of ${module} that it imports`, () => {
      const seen = new Set<string>();
      for (const { directory } of projects) {
        const files = filesBelow(directory);
        const has = (name: string) =>
          ['.py', '/__init__.py'].some((ending) => files.includes(`${folder}/${name.replaceAll('.', '/')}${ending}`));
        for (const path of files.filter((each) => each.endsWith('.py') || each === 'code/serve'))
          for (const name of importsOf(readFileSync(join(directory, path), 'utf8'), module)) {
            assert.ok(has(name), `${directory}: ${path}: ${name}`);
            seen.add(name);
          }
      }
      assert.ok(seen.size > 30, [...seen].join(' '));
    });

  it('has an nginx.conf that nginx accepts', function () {
    if (!has('nginx')) {
      console.log('      Skipped because nginx is not installed. To test it, run: apt-get install nginx-light');
      this.skip();
    }
    const confs = each((path) => path === 'code/nginx.conf');
    assert.ok(confs.length > 0);
    mkdirSync(join(folder, 'logs'), { recursive: true });
    for (const conf of confs) check('nginx', ['-t', '-q', '-p', folder, '-c', conf]);
  });

  it('has executable programs, and no other executable files', () => {
    for (const { directory } of projects) {
      const executable = filesBelow(directory).filter((path) => statSync(join(directory, path)).mode & 0o111);
      for (const path of executable)
        assert.match(readFileSync(join(directory, path), 'utf8'), /^#!\/usr\/bin\/env /, path);
      const programs = filesBelow(directory).filter((path) =>
        readFileSync(join(directory, path), 'utf8').startsWith('#!'),
      );
      assert.deepEqual(programs, executable);
    }
  });

  it('has no template remains, carriage returns or trailing blanks, and ends its files with a newline', () => {
    for (const path of all((each) => each !== 'model/.gitkeep')) {
      const text = readFileSync(path, 'utf8');
      assert.doesNotMatch(text, /<%|%>|\r|[ \t]\n|undefined|\[object|&#39;|&amp;/, path);
      assert.match(text, /[^\n]\n$/, path);
    }
  });

  it('mentions only existing files in its README', () => {
    for (const { directory } of projects) {
      const readme = readFileSync(join(directory, 'README.md'), 'utf8');
      const named = [...readme.matchAll(/\b(?:deploy|test|train|code|sample_model)\/[\w/.-]*\w/g)].map(
        ([path]) => path,
      );
      const files = filesBelow(directory);
      const made = files.includes('code/options.json') ? [] : ['test/sample_request.json', 'test/sample_request.csv'];
      for (const path of named)
        assert.ok(
          files.some((file) => file === path || file.startsWith(`${path}/`)) || made.includes(path),
          `${directory}: ${path}`,
        );
    }
  });
});

describe('templates', () => {
  const folder = join(root, 'templates');
  it('never insert an unquoted value, and have few branches', () => {
    for (const path of filesBelow(folder).filter((each) => each.endsWith('.ejs'))) {
      const text = readFileSync(join(folder, path), 'utf8');
      assert.doesNotMatch(text, /<%-(?! include\()/, path);
      assert.ok((text.match(/<%_? *(if|\} *else)/g) ?? []).length <= 12, path);
    }
  });
  it('contain EJS only if named *.ejs', () => {
    const isCache = (path: string) => /__pycache__|_cache\//.test(path); // written by tools that ran there
    for (const path of filesBelow(folder).filter((each) => !/\.(ejs|gz)$/.test(each) && !isCache(each))) {
      assert.doesNotMatch(readFileSync(join(folder, path), 'utf8'), /<%/, path);
    }
  });
});
