// A server before the look-alike, for answers of AWS that the look-alike does not give, and for answers that are lost.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type LookAlike, lookAlike } from './lookalike.js';
import { rig } from './rig.js';

type Answer = Awaited<ReturnType<LookAlike['pass']>>;
/** Answers a call of an operation, such as CreateModel. `pass` has the look-alike answer; undefined loses the answer. */
export type Handle = (operation: string, pass: () => Promise<Answer>) => Promise<Answer | undefined>;

/** Does something while `handle` answers calls of AWS; it gets the address to call. */
export async function answering<T>(handle: Handle, act: (env: { AWS_ENDPOINT_URL: string }) => Promise<T>): Promise<T> {
  const { url, close } = await intercept(handle);
  try {
    return await act({ AWS_ENDPOINT_URL: url });
  } finally {
    close();
  }
}

/** Serves until close(), at `url`. */
async function intercept(handle: Handle) {
  const { pass } = lookAlike(rig('AWS_ENDPOINT_URL').AWS_ENDPOINT_URL);
  const server = http.createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const answer = await handle(operationOf(request, body), () => pass(request, body));
    if (!answer) return request.socket.destroy();
    const { 'transfer-encoding': _, ...headers } = answer.headers;
    const length = request.method === 'HEAD' ? {} : { 'content-length': answer.body.length };
    return response.writeHead(answer.status, { ...headers, ...length }).end(answer.body);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

/** The name of an operation, as far as the request has it: those of S3 and of invocations are a method and a path. */
function operationOf({ headers, method, url }: http.IncomingMessage, body: Buffer): string {
  const target = String(headers['x-amz-target'] ?? '')
    .split('.')
    .at(-1);
  return target || (/^Action=(\w+)/.exec(body.toString())?.[1] ?? `${method} ${url}`);
}
