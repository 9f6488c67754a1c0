// The modules of deploy/deployer that a project gets.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readObject } from '../../generators/config/sources.js';
import { deployerModules, projectModule, requestModules } from '../../generators/project/deployer.js';
import { manifest } from '../../generators/project/manifest.js';
import { render } from '../../generators/project/render.js';
import { resolve } from '../support/generate.js';
import { root } from '../support/tools.js';

const folder = join(root, 'templates/deploy/deployer');

/** Undefined for answers that are refused. */
const projectOf = (answers: object) => resolve([readObject({ framework: 'sklearn', ...answers }, 'the test')]).project;

describe('the deployer', () => {
  it('has the same project.py as templates/ in a project with all defaults', () => {
    const project = projectOf({});
    assert.ok(project);
    assert.equal(projectModule(project), readFileSync(join(folder, 'project.py'), 'utf8'));
  });

  it('has no unused module', () => {
    const language = { framework: 'transformers', modelName: 'org/x-1b', instanceType: 'gpu-enabled' };
    const models = [{}, { modelDelivery: 'image' }, { multiModel: true }, { includeTraining: true }, language];
    const projects = ['realtime', 'serverless', 'async', 'batch'].flatMap((deployTarget) =>
      models.flatMap((model) => projectOf({ ...model, deployTarget, buildTarget: 'codebuild' }) ?? []),
    );
    const has = (path: string) =>
      readdirSync(join(folder, path))
        .filter((file) => file.endsWith('.py') && file !== 'project.py')
        .map((file) => file.slice(0, -'.py'.length))
        .sort();
    assert.deepEqual([...new Set(projects.flatMap(deployerModules))].sort(), has('.'));
    assert.deepEqual([...new Set(projects.flatMap(requestModules))].sort(), has('requests'));
  });

  it('has the modules of its target, its model and its tools, each once', () => {
    const modules = (answers: object) => {
      const project = projectOf(answers);
      assert.ok(project);
      const all = [...deployerModules(project), ...requestModules(project).map((name) => `requests/${name}`)];
      assert.deepEqual(all, [...new Set(all)]);
      return all;
    };
    const additional = (answers: object) => {
      const defaults = modules({});
      return modules(answers).filter((name) => !defaults.includes(name));
    };
    assert.deepEqual(additional({ deployTool: ['boto3', 'cdk'] }), []);
    assert.deepEqual(additional({ deployTarget: 'async' }), [
      'invoke_async',
      'requests/asynchronous',
      'requests/by_backlog',
    ]);
    assert.deepEqual(additional({ modelDelivery: 'image' }), ['upload_image', 'requests/model_image']);
    assert.deepEqual(additional({ multiModel: true }), ['upload_many', 'invoke_many', 'requests/model_many']);
    assert.deepEqual(additional({ includeTraining: true }), ['image_training', 'fit', 'requests/training']);
    assert.ok(!modules({ deployTarget: 'serverless' }).includes('requests/instances'));
  });

  it('has policies in which each level is indented by two spaces', () => {
    const project = projectOf({ buildTarget: 'codebuild', deployTool: ['cli', 'cdk'], includeTraining: true });
    assert.ok(project);
    const policies = render(manifest(project), project).filter(({ path }) => /^deploy\/iam\/.*\.json$/.test(path));
    assert.ok(policies.length > 5);
    for (const { path, text } of policies) {
      let depth = 0;
      for (const line of text.trimEnd().split('\n')) {
        if (/^ *[\]}]/.test(line)) depth--;
        assert.equal(line.search(/\S/), 2 * depth, `${path}: ${line}`);
        if (/[[{]$/.test(line)) depth++;
      }
    }
  });
});
