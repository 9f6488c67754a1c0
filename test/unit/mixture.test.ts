// Properties of resolving that hold for any sources.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { keys } from '../../generators/config/parameters.js';
import { readArguments, readEnvironment, readObject } from '../../generators/config/sources.js';
import { resolve } from '../support/generate.js';

const sklearn = { framework: 'sklearn' };

describe('resolving any mixture of sources', () => {
  const junk = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(fc.string(), { maxLength: 3 }),
    fc.double(),
  );
  const likely = fc.constantFrom<unknown>(
    'sklearn',
    'xgboost',
    'transformers',
    'flask',
    'vllm',
    'serverless',
    'batch',
    'ml.m5.large',
    'gpu-enabled',
    'custom',
    'demo',
    'org/name',
    true,
    false,
    'true',
    1,
    2048,
    'cli,cdk',
    ['cli'],
    'eu-west-1',
  );
  const object = fc.dictionary(
    fc.oneof({ weight: 9, arbitrary: fc.constantFrom<string>(...keys) }, fc.string()),
    fc.oneof(likely, junk),
  );
  const argv = fc.array(
    fc.oneof(
      fc.string(),
      fc.constantFrom(
        '--framework=sklearn',
        '--framework',
        'sklearn',
        '--no-include-tests',
        '--force',
        'demo',
        '--',
        '--config',
        '--instance-type=ml.m5.large',
      ),
    ),
  );

  it('gives a complete project or problems, never a crash', () => {
    fc.assert(
      fc.property(argv, fc.array(object, { maxLength: 3 }), (words, objects) => {
        const env = Object.fromEntries(
          Object.entries(objects[0] ?? {}).map(([key, value]) => [`ML_${key.toUpperCase()}`, String(value)]),
        );
        const { project, problems } = resolve([
          readArguments(words),
          readEnvironment(env),
          ...objects.map((each) => readObject(each, 'x')),
        ]);
        assert.equal(project === undefined, problems.length > 0);
        for (const { message, from } of problems) assert.ok(message && from);
      }),
      { numRuns: 2000 },
    );
  });

  it('gives the same project when its answers are read back', () => {
    fc.assert(
      fc.property(object, (answers) => {
        const { project } = resolve([readObject({ ...sklearn, ...answers }, 'x')]);
        if (project) assert.deepEqual(resolve([readObject(project.answers, 'y')]).project, project);
      }),
      { numRuns: 500 },
    );
  });
});
