import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fitPage } from '../../docs/fit.js';
import { frameworkNames } from '../../generators/catalog/frameworks.js';
import { serverNames } from '../../generators/catalog/servers.js';
import { help, jsonSchema, referencePage } from '../../generators/config/describe.js';
import { flagOf, keys, variableOf } from '../../generators/config/parameters.js';
import { valuesOf } from '../../generators/config/values.js';
import { root } from '../support/tools.js';

describe('the table of parameters', () => {
  it('uses kebab case for flags and upper snake case for variables', () => {
    assert.deepEqual([flagOf('instanceType'), variableOf('instanceType')], ['--instance-type', 'ML_INSTANCE_TYPE']);
    assert.deepEqual([flagOf('multiModel'), variableOf('awsRoleArn')], ['--multi-model', 'ML_AWS_ROLE_ARN']);
  });

  it('lists every framework and server', () => {
    assert.deepEqual(valuesOf('framework'), frameworkNames);
    assert.deepEqual(valuesOf('modelServer'), serverNames);
  });

  it('is complete in the help, the schema and the reference', () => {
    const schema = JSON.stringify(jsonSchema());
    for (const key of keys) {
      assert.ok(
        help().includes(flagOf(key).slice(2)) &&
          schema.includes(`"${key}"`) &&
          referencePage().includes(variableOf(key)),
        key,
      );
    }
  });

  it('matches docs/parameters.md and docs/fit.md; if not, run npm run docs', () => {
    assert.equal(readFileSync(join(root, 'docs/parameters.md'), 'utf8'), referencePage());
    assert.equal(readFileSync(join(root, 'docs/fit.md'), 'utf8'), fitPage());
  });
});
