// Every command that a project names, in its README, its help and its hints, is one that it has.
import assert from 'node:assert/strict';
import { resolve } from '../../generators/config/resolve.js';
import { readObject } from '../../generators/config/sources.js';
import { manifest } from '../../generators/project/manifest.js';
import { type RenderedFile, render } from '../../generators/project/render.js';

const choices = {
  deployTarget: ['realtime', 'serverless', 'async', 'batch'],
  deployTool: [['cli'], ['boto3'], ['cdk'], ['cli', 'boto3', 'cdk']],
  buildTarget: ['local', 'codebuild'],
} as const;
const language = { framework: 'transformers', instanceType: 'gpu-enabled', includeSampleModel: false };
/** What adds or leaves out commands besides. */
const more = {
  'with training': { includeTraining: true },
  'with the model in the image': { modelDelivery: 'image' },
  'with many models': { multiModel: true },
  'without sample and tests': { includeSampleModel: false, includeTests: false },
  'of a model on the Hub': { ...language, modelName: 'org/x-1b' },
  'of a model in S3': { ...language, modelName: 's3://bucket/x-1b/' },
} as const;

/** The files of a project; nothing for answers that are refused. */
function filesOf(answers: Record<string, unknown>): RenderedFile[] | undefined {
  const common = { projectName: 'demo', framework: 'sklearn', includeSampleModel: true };
  const { project } = resolve([readObject({ ...common, ...answers }, 'the test')]);
  return project && render(manifest(project), project);
}

const projects = Object.entries(more).flatMap(([kind, extra]) =>
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

/** The programs that a line names, as paths from the project's folder or as names alone. */
const named = (line: string) =>
  [...line.matchAll(/(?:[\w.$-]+\/)*[\w-]+\.(?:sh|py)\b/g)].map(([path]) =>
    path
      .replace(/^.*\$\w+\//, '')
      .replace(/^(\.\.?\/)*/, '')
      .replace(/^opt\/program\//, ''),
  );

/** What a program looks for before it names it: files, and folders with all that is in them. */
const lookedFor = (text: string) =>
  [...text.matchAll(/-[ed] "\$\w+\/([\w./-]+)"|"([\w./-]+)"\)\.exists\(\)|with_name\("([\w.]+)"\)\.exists\(\)/g)].map(
    ([, inBash, inPython, beside]) => inBash ?? inPython ?? beside ?? '',
  );

/** The lines of a file that name a program which the project does not have. */
/** What the advice about a model that does not load has the user make. */
const made = ['code/features.py', 'features.py', 'code/layers.py'];

function misleading({ path, text }: RenderedFile, paths: readonly string[]): string[] {
  const found = lookedFor(text);
  const known = (name: string, isComment: boolean) =>
    made.includes(name) ||
    paths.some((each) => each === name || each.endsWith(`/${name}`)) ||
    (!isComment && found.some((each) => each.endsWith(name) || name.endsWith(each) || name.startsWith(`${each}/`)));
  return text
    .split('\n')
    .filter((line) => named(line).some((name) => !known(name, path.endsWith('.md') || line.startsWith('#'))))
    .map((line) => `${path}: ${line.trim()}`);
}

describe('the commands that a project names', () => {
  it(`are there, in all of ${projects.length} projects`, () => {
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
});
