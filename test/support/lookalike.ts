// The rig's AWS look-alike, asked without the AWS CLI, and a front door before it where some of its answers are made.
import http from 'node:http';

/** An error as AWS answers one. */
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
/** What a role may do. */
export interface Policy {
  Statement: { Action: string | string[]; Resource: string | string[] }[];
}

const denied = '<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>';
const read = async (stream: http.IncomingMessage) => Buffer.concat(await stream.toArray());

// Not fetch: in Node 20 it may wait for ever on a connection that is closed before it was answered.
function send(url: URL, options: http.RequestOptions, body: string | Buffer = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = http.request(url, { agent: false, ...options }, (answer) => {
      const { statusCode: status = 0, headers } = answer;
      read(answer).then((content) => resolve({ status, headers, body: content }), reject);
    });
    asked.on('error', reject).end(body);
  });
}

/** Asks the look-alike at `url`. */
export function lookAlike(url: string) {
  const ask = async (service: string, path: string, options: http.RequestOptions, body?: string) => {
    const authorization = `AWS4-HMAC-SHA256 Credential=testing/20250101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`;
    const headers = { ...(options.headers as http.OutgoingHttpHeaders), authorization };
    const answer = await send(new URL(path, url), { ...options, headers }, body);
    if (answer.status >= 400) throw new Refusal('ClientError', `${service} ${path}: ${answer.body}`);
    return answer.body;
  };
  const json = async (target: string, input: object) => {
    const service = target.startsWith('Logs_') ? 'logs' : 'codebuild';
    const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target };
    return JSON.parse((await ask(service, '/', { method: 'POST', headers }, JSON.stringify(input))).toString() || '{}');
  };
  /** A policy document of a role; IAM answers in XML, with the document encoded as in a URL. */
  const policy = async (query: Record<string, string>, field: string) => {
    const body = new URLSearchParams({ Version: '2010-05-08', ...query }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const xml = (await ask('iam', '/', { method: 'POST', headers }, body)).toString();
    const text = xml.match(new RegExp(`<${field}>(.*?)</${field}>`, 's'))?.[1] ?? '';
    return text.startsWith('%') ? decodeURIComponent(text) : text.replaceAll('&quot;', '"');
  };
  return {
    json,
    object: (place: string) => ask('s3', `/${place}`, {}),
    /** Who can assume a role: the document's text, empty where there is none. */
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
export type LookAlike = ReturnType<typeof lookAlike>;

/** A server that answers `actions` itself, by their names in X-Amz-Target, and passes all else to the look-alike, which
 * does not know whose a bucket is: those in `foreign` are not the account's. */
export function frontDoor(
  aws: LookAlike,
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

/** Whether a policy lets `action` happen to `resource`. Knows Allow, and a star at the end of a resource. */
export function permits({ Statement }: Policy, action: string, resource: string): boolean {
  const covers = (pattern: string) =>
    pattern.endsWith('*') ? resource.startsWith(pattern.slice(0, -1)) : resource === pattern;
  return Statement.some((each) => [each.Action].flat().includes(action) && [each.Resource].flat().some(covers));
}
