// Calls the AWS emulator without the AWS CLI, and a proxy in front of it that handles some actions itself.
import http from 'node:http';

/** An error response of AWS. */
export class Refusal extends Error {
  constructor(
    readonly type: string,
    message: string,
  ) {
    super(message);
  }
}

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}
/** The permissions of a role. */
export interface Policy {
  Statement: { Action: string | string[]; Resource: string | string[] }[];
}

const denied = '<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>';
const read = async (stream: http.IncomingMessage) => Buffer.concat(await stream.toArray());

// Not fetch: in Node 20 it can wait forever on a connection that is closed before a response.
function send(url: URL, options: http.RequestOptions, body: string | Buffer = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { agent: false, ...options }, (response) => {
      const { statusCode: status = 0, headers } = response;
      read(response).then((content) => resolve({ status, headers, body: content }), reject);
    });
    request.on('error', reject).end(body);
  });
}

/** A client of the AWS emulator at `url`. */
export function emulator(url: string) {
  const call = async (service: string, path: string, options: http.RequestOptions, body?: string) => {
    const authorization = `AWS4-HMAC-SHA256 Credential=testing/20250101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`;
    const headers = { ...(options.headers as http.OutgoingHttpHeaders), authorization };
    const answer = await send(new URL(path, url), { ...options, headers }, body);
    if (answer.status >= 400) throw new Refusal('ClientError', `${service} ${path}: ${answer.body}`);
    return answer.body;
  };
  const json = async (target: string, input: object) => {
    const service = target.startsWith('Logs_') ? 'logs' : 'codebuild';
    const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target };
    return JSON.parse(
      (await call(service, '/', { method: 'POST', headers }, JSON.stringify(input))).toString() || '{}',
    );
  };
  /** A policy document of a role. IAM's response is XML that contains the document URL-encoded. */
  const policy = async (query: Record<string, string>, field: string) => {
    const body = new URLSearchParams({ Version: '2010-05-08', ...query }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const xml = (await call('iam', '/', { method: 'POST', headers }, body)).toString();
    const text = xml.match(new RegExp(`<${field}>(.*?)</${field}>`, 's'))?.[1] ?? '';
    return text.startsWith('%') ? decodeURIComponent(text) : text.replaceAll('&quot;', '"');
  };
  return {
    json,
    object: (location: string) => call('s3', `/${location}`, {}),
    /** The text of a role's trust policy; empty if the role does not exist. */
    trustOf: (role: string) =>
      policy({ Action: 'GetRole', RoleName: role }, 'AssumeRolePolicyDocument').catch(() => ''),
    policyOf: async (role: string): Promise<Policy> => {
      const text = await policy({ Action: 'GetRolePolicy', RoleName: role, PolicyName: 'build' }, 'PolicyDocument');
      return JSON.parse(text);
    },
    pass: (request: http.IncomingMessage, body: Buffer) => {
      const { expect: _, 'transfer-encoding': __, ...headers } = request.headers;
      const options = { method: request.method, headers: { ...headers, 'content-length': body.length } };
      return send(new URL(request.url ?? '/', url), options, body);
    },
  };
}
export type Emulator = ReturnType<typeof emulator>;

/**
 * A server that handles `actions`, by their names in X-Amz-Target, and forwards everything else to the AWS emulator.
 * It also checks the expected owner of a bucket: those in `foreign` belong to another account.
 */
export function proxyServer(
  aws: Emulator,
  actions: (target: string) => ((input: never) => Promise<object>) | undefined,
  foreign: ReadonlySet<string>,
) {
  return http.createServer(async (request, response) => {
    try {
      const body = await read(request);
      const action = actions(String(request.headers['x-amz-target']));
      if (action) return response.end(JSON.stringify(await action(JSON.parse(body.toString()) as never)));
      const bucket = request.headers['x-amz-expected-bucket-owner'] && request.url?.split(/[/?]/)[1];
      if (bucket && foreign.has(bucket)) return response.writeHead(403).end(denied);
      const answer = await aws.pass(request, body);
      return response.writeHead(answer.status, answer.headers).end(answer.body);
    } catch (error) {
      const type = error instanceof Refusal ? error.type : 'InternalFailure';
      const message = error instanceof Error ? error.message : String(error);
      return response.writeHead(400).end(JSON.stringify({ __type: type, message }));
    }
  });
}

/** Whether a policy allows `action` on `resource`. Supports only Allow, and * at the end of a resource. */
export function permits({ Statement }: Policy, action: string, resource: string): boolean {
  const covers = (pattern: string) =>
    pattern.endsWith('*') ? resource.startsWith(pattern.slice(0, -1)) : resource === pattern;
  return Statement.some((each) => [each.Action].flat().includes(action) && [each.Resource].flat().some(covers));
}
