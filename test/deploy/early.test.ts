// Mistakes that SageMaker would report after minutes are refused at once.
import assert from 'node:assert/strict';
import { symlinkSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { answering, type Handle } from '../support/intercept.js';
import { clearAway, registry, sample, trained } from '../support/lives.js';
import { must, scratch, unique } from '../support/rig.js';
import { aws, leftOf, refuse, role, succeed } from '../support/scripts.js';

describe('a deployment that would fail after minutes', function () {
  this.timeout(300_000);
  const folder = scratch();
  const name = unique('early');
  let directory: string;
  const refused = (reason: RegExp, env: NodeJS.ProcessEnv) =>
    refuse(reason, directory, 'deploy.sh', [], { IMAGE_URI: 'elsewhere/image:1', ...env });

  before(async () => {
    directory = await trained(folder, name, 'serverless', { awsRoleArn: role });
    await succeed(directory, 'upload_model.sh');
  });
  after(() => clearAway(directory, name));

  it('is refused at once for a model archive with links, or a file that is no archive', async () => {
    const bucket = 's3://sagemaker-us-east-1-123456789012';
    symlinkSync('model.json', path.join(directory, 'model/link'));
    await must('tar', ['-C', path.join(directory, 'model'), '-czf', path.join(folder, 'own.tar.gz'), '.']);
    await must('aws', ['s3', 'cp', path.join(folder, 'own.tar.gz'), `${bucket}/${name}/own.tar.gz`]);
    await refused(/link is a link \(to model\.json\)(?:.*\n)*.*upload_model\.sh/, {
      MODEL_DATA: `${bucket}/${name}/own.tar.gz`,
    });
    await must('aws', ['s3', 'cp', sample(directory), `${bucket}/${name}/none.tar.gz`]);
    await refused(/not a complete \.tar\.gz/, { MODEL_DATA: `${bucket}/${name}/none.tar.gz` });
    await must('aws', ['s3', 'rm', '--recursive', `${bucket}/${name}/`]);
    unlinkSync(path.join(directory, 'model/link'));
    await succeed(directory, 'upload_model.sh');
  });

  it('is refused at once for invalid settings', async () => {
    await refused(/SERVERLESS_MEMORY must be a multiple of 1024/, { SERVERLESS_MEMORY: '1500' });
    await refused(/SERVERLESS_MAX_CONCURRENCY must be a whole number from 1 to 200/, {
      SERVERLESS_MAX_CONCURRENCY: 'x',
    });
    await refused(/PROVISIONED_CONCURRENCY can be at most/, { PROVISIONED_CONCURRENCY: '6' });
    await refused(/needs a PROVISIONED_CONCURRENCY of 1 or more/, { MAX_PROVISIONED_CONCURRENCY: '2' });
    await refused(/NETWORK_ISOLATION must be one of false, true/, { NETWORK_ISOLATION: 'yes' });
    await refused(/TAGS must be a JSON object of strings/, { TAGS: 'team=fraud' });
    assert.deepEqual(await leftOf(name), []);
  });

  it('is refused at once for an image of more than 10 GB', async () => {
    const IMAGE_URI = `${registry}/${name}@sha256:${'0'.repeat(64)}`;
    const sized = (size: number): Handle => {
      const details = [{ imageDigest: IMAGE_URI.split('@')[1], imageSizeInBytes: size, imageTags: [] }];
      const body = Buffer.from(JSON.stringify({ imageDetails: details }));
      return async (operation, pass) =>
        operation === 'DescribeImages'
          ? { status: 200, headers: { 'content-type': 'application/x-amz-json-1.1' }, body }
          : pass();
    };
    const reason = /^ERROR: The image is 10000000001 bytes; a serverless endpoint takes at most 10 GB/;
    await answering(sized(10_000_000_001), (env) => refused(reason, { ...env, IMAGE_URI }));
    const MODEL_DATA = 's3://no-such-bucket/model.tar.gz'; // the next check
    await answering(sized(10_000_000_000), (env) => refused(/There is no model at/, { ...env, IMAGE_URI, MODEL_DATA }));
  });

  it('is refused at once for a role that SageMaker cannot assume, or that cannot read the model', async () => {
    const trust = (service: string) =>
      `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "${service}"}, "Action": "sts:AssumeRole"}]}`;
    const make = (role: string, service: string) =>
      aws('iam', 'create-role', '--role-name', role, '--assume-role-policy-document', trust(service));
    const other = (await make(`${name}-lambda`, 'lambda.amazonaws.com')).Role.Arn;
    await refused(/SageMaker cannot assume .*lambda: its trust policy(?:.*\n)*.*create_role\.sh/, {
      ROLE_ARN: other,
    });
    const own = (await make(`${name}-own`, 'sagemaker.amazonaws.com')).Role.Arn;
    // The AWS stand-in does not simulate policies.
    const denied = `<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><SimulatePrincipalPolicyResult>
<EvaluationResults><member><EvalDecision>implicitDeny</EvalDecision></member></EvaluationResults>
</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>`;
    const deny: Handle = async (operation, pass) =>
      operation === 'SimulatePrincipalPolicy' ? { status: 200, headers: {}, body: Buffer.from(denied) } : pass();
    const reason =
      /does not allow what SageMaker needs: s3:GetObject on arn:aws:s3:::sagemaker-us-east-1-.*model\.tar\.gz/;
    await answering(deny, (env) => refused(reason, { ...env, ROLE_ARN: own }));
    for (const role of [`${name}-lambda`, `${name}-own`])
      await must('aws', ['iam', 'delete-role', '--role-name', role]);
  });
});
