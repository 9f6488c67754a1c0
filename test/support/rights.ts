// Records the AWS calls of a project's scripts, and compares them with the permissions in its deploy/iam.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { emulator } from './emulator.js';
import { rig, run } from './rig.js';
import { runWith } from './scripts.js';
import { root, tool } from './tools.js';

const instances = 'DesiredInstanceCount';
const allowed = `<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><SimulatePrincipalPolicyResult>
<EvaluationResults><member><EvalDecision>allowed</EvalDecision></member></EvaluationResults>
</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>`;

/** Runs a check of test/deploy/iam_checks.py, and fails with its findings. */
export async function checkPermissions(...args: string[]): Promise<void> {
  const { code, out, err } = await run(tool('python'), ['-B', path.join(root, 'test/deploy/iam_checks.py'), ...args]);
  assert.equal(code, 0, out + err);
}

/** A proxy that records calls and forwards them to the AWS emulator, except for those that it does not support. */
async function proxy() {
  const calls: object[] = [];
  const { pass } = emulator(rig('AWS_ENDPOINT_URL').AWS_ENDPOINT_URL);
  const server = http.createServer(async (request, response) => {
    const { method, url, headers } = request;
    const body = Buffer.concat(await request.toArray());
    const service = headers.authorization?.match(/Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//)?.[1];
    const text = service === 's3' ? '' : body.toString();
    const simulated = text.startsWith('Action=SimulatePrincipalPolicy');
    // The AWS emulator does not support scaling of serverless endpoints.
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

/** Records the calls of scripts between start() and pause(), with a bucket of their own. */
export async function recordCalls(name: string) {
  const { calls, server, url } = await proxy();
  const bucket = `${name}-bucket`;
  return {
    bucket,
    start: () => runWith({ AWS_ENDPOINT_URL: url, S3_BUCKET: bucket }),
    pause: () => runWith({ S3_BUCKET: bucket }),
    /** Stops the proxy and removes the bucket. */
    close: async () => {
      runWith({});
      server.close();
      await run('aws', ['s3', 'rb', '--force', `s3://${bucket}`]);
    },
    /** Fails if the project's policies lack a permission that a call needs, or have one that no call needs. */
    check: async (directory: string) => {
      writeFileSync(`${directory}.calls`, calls.map((call) => JSON.stringify(call)).join('\n'));
      await checkPermissions('calls', directory, bucket, `${directory}.calls`);
    },
  };
}
