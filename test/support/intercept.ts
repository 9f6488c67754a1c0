// A proxy in front of the AWS emulator that replaces or drops responses.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Emulator, emulator } from './emulator.js';
import { rig } from './rig.js';

type Answer = Awaited<ReturnType<Emulator['pass']>>;
/** Handles an operation such as CreateModel. `pass` forwards it to the AWS emulator; undefined drops the response. */
export type Handle = (operation: string, pass: () => Promise<Answer>) => Promise<Answer | undefined>;

/** Runs `act` with the URL of a proxy whose AWS calls go to `handle`. */
export async function answering<T>(handle: Handle, act: (env: { AWS_ENDPOINT_URL: string }) => Promise<T>): Promise<T> {
  const { url, close } = await intercept(handle);
  try {
    return await act({ AWS_ENDPOINT_URL: url });
  } finally {
    close();
  }
}

/** Starts the proxy at `url`, until close(). */
async function intercept(handle: Handle) {
  const { pass } = emulator(rig('AWS_ENDPOINT_URL').AWS_ENDPOINT_URL);
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

/** The name of the operation; for S3 and invocations, whose requests have no name, method and path. */
function operationOf({ headers, method, url }: http.IncomingMessage, body: Buffer): string {
  const target = String(headers['x-amz-target'] ?? '')
    .split('.')
    .at(-1);
  return target || (/^Action=(\w+)/.exec(body.toString())?.[1] ?? `${method} ${url}`);
}
