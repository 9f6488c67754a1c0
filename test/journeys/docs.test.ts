// The commands in the README and docs/ work, and the links are not broken.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readArguments } from '../../generators/config/sources.js';
import { bin, newFolder, quietEnv } from '../support/bin.js';
import { generateProject } from '../support/generate.js';
import { type Command, commandsIn, pages, withoutVariables } from '../support/pages.js';
import { outcome, root, tool } from '../support/tools.js';

/** Commands that are not run here, and why. `npm run NAME` and the scripts of a project are checked further below. */
const notRunHere: readonly [RegExp, string][] = [
  [/^npm (install|link)\b/, 'installs the checkout, which is already installed'],
  [/^npm test$|^npm run [\w:]+/, 'takes minutes; only the existence of the script is checked'],
  [/^npx ml-container-creator/, 'first builds the checkout, which other tests are using'],
  [/^yo ml-container-creator(:update)?$/, 'needs yo, which does not run as root'],
  [/^(python3? -m )?pip install|^python3 -m venv|^\.venv\/bin\/pip install/, 'downloads from PyPI'],
  [/^docker /, 'needs Docker: test/docker'],
  [/^(aws|cdk) /, 'needs AWS: test/deploy'],
  [/^curl /, 'needs the server that the line before starts'],
  [/^ml-container-creator( configure)?$/, 'prompts on a terminal: test/journeys/ways-in.test.ts'],
  [
    /^(cd my-project|ml-container-creator (update|--project-dir=\.)|git apply)/,
    'needs a project: test/journeys/update.test.ts',
  ],
  [/^ml-container-creator inspect$/, 'is the name of a command, without its path'],
  [/^test\/\w+\/test_[A-Z]+\.py$/, 'has the name of a framework to fill in'],
  [/^uv python install/, 'downloads a Python'],
  [/^deploy\/settings\.sh\b/, 'belongs to projects older than settings.env'],
];

const training = `import pickle
from sklearn.linear_model import LogisticRegression
pickle.dump(LogisticRegression().fit([[0, 1], [1, 0]] * 9, ["stays", "leaves"] * 9), open("churn.pkl", "wb"))
`;

const files = {
  'train.py': 'def clean(rows):\n    return rows\n',
  'features.py': 'def clean(rows):\n    return rows\n',
  'inference.py': 'def model_fn(model_dir):\n    return model_dir\n',
  'rows.csv': 'a,b\n0,1\n1,0\n',
  'training.txt': 'scikit-learn==1.3.2\nnumpy==1.26.4\nscipy==1.11.4\n',
};
let model: Buffer;

/** Creates a folder with what the pages assume: a model, code, rows, versions, and ml-container-creator on the PATH. */
function prepareFolder(): string {
  const folder = newFolder();
  writeFileSync(join(folder, 'churn.pkl'), model);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  mkdirSync(join(folder, '.bin'));
  symlinkSync(bin, join(folder, '.bin/ml-container-creator'));
  mkdirSync(join(folder, '.config/fish/completions'), { recursive: true });
  return folder;
}

const path = (folder: string) => [join(folder, '.bin'), dirname(tool('python')), process.env.PATH].join(':');

/** Runs a line in bash, as if it were pasted. */
function paste(text: string, cwd: string, home: string): void {
  const env = { ...quietEnv, HOME: home, PATH: path(home) };
  const { status, stdout, stderr } = spawnSync('bash', ['-euc', text], { cwd, env, encoding: 'utf8', input: '' });
  assert.equal(status, 0, `${text}\n${stdout}${stderr}`);
}

const helps = new Map<string, string>();

/** The help of a program in a project, or of a command of deploy.py. */
function helpOf(program: string, command: string[], cwd: string): string {
  const key = [cwd, program, ...command].join(' ');
  const known = helps.get(key);
  if (known !== undefined) return known;
  const runner = program.endsWith('.py') ? tool('python') : 'bash';
  const { status, output } = outcome(runner, [program, ...command, '--help'], {
    cwd,
    env: { ...quietEnv, PATH: path(cwd) },
  });
  assert.equal(status, 0, `${key} --help\n${output}`);
  helps.set(key, output);
  return output;
}

/** Checks that a program of a generated project exists in one of `folders`, and has the flags. */
function checkScript({ page, text }: Command, folders: readonly string[]): void {
  const words = withoutVariables(text).replaceAll('\\', '/').split(' ');
  if (/^python3?$/.test(words[0] ?? '')) words.shift();
  const [program = '', ...rest] = words;
  const folder = folders.find((each) => existsSync(join(each, program)));
  assert.ok(folder, `${page}: ${text}: no project has ${program}`);
  if (!program.endsWith('.py')) assert.ok(statSync(join(folder, program)).mode & 0o100, `${program} is not executable`);
  const isFront = program === 'deploy/deploy.py';
  const command = isFront && /^[a-z_]+$/.test(rest[0] ?? '') ? [rest[0] ?? ''] : [];
  if (program === './lock.sh') return; // its flags are those of uv pip compile
  const flags = rest.filter((word) => word.startsWith('--'));
  const listed = command.length ? helpOf(program, [], folder) : '';
  for (const name of command) assert.match(listed, new RegExp(`^ *${name}$`, 'm'), `${page}: ${text}`);
  const help = flags.length ? helpOf(program, command, folder) : '';
  for (const flag of flags)
    assert.ok(help.includes(flag.split('=')[0] ?? flag), `${page}: ${text}: ${program} has no ${flag}`);
}

/** Checks that the flags of a command with placeholders are known. */
function checkFlags({ page, text }: Command): void {
  const words = text
    .split(' ')
    .slice(1)
    .filter((word) => !/^(configure|inspect|PATH|DIRECTORY)$/.test(word));
  const unknown = readArguments(words).problems.filter(({ message }) => message.startsWith('unknown flag'));
  assert.deepEqual(unknown, [], `${page}: ${text}`);
}

const hasPlaceholder = (text: string) => /…|\b[A-Z]{3,}\b/.test(withoutVariables(text));
const generates = (text: string) => /\bml-container-creator\b/.test(text) && !text.startsWith('yo ');
const isOfProject = (text: string) =>
  /^(python3? )?(\.\/)?[\w-]*\/?((deploy|train|test|tools|sample_model)[/\\][\w/\\]+\.(sh|py)|lock\.sh)\b/.test(
    withoutVariables(text),
  );

/** Runs the commands of a page in order, like a reader. Each block continues where the previous one ended. */
function follow(commands: readonly Command[], others: readonly string[]): string[] {
  const home = prepareFolder();
  let [cwd, project, block] = [home, '', 0];
  const unknown: string[] = [];
  for (const command of commands) {
    const { text, page, language } = command;
    const inBlock = command.block !== undefined;
    if (inBlock && command.block !== block) {
      block = command.block ?? 0;
      const starts = commands.some((each) => each.block === block && generates(each.text));
      cwd = starts || !project ? home : project;
    }
    const [word = '', target = ''] = text.split(' ');
    if (notRunHere.some(([pattern]) => pattern.test(text))) continue;
    if (word === 'cd' && target === 'deploy/cdk') continue;
    else if (word === 'cd') {
      cwd = resolve(cwd, target);
      assert.ok(existsSync(cwd), `${page}: ${text}`);
      project = cwd;
    } else if (generates(text) && hasPlaceholder(text)) checkFlags(command);
    else if (generates(text)) {
      const inside = text.includes('--project-dir=.');
      if (!inside) cwd = prepareFolder();
      paste(inside ? `${text} --dry-run` : text, inside ? (others[0] ?? cwd) : cwd, home);
    } else if (isOfProject(text))
      checkScript(command, inBlock && language === 'bash' && project ? [cwd] : [cwd, ...others, root]);
    else if (!text.startsWith('$env:')) unknown.push(`${page}: ${text}`);
  }
  return unknown;
}

/** The anchors of a page's headings, as GitHub makes them. */
const anchors = (text: string) =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );

describe('the docs', () => {
  const projects: string[] = [];
  before(async () => {
    const place = newFolder();
    const made = outcome(tool('python'), ['-c', training], { cwd: place });
    assert.equal(made.status, 0, made.output);
    model = readFileSync(join(place, 'churn.pkl'));
    const common = { projectName: 'demo', framework: 'sklearn', includeSampleModel: true, includeTraining: true };
    const full = { ...common, deployTool: ['cli', 'boto3', 'cdk'], buildTarget: 'codebuild' };
    const language = {
      projectName: 'llm',
      framework: 'transformers',
      modelName: 'org/x-1b',
      deployTool: ['cli', 'boto3'],
    };
    projects.push(await generateProject(full, join(newFolder(), 'demo')));
    projects.push(await generateProject({ ...common, includeTraining: false }, join(newFolder(), 'local')));
    projects.push(await generateProject(language, join(newFolder(), 'llm')));
    mkdirSync(join(projects[0] ?? '', 'model'), { recursive: true });
    writeFileSync(join(projects[0] ?? '', 'churn.pkl'), model);
  });

  for (const page of pages) {
    const commands = commandsIn(page);
    if (!commands.length) continue;
    it(`${page.path}: its ${commands.length} commands work, or there is a reason why they are not run here`, () => {
      assert.deepEqual(follow(commands, projects), []);
    });
  }

  it('mention only scripts that package.json has', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const { path: name, text } of pages)
      for (const [, script = ''] of text.matchAll(/\bnpm run ([\w:]+)/g))
        assert.ok(script in scripts, `${name}: ${script}`);
  });

  it('link to files and headings that exist', () => {
    const broken = pages.flatMap(({ path: name, text }) =>
      [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)]+))?\)/g)].flatMap(([link, file = '', anchor]) => {
        const target = file ? join(root, dirname(name), file) : join(root, name);
        const found = existsSync(target) && (!anchor || anchors(readFileSync(target, 'utf8')).includes(anchor));
        return found ? [] : [`${name}: ${link}`];
      }),
    );
    assert.deepEqual(broken, []);
  });

  it('show the commands of the README in their picture', () => {
    const picture = readFileSync(join(root, 'docs/recording.svg'), 'utf8');
    const readme = readFileSync(join(root, 'README.md'), 'utf8').replace(/ {2,}#.*$/gm, '');
    const typed = [...picture.matchAll(/class="typed"><tspan class="prompt">\$ <\/tspan>(.*?)<\/text>/g)];
    assert.equal(typed.length, 3);
    for (const [, command = ''] of typed)
      assert.ok(readme.includes(`\n${command.replaceAll('&amp;', '&')}\n`), command);
    assert.ok(picture.length < 60_000);
    assert.match(picture, /<title>.+<\/title>/);
  });
});
