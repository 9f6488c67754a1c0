// README.md and the templates of its chapters.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { frameworkNames } from '../../generators/catalog/frameworks.js';
import { resolve } from '../../generators/config/resolve.js';
import { readObject } from '../../generators/config/sources.js';
import { projectFiles } from '../../generators/plan.js';
import { manifest } from '../../generators/project/manifest.js';
import { nextSteps } from '../../generators/project/next.js';
import { projectFrom } from '../../generators/project/project.js';
import { chapters } from '../../generators/project/readme.js';
import { render } from '../../generators/project/render.js';
import { root } from '../support/tools.js';

const folder = join(root, 'templates/project/readme');
const kinds = [
  {},
  { includeSampleModel: true, includeTraining: true, deployTool: ['cli', 'boto3', 'cdk'] },
  { includeTests: false, deployTarget: 'batch', buildTarget: 'codebuild' },
  { runtime: 'onnx' },
  { multiModel: true, modelServer: 'mms' },
  { framework: 'transformers', modelServer: 'fastapi', modelName: 'org/tiny', instanceType: 'ml.m5.large' },
  { framework: 'transformers', modelName: 'org/x-1b', instanceType: 'gpu-enabled' },
];
const projectOf = (kind: object) => {
  const { answers, problems } = resolve([readObject({ framework: 'sklearn', ...kind }, 'the test')]);
  assert.deepEqual(problems, []);
  return projectFrom(answers);
};
const projects = kinds.map(projectOf);

describe('README.md', () => {
  it('has at most eight chapters, and every template is used', () => {
    for (const project of projects) assert.ok(chapters(project).length <= 8);
    const used = projects.flatMap(chapters).map((name) => name.slice('project/readme/'.length));
    const included = used.flatMap((name) =>
      [...readFileSync(join(folder, name), 'utf8').matchAll(/include\('project\/readme\/(.*)'\)/g)].map(
        ([, part]) => part,
      ),
    );
    const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ejs'));
    assert.deepEqual([...new Set([...used, ...included])].sort(), found.sort());
  });

  it('starts each chapter with a heading, and separates paragraphs with one blank line', () => {
    for (const project of projects) {
      const text = render(manifest(project), project).find(({ path }) => path === 'README.md')?.text ?? '';
      assert.doesNotMatch(text, /\n\n\n|\n\n$|^\n/);
      assert.match(text, /\n## Deploy it\n/);
      for (const name of chapters(project))
        assert.match(readFileSync(join(root, 'templates', name), 'utf8'), /^(<% .*\n+)*#/, name);
    }
  });

  it('is mentioned by the next steps of a project that needs a model and a request', () => {
    const next = (kind: object, present?: Parameters<typeof nextSteps>[3]) =>
      nextSteps(projectOf(kind), '/x', '/', present);
    const both =
      /^First copy your model to x\/model\/model\.joblib, and write a request to x\/test\/sample_request\.json \(see /m;
    assert.match(next({}), both);
    assert.match(next({ includeTests: false }), /^First copy your model to x\/model\/model\.joblib\.\nNext/m);
    assert.doesNotMatch(next({ includeSampleModel: true }), /First/);
    const withModel = (request: boolean) => next({}, { locked: true, model: true, request });
    assert.match(
      withModel(false),
      /^First write a request to x\/test\/sample_request\.json \(see README\.md\)\.\nNext/m,
    );
    assert.doesNotMatch(withModel(true), /First/);
  });

  it('says where model and request belong, without asking for a request that was derived from the model', () => {
    const request = { path: 'test/sample_request.json', text: '{"instances": [[1]]}\n', executable: false };
    const readme = (kind: object, fromModel = [request]) =>
      projectFiles(projectOf(kind), fromModel).find(({ path }) => path === 'README.md')?.text ?? '';
    assert.match(readme({}), /^Your model belongs in `model\/`, for example as `model\/model\.joblib`/m);
    assert.match(readme({}), /^A sample request is in `test\/sample_request\.json`\./m);
    assert.doesNotMatch(readme({}), /5\.1, 3\.5/);
    assert.match(readme({}, []), /^A sample request belongs in .*`\{"instances": \[\[5\.1, 3\.5, 1\.4, 0\.2\]\]\}`/m);
    assert.match(
      readme({ framework: 'tensorflow', modelFormat: 'SavedModel' }, []),
      /^The files of your model belong in `model\/`; git/m,
    );
    assert.match(readme({ runtime: 'onnx' }, []), /^The conversion writes `model\/` and a sample request/m);
    assert.doesNotMatch(readme({ includeSampleModel: true }), /belongs? in `model\/`/);
  });

  it('mentions only settings that the project has, and limits that apply to its target', () => {
    for (const project of [...projects, projectOf({ deployTarget: 'async' })]) {
      const files = new Map(render(manifest(project), project).map(({ path, text }) => [path, text]));
      const [readme, settings] = [files.get('README.md') ?? '', files.get('deploy/settings.env') ?? ''];
      for (const [, name] of readme.matchAll(/With `([A-Z_]+)=true`/g))
        assert.match(settings, new RegExp(`^${name}=`, 'm'));
      const [, limit] = /\| 413[ ,\d]* \| the body is larger than (\d+ [MG]B)/.exec(readme) ?? [];
      assert.equal(limit, { async: '1 GB', batch: '100 MB' }[project.target as string] ?? '25 MB');
      assert.match(readme, new RegExp(`binfmt --install ${project.image.platform.split('/')[1]}|CodeBuild`));
    }
  });

  it('promises checkpoints, and a model from a stopped job, only if train.py saves them', () => {
    for (const framework of frameworkNames.filter((name) => name !== 'transformers')) {
      const project = projectOf({ framework, includeTraining: true });
      const files = new Map(render(manifest(project), project).map(({ path, text }) => [path, text]));
      const saves = !/can_stop=False/.test(files.get('train/train.py') ?? '');
      assert.equal(/Models and checkpoints are kept/.test(files.get('README.md') ?? ''), saves, framework);
      const settings = files.get('deploy/settings.env') ?? '';
      assert.match(settings, saves ? /saves the current model/ : /ends without a model/, framework);
      assert.match(settings, saves ? /then resumes from its last checkpoint\./ : /then starts again\./, framework);
    }
  });
});
