// Runs the completion scripts in the shells. Shells that are not installed are skipped, with a message.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { flags, paths, shells } from '../../generators/completion/words.js';
import { table } from '../../generators/config/parameters.js';
import { valuesOf } from '../../generators/config/values.js';
import { newFolder, run } from '../support/bin.js';
import { has, outcome, root, tool } from '../support/tools.js';

const program = 'ml-container-creator';

/** Writes the script of a shell to a folder. Returns its path. */
function scriptOf(shell: string, folder: string): string {
  const { status, stdout, stderr } = run(folder, ['completion', shell]);
  assert.equal(status, 0, stderr);
  const path = join(folder, `${program}.${shell}`);
  writeFileSync(path, stdout);
  return path;
}

/** Creates a folder with a model, another folder, and the completion script of a shell. */
function prepareFolder(shell: string): { folder: string; script: string } {
  const folder = newFolder();
  const script = scriptOf(shell, folder);
  writeFileSync(join(folder, 'churn.pkl'), 'x');
  mkdirSync(join(folder, 'projects'));
  return { folder, script };
}

/** Runs a program and returns its lines, trimmed. */
function linesOf(command: string, args: readonly string[], cwd: string): string[] {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 20_000 });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  return stdout
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}

/** Typed text, some words that must be offered, and some that must not. */
const cases: readonly [string, readonly string[], readonly string[]][] = [
  ['', ['configure', 'inspect', 'schema', 'completion'], []],
  ['sch', ['schema'], ['configure']],
  ['--frame', ['--framework', '--framework-version'], ['--model']],
  ['demo --multi', ['--multi-model'], ['--model-server=']],
  ['--no-in', ['--no-include-tests'], ['--include-tests']],
  ['--framework=', [...valuesOf('framework').map(String)], ['fastapi']],
  ['--framework=sk', ['sklearn'], ['xgboost']],
  ['--framework x', ['xgboost'], ['sklearn']],
  ['demo --framework=sklearn --model-server=f', ['fastapi', 'flask'], ['vllm']],
  ['configure --deploy-tool=cli,', ['cli,cdk'], []],
  ['completion ', [...shells], ['--framework']],
  ['inspect --j', ['--json'], ['--framework']],
];

/** Typed text, and the line after Tab is pressed. */
const presses: Readonly<Record<string, string>> = {
  sche: 'schema',
  '--framework=skl': '--framework=sklearn',
  '--framework onn': '--framework onnx',
  '--deploy-tool=cli,cd': '--deploy-tool=cli,cdk',
  '--model=chu': '--model=churn.pkl',
  '--project-dir=pro': '--project-dir=projects/',
  'inspect chu': 'inspect churn.pkl',
};
const completed = Object.values(presses).map((text) => `${program} ${text}`);

/** Presses Tab in an interactive shell, on a terminal. */
const press = (shell: string, folder: string, script: string) =>
  linesOf(
    tool('python'),
    [
      join(root, 'test/support/press_tab.py'),
      shell,
      script,
      ...Object.keys(presses).map((text) => `${program} ${text}`),
    ],
    folder,
  );

describe('the completions', () => {
  it('know every flag whose value is a path', () => {
    const named = Object.entries(table).filter(([, { rule }]) => /^(the|a) path\b/.test(rule ?? ''));
    assert.deepEqual(
      named.map(([key]) => key).sort(),
      Object.keys(paths)
        .filter((key) => key !== 'config')
        .sort(),
    );
    assert.ok(flags.length > 40);
  });

  it('refuse an unknown shell, and list the known ones', () => {
    const { status, stderr, stdout } = run(newFolder(), ['completion', 'powershell']);
    assert.equal(status, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /bash\|zsh\|fish/);
    assert.equal(run(newFolder(), ['completion']).status, 2);
    assert.equal(run(newFolder(), ['completion', 'bash', 'more']).status, 2);
  });

  it('work in bash', () => {
    const { folder, script } = prepareFolder('bash');
    const check = outcome(tool('shellcheck'), ['--shell=bash', script]);
    assert.equal(check.status, 0, check.output);
    const ask = (text: string, breaks: string) => {
      const line = `${program} ${text}`;
      const split = breaks.includes('=') ? line.replaceAll('=', ' = ') : line;
      const words = split
        .trim()
        .split(/ +/)
        .concat(/[ =]$/.test(split) && !split.endsWith('= ') ? [''] : []);
      const quoted = words.map((word) => `'${word}'`).join(' ');
      const body = `set -u; COMP_WORDBREAKS='${breaks}'; . ./${program}.bash; COMP_LINE='${line}' COMP_POINT=${line.length}
        COMP_WORDS=(${quoted}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _ml_container_creator
        ((\${#COMPREPLY[@]} == 0)) || printf '%s\\n' "\${COMPREPLY[@]}"`;
      return linesOf('bash', ['--norc', '-c', body], folder);
    };
    for (const [text, offered, excluded] of cases) {
      const found = ask(text, '=:').map((word) => word.replace(/=$/, ''));
      for (const word of offered) assert.ok(found.includes(word), `${text}: ${word} is not among ${found}`);
      for (const word of excluded) assert.ok(!found.includes(word), `${text}: ${word}`);
    }
    assert.deepEqual(ask('--framework=sk', ':'), ['--framework=sklearn']);
    assert.deepEqual(press('bash', folder, script), completed);
  });

  it('work in fish', function () {
    if (!has('fish')) return skip(this, 'fish');
    const { folder, script } = prepareFolder('fish');
    const ask = (text: string) =>
      linesOf('fish', ['--no-config', '-c', `source ${script}; complete -C '${program} ${text}'`], folder).map(
        (line) => line.split('\t')[0] ?? '',
      );
    for (const [text, offered, excluded] of cases) {
      const found = ask(text).map((word) => word.replace(/^--[\w-]+=(?=.)/, ''));
      for (const word of offered) assert.ok(found.includes(word), `${text}: ${word} is not among ${found}`);
      for (const word of excluded) assert.ok(!found.includes(word), `${text}: ${word}`);
    }
    assert.deepEqual(ask('inspect ch'), ['churn.pkl']);
    assert.deepEqual(ask('--model=ch'), ['--model=churn.pkl']);
    assert.deepEqual(ask('--project-dir=p'), ['--project-dir=projects/']);
  });

  it('work in zsh', function () {
    if (!has('zsh')) return skip(this, 'zsh');
    const { folder, script } = prepareFolder('zsh');
    assert.deepEqual(press('zsh', folder, script), completed);
  });
});

function skip(test: Mocha.Context, shell: string): void {
  console.log(`      ${shell} is not installed; to test it: apt-get install ${shell}`);
  test.skip();
}
