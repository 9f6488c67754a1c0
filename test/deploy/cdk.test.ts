import assert from 'node:assert/strict';
import path from 'node:path';
import {
  cdk,
  cdkTool,
  create,
  inService,
  installCdk,
  only,
  permissionsOf,
  readTemplate,
  resolve,
  rolesOf,
  synthesize,
  type Template,
  waitsFor,
} from '../support/cdk.js';
import { generateProject } from '../support/generate.js';
import { must, run, scratch, train, unique } from '../support/rig.js';
import { aws, leftOf, refuse, role, script, succeed } from '../support/scripts.js';
import { root, tool } from '../support/tools.js';

const strict = path.join(root, 'test/serve/pyproject.toml');
const deploy = ['deploy', '--require-approval', 'never'];
const topic = 'arn:aws:sns:us-east-1:123456789012:answered';

/** For each target: settings that use everything, and the dependencies of its auto scaling resources. */
const kinds = {
  realtime: {
    settings: {
      MAX_INSTANCE_COUNT: '3',
      CAPTURE_PERCENT: '20',
      METRICS: 'true',
      KMS_KEY_ID: 'alias/mine',
      VPC_SUBNETS: 'subnet-0123456789abcdef0, subnet-0123456789abcdef1',
      VPC_SECURITY_GROUPS: 'sg-0123456789abcdef0',
      TAGS: '{"team / owner": "a+b=c.d_e:f/g@h - é", "empty": ""}',
    },
    scaling: [['Endpoint'], ['ScalableTarget']],
  },
  serverless: {
    settings: { PROVISIONED_CONCURRENCY: '1', MAX_PROVISIONED_CONCURRENCY: '3', ROLE_ARN: role },
    scaling: [['Endpoint'], ['ScalableTarget']],
  },
  async: {
    settings: { MAX_INSTANCE_COUNT: '2', SUCCESS_TOPIC: topic },
    scaling: [['Endpoint'], ['ScalableTarget'], ['ScalingPolicy'], ['ScalingPolicy']],
  },
} as const;
type Kind = keyof typeof kinds;
const everyKind = Object.keys(kinds) as Kind[];

describe('deploy/cdk', function () {
  this.timeout(300_000);
  const folder = scratch(); // its name has a space
  const name = unique('cdk');
  const endpoint = (kind: Kind) => `${name}-${kind}`;
  const request = () => path.join(directory, 'test/sample_request.json');
  let directory: string; // a real-time endpoint with default settings
  let content: { IMAGE_URI: string; MODEL_DATA: string };
  const projects = {} as Record<Kind, string>;
  const templates = {} as Record<Kind, Template>;
  const fileOf = (kind: Kind) => path.join(folder, `out-${kind}`, `${endpoint(kind)}.template.json`);

  before(async function () {
    this.timeout(900_000);
    installCdk();
    const answers = { framework: 'custom', includeSampleModel: true, deployTool: ['cli', 'cdk'] };
    const generate = (projectName: string, more: Record<string, unknown>) =>
      generateProject({ ...answers, projectName, ...more }, path.join(folder, projectName));
    directory = await generate(name, { instanceType: 'ml.m5.large' });
    for (const kind of everyKind) {
      const machines = kind === 'serverless' ? {} : { instanceType: 'ml.m5.large' };
      const deployTool = kind === 'realtime' ? ['cli', 'cdk'] : ['cdk'];
      projects[kind] = await generate(endpoint(kind), { deployTarget: kind, deployTool, ...machines });
    }
  });
  after(async () => {
    for (const kind of everyKind.filter((each) => templates[each])) {
      await run('aws', ['sagemaker', 'delete-endpoint', '--endpoint-name', endpoint(kind)]);
      const { EndpointConfigName } = only(templates[kind], 'EndpointConfig')?.Properties ?? {};
      await run('aws', ['sagemaker', 'delete-endpoint-config', '--endpoint-config-name', EndpointConfigName]);
      await run('aws', ['sagemaker', 'delete-model', '--model-name', EndpointConfigName]);
    }
    await script(directory, 'delete.sh', ['--all']);
    const images = await must('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}']);
    const mine = images.split('\n').filter((image) => image.includes(name));
    await run('docker', ['image', 'rm', '--force', ...mine]);
  });

  it('passes mypy for every target', async () => {
    for (const kind of everyKind) {
      const where = ['--cache-dir', cdkTool('../mypy'), '--python-executable', cdkTool('python')];
      const options = { cwd: path.join(projects[kind], 'deploy/cdk'), env: { MYPYPATH: '..' } };
      await must(tool('mypy'), ['--config-file', strict, ...where, 'app.py'], options);
    }
  });

  it('reports what is missing or wrong in one sentence, and creates nothing', async () => {
    const { code, err } = await cdk(directory, deploy);
    assert.notEqual(code, 0);
    assert.match(
      err,
      /No image for linux\/amd64 has been pushed to us-east-1 yet\. Run deploy\/build_and_push\.sh first\./,
    );
    assert.doesNotMatch(err, /Traceback/);
    assert.deepEqual(await leftOf(name), []);
    const refused = async (sentence: RegExp, env: NodeJS.ProcessEnv) => {
      const { code, err } = await synthesize(directory, path.join(folder, 'refused'), env);
      assert.equal(code, 1);
      assert.match(err, sentence);
      assert.doesNotMatch(err, /Traceback/);
    };
    const none = { CDK_DEFAULT_ACCOUNT: undefined, AWS_ACCOUNT_ID: undefined };
    await Promise.all([
      refused(/ERROR: No model has been uploaded .*deploy\/upload_model\.sh/, { IMAGE_URI: 'x' }),
      refused(/ERROR: MODEL_DATA must be s3/, { IMAGE_URI: 'x', MODEL_DATA: '/tmp/model.tar.gz' }),
      refused(/ERROR: Cannot sign in to AWS/, none),
      refused(/ERROR: VOLUME_GB must be/, { IMAGE_URI: 'x', MODEL_DATA: 's3://b/m.tar.gz', VOLUME_GB: 'x' }),
      refused(/ERROR: ENDPOINT_NAME must be/, { ENDPOINT_NAME: '1_of_2' }),
    ]);
  });

  it('deploys the image and the model that the scripts pushed last', async () => {
    const image = await succeed(directory, 'build_and_push.sh');
    await train(directory, name);
    content = { IMAGE_URI: image, MODEL_DATA: await succeed(directory, 'upload_model.sh') };
    const { code, err, out } = await cdk(directory, deploy);
    assert.equal(code, 0, out + err);
    assert.match(err, /Cost: 1 x ml\.m5\.large in us-east-1, billed until cdk destroy\./);
    const left = await leftOf(name);
    assert.equal(left.length, 3, `${left}`);
    const template = readTemplate(path.join(directory, `deploy/cdk/cdk.out/${name}.template.json`));
    const { Image, ModelDataUrl } = only(template, 'Model')?.Properties.PrimaryContainer ?? {};
    assert.deepEqual([Image, ModelDataUrl], [content.IMAGE_URI, content.MODEL_DATA]);
    assert.equal((await rolesOf(name)).length, 1);
  });

  it('updates the endpoint in place to a new model with new names, and removes the old one', async () => {
    const file = path.join(directory, `deploy/cdk/cdk.out/${name}.template.json`);
    const names = (template: Template) =>
      ['Model', 'EndpointConfig', 'Endpoint'].map((type) => only(template, type)?.Properties[`${type}Name`]);
    const [model, config, same] = names(readTemplate(file));
    const MODEL_DATA = content.MODEL_DATA.replace(/[0-9a-f]{64}/, '0'.repeat(64));
    const { code, err } = await cdk(directory, [...deploy, '--method', 'direct'], { MODEL_DATA });
    assert.equal(code, 0, err);
    // The command does not always print its last lines, so check the template.
    const outputs = JSON.stringify(readTemplate(file));
    const next = /\.\.\/invoke\.sh \.\.\/\.\.\/test\/sample_request\.json, and when you are done: cdk destroy/;
    assert.match(outputs, next);
    const [newModel, newConfig, ...others] = names(readTemplate(file));
    assert.ok(newModel !== model && newConfig !== config);
    assert.deepEqual(others, [same]);
    assert.equal((await leftOf(name)).length, 3);
  });

  it('removes everything, even if image and model no longer exist', async () => {
    const { code, err } = await cdk(directory, ['destroy', '--force'], { PLATFORM: 'linux/none' });
    assert.equal(code, 0, err);
    assert.deepEqual([await leftOf(name), await rolesOf(name)], [[], []]);
  });

  it('creates templates that pass cfn-lint for every target', async () => {
    for (const kind of everyKind) {
      const env = { ...content, ...kinds[kind].settings };
      const { code, err } = await synthesize(projects[kind], path.dirname(fileOf(kind)), env);
      assert.equal(code, 0, err);
      templates[kind] = readTemplate(fileOf(kind));
    }
    await must(cdkTool('cfn-lint'), everyKind.map(fileOf));
  });

  it('declares the dependencies of each resource', () => {
    for (const kind of everyKind) {
      const order = Object.values(templates[kind].Resources).map((each) => waitsFor(templates[kind], each));
      const first = kind === 'serverless' ? [[]] : [[], ['Role']];
      assert.deepEqual(order, [...first, ['Model'], ['EndpointConfig'], ...kinds[kind].scaling], kind);
    }
  });

  it('tags its resources, but without the tag by which the scripts recognize theirs', () => {
    const tags = JSON.parse(kinds.realtime.settings.TAGS);
    const expected = { ...tags, 'ml-container-creator:project': endpoint('realtime') };
    for (const type of ['Role', 'Model', 'EndpointConfig', 'Endpoint']) {
      const { Tags } = only(templates.realtime, type)?.Properties ?? {};
      assert.deepEqual(
        Object.fromEntries(Tags.map(({ Key, Value }: Record<string, string>) => [Key, Value])),
        expected,
      );
    }
  });

  it('creates a role with the permissions of the endpoint, for SageMaker in this account only', () => {
    const { Properties } = only(templates.realtime, 'Role') ?? assert.fail();
    const [{ Principal, Condition }] = Properties.AssumeRolePolicyDocument.Statement;
    assert.deepEqual(Principal, { Service: 'sagemaker.amazonaws.com' });
    assert.deepEqual(Condition, { StringEquals: { 'aws:SourceAccount': '123456789012' } });
    const rights = { realtime: permissionsOf(templates.realtime), async: permissionsOf(templates.async) };
    for (const { action, resource, condition } of [...rights.realtime, ...rights.async])
      if (resource === '*' && !/^(ecr:GetAuthorizationToken|ec2:Describe\w+)$/.test(action))
        assert.deepEqual(
          [action, Object.keys(condition.StringLike)],
          ['cloudwatch:PutMetricData', ['cloudwatch:namespace']],
        );
    const on = (kind: 'realtime' | 'async', action: string) =>
      rights[kind].filter((right) => right.action === action).map(({ resource }) => resource.replace(/^arn:aws:/, ''));
    const own = (kind: 'realtime' | 'async') => `s3:::sagemaker-us-east-1-123456789012/${endpoint(kind)}`;
    const models = (kind: 'realtime' | 'async') => [`${own(kind)}/*.tar.gz`, `s3:::${content.MODEL_DATA.slice(5)}`];
    assert.deepEqual(on('realtime', 's3:GetObject'), models('realtime'));
    assert.deepEqual(on('realtime', 's3:PutObject'), [`${own('realtime')}/capture/*`]);
    const repositories = [endpoint('realtime'), name].map((each) => `ecr:us-east-1:123456789012:repository/${each}`);
    assert.deepEqual(on('realtime', 'ecr:BatchGetImage'), repositories);
    assert.equal(on('realtime', 'ec2:CreateNetworkInterface').length, 4);
    assert.deepEqual(on('realtime', 'kms:CreateGrant'), ['kms:us-east-1:123456789012:key/*']);
    assert.deepEqual(on('async', 's3:GetObject'), [...models('async'), `${own('async')}/async/input/*`]);
    const outputs = ['output', 'failures'].map((folder) => `${own('async')}/async/${folder}/*`);
    assert.deepEqual(on('async', 's3:PutObject'), outputs);
    assert.deepEqual(on('async', 'sns:Publish'), [topic.replace(/^arn:aws:/, '')]);
    assert.deepEqual([...on('async', 'ec2:CreateNetworkInterface'), ...on('async', 'kms:CreateGrant')], []);
    assert.equal(only(templates.serverless, 'Role'), undefined);
    assert.equal(only(templates.serverless, 'Model')?.Properties.ExecutionRoleArn, role);
  });

  it('creates templates that CloudFormation can create and delete', async () => {
    for (const kind of everyKind) {
      const stack = ['--stack-name', endpoint(kind)];
      const template = ['--template-body', `file://${fileOf(kind)}`, '--capabilities', 'CAPABILITY_IAM'];
      await aws('cloudformation', 'create-stack', ...stack, ...template);
      assert.equal((await leftOf(endpoint(kind))).length, 3);
      await must('aws', ['cloudformation', 'delete-stack', ...stack]);
      assert.deepEqual([await leftOf(endpoint(kind)), await rolesOf(endpoint(kind))], [[], []]);
    }
  });

  for (const kind of everyKind)
    it(`describes an endpoint that serves requests: ${kind}`, async () => {
      const template = templates[kind];
      for (const { Type, Properties } of Object.values(template.Resources)) {
        const { RetainAllVariantProperties, MetricsConfig, ...request } = resolve(template, Properties); // the CLI may be too old
        if (Type === 'AWS::SageMaker::EndpointConfig' && kind === 'realtime')
          assert.deepEqual(MetricsConfig, { EnableDetailedObservability: true });
        if (Type === 'AWS::SageMaker::Endpoint') assert.equal(RetainAllVariantProperties, true);
        if (Type !== 'AWS::IAM::Role') await create(Type, request);
        if (Type === 'AWS::SageMaker::Endpoint') await inService(endpoint(kind));
      }
      const response = await succeed(projects[kind], 'invoke.sh', [request()]);
      assert.equal(JSON.parse(response).predictions.length, 2);
      await refuse(/Check that .* is deployed in.*\n?.*/, projects[kind], 'invoke.sh', [request()], {
        ENDPOINT_NAME: 'none',
      });
      assert.equal(await succeed(projects[kind], 'delete.sh'), '0'); // it belongs to the stack
      const env = { ...content, ROLE_ARN: role };
      if (kind === 'realtime') await refuse(/that this project did not create/, projects[kind], 'deploy.sh', [], env);
    });
});
