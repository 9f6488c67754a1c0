// deploy/iam/: the role, and the permissions of those who deploy. The tests of each target compare them with the calls that
// the scripts make.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { emulator } from '../support/emulator.js';
import { must, project, rig, scratch, unique } from '../support/rig.js';
import { checkPermissions } from '../support/rights.js';
import { aws, refuse, script, succeed } from '../support/scripts.js';

describe('the policies in deploy/iam', function () {
  this.timeout(600_000);
  const folder = scratch();
  const kinds = ['realtime', 'serverless', 'async', 'batch'].flatMap((deployTarget) =>
    ['s3', 'image'].map((modelDelivery) => ({ deployTarget, modelDelivery })),
  );
  const many = { multiModel: true };
  const tools = { deployTool: ['cli', 'boto3', 'cdk'], buildTarget: 'codebuild', includeTraining: true };
  const generate = (answers: object, at: number) =>
    project(folder, { projectName: `iam-${at}-${'x'.repeat(34)}`, ...answers });

  it('permit exactly what every target and setting needs, in every partition', async () => {
    const projects = await Promise.all([...kinds, many, tools].map(generate));
    await checkPermissions('documents', ...projects);
    for (const directory of projects.slice(-2))
      for (const document of ['execution-role', 'deployer', 'role-maker']) {
        const text = await must(path.join(directory, 'deploy/iam/create_role.sh'), ['--print', document]);
        const args = ['--policy-name', unique(document), '--policy-document', text];
        const { Policy } = await aws('iam', 'create-policy', ...args); // which validates it
        await must('aws', ['iam', 'delete-policy', '--policy-arn', Policy.Arn]);
      }
  });
});

describe('the policies of a language model', function () {
  this.timeout(600_000);
  const folder = scratch();
  const answers = { framework: 'transformers', modelName: 'org/tiny-1b', instanceType: 'gpu-enabled' };
  const generate = (projectName: string, more: object) =>
    project(folder, { projectName, includeSampleModel: false, ...answers, ...more });

  it('permit exactly what every setting needs, in every partition', async () => {
    const targets = ['realtime', 'async'].map((deployTarget, at) => generate(`iam-language-${at}`, { deployTarget }));
    await checkPermissions('documents', ...(await Promise.all(targets)));
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

  it('prints its help, and refuses unknown arguments', async () => {
    const { code, out } = await script(directory, 'iam/create_role.sh', ['--help'], { AWS_ENDPOINT_URL: 'x:' });
    assert.equal(code, 0);
    assert.match(out, /^Usage: deploy\/iam\/create_role\.sh/);
    await refused(/\/deploy\/iam\/create_role\.sh'? --help/, {}, '--print');
    await refused(/invalid choice: 'settings' .*execution-role/, {}, '--print', 'settings');
    assert.deepEqual(await roles(), []);
  });

  it('creates the role from the two documents, tagged as the project’s', async () => {
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

  it('updates the role to the settings, and says if ROLE_ARN names another role', async () => {
    const env = { MODEL_DATA: 's3://models/a/model.tar.gz', ROLE_ARN: 'arn:aws:iam::123456789012:role/another' };
    const { result, err } = await script(directory, 'iam/create_role.sh', [], env);
    assert.equal(result, arn);
    assert.match(err, /Updating the role .*\n.*another role, .*role\/another/);
    assert.match(JSON.stringify(await rights()), /arn:aws:s3:::models\/a\/model\.tar\.gz/);
    assert.equal(await create(), arn);
    assert.doesNotMatch(JSON.stringify(await rights()), /models/);
  });

  it('accepts every legal name, and refuses other names and roles of other projects', async () => {
    const odd = `${name}+=,.@_-A`;
    assert.equal(await create({ ROLE_NAME: odd }), `arn:aws:iam::123456789012:role/${odd}`);
    assert.equal(await succeed(directory, 'delete.sh', ['--all'], { ROLE_NAME: odd }), '1');
    for (const bad of ['a/b', 'a b', 'a'.repeat(65), '*'])
      await refused(/ROLE_NAME must be at most 64 letters, digits and .*, not '/, { ROLE_NAME: bad });
    await refused(/A role .* did not create/, { PROJECT_NAME: 'another', ROLE_NAME: role });
    const foreign = `${name}-foreign`;
    await must('aws', ['iam', 'create-role', '--role-name', foreign, '--assume-role-policy-document', '{}']);
    await refused(/A role .*-foreign already exists that this project did not create/, { ROLE_NAME: foreign });
    const { result, err } = await script(directory, 'delete.sh', ['--all'], { ROLE_NAME: foreign });
    assert.equal(result, '0', err);
    assert.match(err, /was not created by this project and is kept/);
    assert.deepEqual((await roles()).sort(), [foreign, role].sort());
    await must('aws', ['iam', 'delete-role', '--role-name', foreign]);
  });

  it('leaves nothing behind on failure, and says what to do without permission to create roles', async () => {
    const { server, url } = await forbidding('PutRolePolicy');
    const half = `${name}-half`;
    await refused(/someone who can create roles .*--print execution-role/is, {
      AWS_ENDPOINT_URL: url,
      ROLE_NAME: half,
    });
    server.close();
    assert.deepEqual(await roles(), [role]);
  });

  it('is undone by delete.sh --all, if that is permitted', async () => {
    const { server, url } = await forbidding('DeleteRole');
    const { result, err } = await script(directory, 'delete.sh', ['--all'], { AWS_ENDPOINT_URL: url });
    server.close();
    assert.equal(result, '0', err);
    assert.match(err, /The role .* is kept: .*not authorized/);
    assert.equal(await succeed(directory, 'delete.sh', ['--all']), '1');
    assert.equal(await succeed(directory, 'delete.sh', ['--all']), '0');
    assert.deepEqual(await roles(), []);
  });
});

/** A proxy in front of the AWS stand-in that refuses one of IAM's actions. */
async function forbidding(action: string) {
  const { pass } = emulator(rig('AWS_ENDPOINT_URL').AWS_ENDPOINT_URL);
  const denied = `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>
<Message>User: me is not authorized to perform: iam:${action}</Message></Error></ErrorResponse>`;
  const server = http.createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    if (body.toString().startsWith(`Action=${action}&`)) return response.writeHead(403).end(denied);
    const { status, headers, body: content } = await pass(request, body);
    return response.writeHead(status, headers).end(content);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
