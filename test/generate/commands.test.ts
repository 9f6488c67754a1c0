// A project has every command that its README, its help and its hints mention.
import assert from 'node:assert/strict';
import { readObject } from '../../generators/config/sources.js';
import { manifest } from '../../generators/project/manifest.js';
import { type RenderedFile, render } from '../../generators/project/render.js';
import { write } from '../../generators/project/write.js';
import { newFolder } from '../support/bin.js';
import { resolve } from '../support/generate.js';
import { outcome, tool } from '../support/tools.js';

const choices = {
  deployTarget: ['realtime', 'serverless', 'async', 'batch'],
  deployTool: [['cli'], ['boto3'], ['cdk'], ['cli', 'boto3', 'cdk']],
  buildTarget: ['local', 'codebuild'],
} as const;
const language = { framework: 'transformers', instanceType: 'gpu-enabled', includeSampleModel: false };
/** Other answers that add or remove commands. */
const variations = {
  'with training': { includeTraining: true },
  'with the model in the image': { modelDelivery: 'image' },
  'with many models': { multiModel: true },
  'without sample and tests': { includeSampleModel: false, includeTests: false },
  'of a model on the Hub': { ...language, modelName: 'org/x-1b' },
  'of a model in S3': { ...language, modelName: 's3://bucket/x-1b/' },
} as const;

/** The files of a project; undefined for answers that are refused. */
function filesOf(answers: Record<string, unknown>): RenderedFile[] | undefined {
  const common = { projectName: 'demo', framework: 'sklearn', includeSampleModel: true };
  const { project } = resolve([readObject({ ...common, ...answers }, 'the test')]);
  return project && render(manifest(project), project);
}

const projects = Object.entries(variations).flatMap(([kind, extra]) =>
  choices.deployTarget.flatMap((deployTarget) =>
    choices.deployTool.flatMap((deployTool) =>
      choices.buildTarget.flatMap((buildTarget) => {
        const files = filesOf({ deployTarget, deployTool, buildTarget, ...extra });
        return files
          ? [{ name: `${deployTarget} by ${deployTool}, built ${buildTarget}, ${kind}`, deployTool, files }]
          : [];
      }),
    ),
  ),
);

/** The programs that a line mentions, as paths relative to the project, or only their names. */
const mentioned = (line: string) =>
  [...line.matchAll(/(?:[\w.$-]+\/)*[\w-]+\.(?:sh|py)\b/g)].map(([path]) =>
    path
      .replace(/^.*\$\w+\//, '')
      .replace(/^(\.\.?\/)*/, '')
      .replace(/^opt\/program\//, ''),
  );

/** The files and folders whose existence a program checks before it mentions them. */
const checkedFor = (text: string) =>
  [...text.matchAll(/-[ed] "\$\w+\/([\w./-]+)"|"([\w./-]+)"\)\.exists\(\)|PROJECT \/ "([\w./-]+)"$/gm)].map(
    ([, inBash, inPython, below]) => inBash ?? inPython ?? below ?? '',
  );

/** Files that the user is told to create if a model cannot be loaded. */
const createdByUser = ['code/features.py', 'features.py', 'code/layers.py'];

/** Code that chooses commands at run time, which another test covers. */
const chooses = ({ path }: RenderedFile, line: string) =>
  /^deploy\/deployer\/(hints|__main__)\.py$/.test(path) || line.startsWith('"""Usage: ');

/** The lines of a file that mention a program which the project does not have. */
function misleading(file: RenderedFile, paths: readonly string[]): string[] {
  const { path, text } = file;
  const found = checkedFor(text);
  const known = (name: string, isComment: boolean) =>
    createdByUser.includes(name) ||
    paths.some((each) => each === name || each.endsWith(`/${name}`)) ||
    (!isComment && found.some((each) => each.endsWith(name) || name.endsWith(each) || name.startsWith(`${each}/`)));
  return text
    .split('\n')
    .filter((line) => !chooses(file, line))
    .filter((line) => mentioned(line).some((name) => !known(name, path.endsWith('.md') || line.startsWith('#'))))
    .map((line) => `${path}: ${line.trim()}`);
}

describe('the commands that a project mentions', () => {
  it(`exist in each of ${projects.length} projects`, () => {
    for (const target of choices.deployTarget)
      for (const tool of choices.deployTool)
        if (target !== 'batch' || !tool.some((each) => each === 'cdk'))
          assert.ok(
            projects.some(({ name, deployTool }) => name.startsWith(target) && deployTool === tool),
            `${target} by ${tool}`,
          );
    const wrong = projects.flatMap(({ name, files }) => {
      const paths = files.map(({ path }) => path);
      return files.flatMap((file) => misleading(file, paths)).map((line) => `${name}: ${line}`);
    });
    assert.deepEqual(wrong, []);
  });

  it('exist if the help and the hints of deploy/ mention them, whatever script started it', () => {
    const program = `import sys
sys.path[0] = "deploy"
sys.argv = sys.argv[1:]
from deployer import hints, settings
from deployer.__main__ import main
from deployer.project import COMMANDS, Settings
known = settings.read(Settings, environment={})
for name in COMMANDS:
    if hints.suggest_deploy_py() or (hints.PROJECT / hints.ELSEWHERE.get(name, f"deploy/{name}.sh")).exists():
        try:
            main([name, "--help"])
        except SystemExit as ended:
            assert ended.code == 0
hint = ("build", "deploy", "invoke", "training")
print(*[getattr(hints, f"{each}_command")(known) for each in hint if each != "training" or "fit" in COMMANDS], sep="\\n")`;
    const variants: Record<string, unknown>[] = [
      ...choices.deployTool.map((deployTool) => ({ deployTool })),
      { deployTool: ['cli', 'boto3'], includeTraining: true, buildTarget: 'codebuild' },
      { deployTool: ['boto3'], deployTarget: 'batch' },
      { deployTool: ['boto3'], multiModel: true },
    ];
    for (const variant of variants) {
      const files = filesOf(variant) ?? [];
      const paths = files.map(({ path }) => path);
      const cwd = newFolder();
      write(files, cwd, false);
      for (const front of ['deploy/deploy.py', 'deploy/deployer'].filter(
        (each) => each !== 'deploy/deploy.py' || paths.includes(each),
      )) {
        const { status, output } = outcome(tool('python'), ['-B', '-c', program, front], { cwd });
        assert.equal(status, 0, output);
        const names = [...output.matchAll(/\b(?:deploy|train|test)\/(?:\w+\/)*\w+\.(?:sh|py)\b/g)].map(
          ([name]) => name,
        );
        const wrong = names.filter((name) => !paths.includes(name) && !/^test\/sample_request/.test(name));
        assert.deepEqual(wrong, [], `${JSON.stringify(variant)} by ${front}: ${output}`);
        assert.ok(names.length > 5, output);
      }
    }
  });
});
