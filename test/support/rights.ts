// What a project's scripts call of AWS, recorded, and held against what its documents in deploy/iam permit.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { lookAlike } from './lookalike.js';
import { rig, run } from './rig.js';
import { runWith } from './scripts.js';
import { root, tool } from './tools.js';

const instances = 'DesiredInstanceCount';
const allowed = `<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><SimulatePrincipalPolicyResult>
<EvaluationResults><member><EvalDecision>allowed</EvalDecision></member></EvaluationResults>
</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>`;

/** Has test/deploy/iam_checks.py check something; fails with what it found. */
export async function checkRights(...args: string[]): Promise<void> {
  const { code, out, err } = await run(tool('python'), ['-B', path.join(root, 'test/deploy/iam_checks.py'), ...args]);
  assert.equal(code, 0, out + err);
}

/** A server that passes all to the look-alike and records it, but for what the look-alike does not know. */
async function proxy() {
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

/** The calls that scripts make from start() on until pause(), with a bucket of their own. */
export async function recordCalls(name: string) {
  const { calls, server, url } = await proxy();
  const bucket = `${name}-bucket`;
  return {
    bucket,
    start: () => runWith({ AWS_ENDPOINT_URL: url, S3_BUCKET: bucket }),
    pause: () => runWith({ S3_BUCKET: bucket }),
    /** Ends it, and removes the bucket. */
    close: async () => {
      runWith({});
      server.close();
      await run('aws', ['s3', 'rb', '--force', `s3://${bucket}`]);
    },
    /** Fails where the project's documents lack a right that a call needs, or have one that none needs. */
    check: async (directory: string) => {
      writeFileSync(`${directory}.calls`, calls.map((call) => JSON.stringify(call)).join('\n'));
      await checkRights('calls', directory, bucket, `${directory}.calls`);
    },
  };
}
