// deploy/iam/: the role, and what those who deploy have to be allowed, held against what the scripts really call.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { breakModel, buildEngine, sample, writeLanguageModel } from '../support/lives.js';
import { lookAlike } from '../support/lookalike.js';
import { must, project, rig, run, scratch, unique } from '../support/rig.js';
import { aws, refuse, script, succeed } from '../support/scripts.js';
import { root, tool } from '../support/tools.js';

const PATH = `${path.dirname(tool('python'))}:${process.env.PATH}`; // deploy.py runs under the python3 found first
const instances = 'DesiredInstanceCount';
const allowed = `<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><SimulatePrincipalPolicyResult>
<EvaluationResults><member><EvalDecision>allowed</EvalDecision></member></EvaluationResults>
</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>`;

/** Has Python check something; fails with what it found. */
async function check(...args: string[]) {
  const { code, out, err } = await run(tool('python'), ['-B', path.join(root, 'test/deploy/iam_checks.py'), ...args]);
  assert.equal(code, 0, out + err);
}

/** A server that passes all to the look-alike and records it, but for what the look-alike does not know. */
async function recorder() {
  const calls: object[] = [];
  const { pass } = lookAlike(rig('AWS_ENDPOINT_URL').AWS_ENDPOINT_URL);
  const server = http.createServer(async (request, response) => {
    const { method, url, headers } = request;
    const body = Buffer.concat(await request.toArray());
    const service = headers.authorization?.match(/Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//)?.[1];
    const text = service === 's3' ? '' : body.toString();
    const simulated = text.startsWith('Action=SimulatePrincipalPolicy');
    // The look-alike knows no scaling of serverless endpoints.
    const passed =
      service === 'application-autoscaling' ? Buffer.from(text.replace(/DesiredProv\w+/, instances)) : body;
    const answer = simulated ? { status: 200, headers: {}, body: allowed } : await pass(request, passed);
    const target = headers['x-amz-target'] ?? '';
    const input = headers['x-amzn-sagemaker-inputlocation'] ?? '';
    calls.push({ method, path: url, service, target, input, body: text, status: answer.status });
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return { calls, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('what the documents of deploy/iam permit', function () {
  this.timeout(600_000);
  const folder = scratch();
  const kinds = ['realtime', 'serverless', 'async', 'batch'].flatMap((deployTarget) =>
    ['s3', 'image'].map((modelDelivery) => ({ deployTarget, modelDelivery })),
  );
  const many = { multiModel: true };
  const tools = { deployTool: ['cli', 'boto3', 'cdk'], buildTarget: 'codebuild', includeTraining: true };
  const generate = (answers: object, at: number) =>
    project(folder, { projectName: `iam-${at}-${'x'.repeat(34)}`, ...answers });

  it('is enough for every target and every setting, in every partition, and no more', async () => {
    const projects = await Promise.all([...kinds, many, tools].map(generate));
    await check('documents', ...projects);
    for (const directory of projects.slice(-2))
      for (const document of ['execution-role', 'deployer', 'role-maker']) {
        const text = await must(path.join(directory, 'deploy/iam/create_role.sh'), ['--print', document]);
        const args = ['--policy-name', unique(document), '--policy-document', text];
        const { Policy } = await aws('iam', 'create-policy', ...args); // which looks whether it is sound
        await must('aws', ['iam', 'delete-policy', '--policy-arn', Policy.Arn]);
      }
  });

  for (const target of ['realtime', 'multi-model', 'serverless', 'async', 'batch'])
    it(`is enough for all that is called in the life of ${target}, and no more`, async () => {
      const name = unique(`iam-${target}`);
      const boto3 = ['realtime', 'multi-model', 'batch'].includes(target);
      const multiModel = target === 'multi-model';
      const [model, asked] = multiModel ? [['first'], ['--target-model', 'first']] : [[], []];
      const answers = { deployTarget: multiModel ? 'realtime' : target, multiModel };
      const deployTool = ['cli', ...(boto3 ? ['boto3'] : [])];
      const includeTraining = target === 'realtime';
      const directory = await project(folder, { projectName: name, ...answers, deployTool, includeTraining });
      await must(tool('python'), [path.join(directory, 'sample_model/train.py')]);
      const { calls, server, url } = await recorder();
      const bucket = `${name}-bucket`;
      const env = { AWS_ENDPOINT_URL: url, S3_BUCKET: bucket };
      const scaled = {
        ...env,
        MAX_INSTANCE_COUNT: '2',
        PROVISIONED_CONCURRENCY: '1',
        MAX_PROVISIONED_CONCURRENCY: '2',
      };
      try {
        await succeed(directory, 'iam/create_role.sh', [], env);
        await succeed(directory, 'iam/create_role.sh', [], env);
        if (includeTraining) {
          await succeed(directory, '../train/build_and_push.sh', [], env);
          await succeed(directory, '../train/fit.py', [sample(directory, 'csv')], { ...env, PATH });
        }
        await succeed(directory, 'build_and_push.sh', [], env);
        await succeed(directory, 'upload_model.sh', model, env);
        await succeed(directory, 'deploy.sh', [], scaled);
        await succeed(directory, 'invoke.sh', [...asked, sample(directory, 'csv')], env);
        if (boto3) {
          await succeed(directory, 'deploy.py', ['deploy'], { ...scaled, PATH, CONTAINER_ENV: '{"A": "b"}' });
          await succeed(directory, 'deploy.py', ['invoke', ...asked, sample(directory, 'csv')], { ...env, PATH });
        }
        breakModel(directory);
        await succeed(directory, 'upload_model.sh', multiModel ? ['second'] : [], env);
        const broken = multiModel ? { CONTAINER_ENV: '{"SM_BATCH_ROWS": "x"}' } : {};
        await refuse(/ {2}\| /, directory, 'deploy.sh', [], { ...scaled, ...broken }); // with the log
        await succeed(directory, 'delete.sh', ['--all'], env);
      } catch (error) {
        await script(directory, 'delete.sh', ['--all'], env);
        throw error;
      } finally {
        server.close();
        await run('aws', ['s3', 'rb', '--force', `s3://${bucket}`]);
        await run('bash', [
          '-c',
          'docker images --format {{.Repository}}:{{.Tag}} | grep "$0" | xargs docker image rm -f',
          name,
        ]);
      }
      const file = path.join(folder, `${target}.jsonl`);
      writeFileSync(file, calls.map((call) => JSON.stringify(call)).join('\n'));
      await check('calls', directory, bucket, file);
    });
});

describe('what the documents of a language model permit', function () {
  this.timeout(600_000);
  const folder = scratch();
  const answers = { framework: 'transformers', modelName: 'org/tiny-1b', instanceType: 'gpu-enabled' };
  const generate = (projectName: string, more: object) =>
    project(folder, { projectName, includeSampleModel: false, ...answers, ...more });

  it('is enough for every setting, in every partition, and no more', async () => {
    const targets = ['realtime', 'async'].map((deployTarget, at) => generate(`iam-language-${at}`, { deployTarget }));
    await check('documents', ...(await Promise.all(targets)));
  });

  it('is enough for all that is called in its life, and no more', async () => {
    const [name, image] = [unique('iam-language'), unique('engine')];
    const directory = await generate(name, {});
    await buildEngine(image);
    const { calls, server, url } = await recorder();
    const bucket = `${name}-bucket`;
    const env = { AWS_ENDPOINT_URL: url, S3_BUCKET: bucket, BASE_IMAGE: image, PATH };
    const request = path.join(directory, 'test/sample_request.json');
    try {
      await succeed(directory, 'iam/create_role.sh', [], env);
      await succeed(directory, 'iam/create_role.sh', [], env);
      await succeed(directory, 'build_and_push.sh', [], env);
      writeLanguageModel(directory);
      await succeed(directory, 'upload_model.sh', [], env);
      await succeed(directory, 'deploy.sh', [], { ...env, MAX_INSTANCE_COUNT: '2' });
      await succeed(directory, 'invoke.sh', [request], env);
      await succeed(directory, 'invoke.sh', ['--stream', request], env);
      await refuse(/ {2}\| /, directory, 'deploy.sh', [], {
        ...env,
        CONTAINER_ENV: '{"SM_MODEL_DIR": "/opt/program"}',
      });
    } finally {
      await script(directory, 'delete.sh', ['--all'], env);
      server.close();
      await run('aws', ['s3', 'rb', '--force', `s3://${bucket}`]);
      await run('docker', ['image', 'rm', '--force', image, name]);
    }
    const file = path.join(folder, 'language.jsonl');
    writeFileSync(file, calls.map((call) => JSON.stringify(call)).join('\n'));
    await check('calls', directory, bucket, file);
  });
});

describe('create_role.sh', function () {
  this.timeout(120_000);
  const folder = scratch();
  const name = unique('role');
  const role = `${name}-us-east-1-exec`;
  const arn = `arn:aws:iam::123456789012:role/${role}`;
  let directory: string;
  const create = (env: NodeJS.ProcessEnv = {}) => succeed(directory, 'iam/create_role.sh', [], env);
  const refused = (reason: RegExp, env: NodeJS.ProcessEnv, ...args: string[]) =>
    refuse(reason, directory, 'iam/create_role.sh', args, env);
  const rights = async () =>
    (await aws('iam', 'get-role-policy', '--role-name', role, '--policy-name', 'execution')).PolicyDocument;
  const roles = async (): Promise<string[]> =>
    (await aws('iam', 'list-roles', '--query', 'Roles[].RoleName')).filter((each: string) => each.includes(name));

  before(async () => {
    directory = await project(folder, { projectName: name });
  });
  after(() => script(directory, 'delete.sh', ['--all']));

  it('explains itself, and refuses what it does not know', async () => {
    const { code, out } = await script(directory, 'iam/create_role.sh', ['--help'], { AWS_ENDPOINT_URL: 'x:' });
    assert.equal(code, 0);
    assert.match(out, /^Usage: deploy\/iam\/create_role\.sh/);
    await refused(/\/deploy\/iam\/create_role\.sh --help/, {}, '--print');
    await refused(/takes nothing, or/, {}, '--print', 'settings');
    assert.deepEqual(await roles(), []);
  });

  it('makes the role of the two documents, tagged as the project’s', async () => {
    assert.equal(await create(), arn);
    const { Role } = await aws('iam', 'get-role', '--role-name', role);
    const print = async (document: string) =>
      JSON.parse((await script(directory, 'iam/create_role.sh', ['--print', document])).out);
    assert.deepEqual(Role.AssumeRolePolicyDocument, await print('trust'));
    assert.deepEqual(Role.Tags, [{ Key: 'ml-container-creator:project', Value: name }]);
    assert.deepEqual(await rights(), await print('execution-role'));
    const state = path.join(directory, 'deploy/.state/123456789012-us-east-1/role');
    assert.equal(readFileSync(state, 'utf8'), `${arn}\n`);
  });

  it('brings it up to date with the settings, and says where they name another role', async () => {
    const env = { MODEL_DATA: 's3://models/a/model.tar.gz', ROLE_ARN: 'arn:aws:iam::123456789012:role/another' };
    const { result, err } = await script(directory, 'iam/create_role.sh', [], env);
    assert.equal(result, arn);
    assert.match(err, /up to date\n.*another role, .*role\/another/);
    assert.match(JSON.stringify(await rights()), /arn:aws:s3:::models\/a\/model\.tar\.gz/);
    assert.equal(await create(), arn);
    assert.doesNotMatch(JSON.stringify(await rights()), /models/);
  });

  it('takes every legal name, and refuses others and roles that are not its own', async () => {
    const odd = `${name}+=,.@_-A`;
    assert.equal(await create({ ROLE_NAME: odd }), `arn:aws:iam::123456789012:role/${odd}`);
    assert.equal(await succeed(directory, 'delete.sh', ['--all'], { ROLE_NAME: odd }), '1');
    for (const bad of ['a/b', 'a b', 'a'.repeat(65), '*'])
      await refused(/cannot be the name of a role/, { ROLE_NAME: bad });
    await refused(/did not make for another/, { PROJECT_NAME: 'another', ROLE_NAME: role });
    const foreign = `${name}-foreign`;
    await must('aws', ['iam', 'create-role', '--role-name', foreign, '--assume-role-policy-document', '{}']);
    await refused(/did not make for/, { ROLE_NAME: foreign });
    const { result, err } = await script(directory, 'delete.sh', ['--all'], { ROLE_NAME: foreign });
    assert.equal(result, '0', err);
    assert.match(err, /not this project's own: it stays/);
    assert.deepEqual((await roles()).sort(), [foreign, role].sort());
    await must('aws', ['iam', 'delete-role', '--role-name', foreign]);
  });

  it('leaves nothing half-made, and tells those who may not make roles what to do', async () => {
    const { server, url } = await forbidding('PutRolePolicy');
    const half = `${name}-half`;
    await refused(/someone who may make roles .*--print execution-role/is, { AWS_ENDPOINT_URL: url, ROLE_NAME: half });
    server.close();
    assert.deepEqual(await roles(), [role]);
  });

  it('is undone by delete.sh --all, as far as that is allowed', async () => {
    const { server, url } = await forbidding('DeleteRole');
    const { result, err } = await script(directory, 'delete.sh', ['--all'], { AWS_ENDPOINT_URL: url });
    server.close();
    assert.equal(result, '0', err);
    assert.match(err, /It stays: .*not authorized/s);
    assert.equal(await succeed(directory, 'delete.sh', ['--all']), '1');
    assert.equal(await succeed(directory, 'delete.sh', ['--all']), '0');
    assert.deepEqual(await roles(), []);
  });
});

/** A server before the look-alike that refuses one of IAM's actions. */
async function forbidding(action: string) {
  const { pass } = lookAlike(rig('AWS_ENDPOINT_URL').AWS_ENDPOINT_URL);
  const denied = `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>
<Message>User: me is not authorized to perform: iam:${action}</Message></Error></ErrorResponse>`;
  const server = http.createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    if (body.toString().startsWith(`Action=${action}&`)) return response.writeHead(403).end(denied);
    const answer = await pass(request, body);
    return response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
