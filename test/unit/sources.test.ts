import assert from 'node:assert/strict';
import { readArguments, readEnvironment, readObject, withInstanceImplied } from '../../generators/config/sources.js';

const readOf = (argv: string[], key: string) => readArguments(argv).values.find((given) => given.key === key)?.value;

describe('flags', () => {
  for (const [written, value] of [
    ['--include-tests', true],
    ['--no-include-tests', false],
    ['--include-tests=false', false],
    ['--include-tests=0', false],
    ['--include-tests=off', false],
    ['--include-tests=TRUE', true],
    ['--no-include-tests=false', true],
  ] as const) {
    it(`${written} means ${value}`, () => assert.equal(readOf([written], 'includeTests'), value));
  }

  it('take their value after = or from the next word', () => {
    assert.equal(readOf(['--framework=sklearn'], 'framework'), 'sklearn');
    assert.equal(readOf(['--framework', 'sklearn'], 'framework'), 'sklearn');
    assert.equal(readOf(['--include-tests', 'false', 'demo'], 'includeTests'), false);
    assert.equal(readOf(['--instance-count=3'], 'instanceCount'), 3);
  });

  it('leave one other word, which is the project name', () => {
    assert.equal(readOf(['--include-tests', 'demo'], 'projectName'), 'demo');
    assert.equal(readOf(['--', 'demo'], 'projectName'), 'demo');
  });

  it('accept a list with commas, or as repeated flags', () => {
    assert.deepEqual(readOf(['--deploy-tool=cli', '--deploy-tool=cdk'], 'deployTool'), ['cli', 'cdk']);
    assert.deepEqual(readOf(['--deploy-tool=cli, cdk'], 'deployTool'), ['cli', 'cdk']);
  });

  for (const [argv, expected] of [
    [['--framwork=sklearn'], /unknown flag.*did you mean --framework/],
    [['--instanceType=ml.m5.large'], /unknown flag.*did you mean --instance-type/],
    [['-x'], /unknown flag/],
    [['--no-framework'], /unknown flag/],
    [['--framework'], /needs a value/],
    [['--framework', '--force'], /needs a value/],
    [['--force=maybe'], /does not take a value/],
    [['a', 'b'], /unexpected argument "b"/],
    [['--framework=sklearn', '--framework=xgboost'], /set twice/],
    [['--__proto__=x'], /unknown flag/],
    [['--constructor=x'], /unknown flag/],
  ] as const) {
    it(`${argv.join(' ')} is refused`, () => {
      const problems = readArguments(argv).problems.map(({ message, hint }) => `${message} ${hint}`);
      assert.equal(problems.length, 1);
      assert.match(String(problems[0]), expected);
    });
  }
});

describe('variables', () => {
  it('are read by name, and count as unset if empty', () => {
    const { values } = readEnvironment({
      ML_INCLUDE_TESTS: '0',
      ML_FRAMEWORK: '',
      ML_DEPLOY_TOOL: 'cli,cdk',
      PATH: 'x',
    });
    assert.deepEqual(
      values.map(({ key, value, from }) => [key, value, from]),
      [
        ['includeTests', false, 'ML_INCLUDE_TESTS'],
        ['deployTool', ['cli', 'cdk'], 'ML_DEPLOY_TOOL'],
      ],
    );
  });

  it('of the AWS tools set the region, with lower precedence than ML_AWS_REGION', () => {
    const region = (env: Record<string, string>) => readEnvironment(env).values[0]?.value;
    assert.equal(region({ AWS_DEFAULT_REGION: 'eu-west-2', AWS_REGION: 'eu-west-1' }), 'eu-west-1');
    assert.equal(region({ AWS_DEFAULT_REGION: 'eu-west-2' }), 'eu-west-2');
    assert.equal(region({ AWS_REGION: 'eu-west-1', ML_AWS_REGION: 'us-west-2' }), 'us-west-2');
  });

  it('that are unknown cause a warning with a suggestion', () => {
    const { warnings, problems } = readEnvironment({ ML_FRAMEWRK: 'sklearn', ML_FLOW_URI: 'x' });
    assert.match(String(warnings[0]), /ML_FRAMEWRK.*did you mean ML_FRAMEWORK/);
    assert.equal(warnings.length, 2);
    assert.equal(problems.length, 0);
  });
});

describe('config objects', () => {
  it('can contain $schema, but no unknown key', () => {
    const { problems, values } = readObject({ $schema: 'x', framework: 'sklearn', framewrk: 'y' }, 'a.json');
    assert.equal(values.length, 1);
    assert.match(
      `${problems[0]?.message} ${problems[0]?.hint} ${problems[0]?.from}`,
      /"framewrk" did you mean framework\? a\.json/,
    );
  });

  for (const wrong of [[], null, 'text', 3]) {
    it(`must be objects, not ${JSON.stringify(wrong)}`, () =>
      assert.match(String(readObject(wrong, 'a.json').problems[0]?.message), /must be a JSON object/));
  }
});

describe('an instance type', () => {
  const implied = (object: object) =>
    Object.fromEntries(withInstanceImplied(readObject(object, 'x')).values.map(({ key, value }) => [key, value]));

  it('as a literal value means custom with that type', () =>
    assert.deepEqual(implied({ instanceType: 'ml.c5.large' }), {
      instanceType: 'custom',
      customInstanceType: 'ml.c5.large',
    }));
  it('as customInstanceType alone means custom', () =>
    assert.deepEqual(implied({ customInstanceType: 'ml.c5.large' }), {
      instanceType: 'custom',
      customInstanceType: 'ml.c5.large',
    }));
});
