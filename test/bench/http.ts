// Requests of the benchmark itself: pings and checks of the responses. wrk generates the load.
import http from 'node:http';

export interface Reply {
  status: number;
  text: string;
}

/** Sends one request on its own connection. Rejects if there is no response. */
export function ask(port: number, path: string, body?: string): Promise<Reply> {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body ?? '') };
  const options = { host: '127.0.0.1', port, path, agent: false, timeout: 30_000 } as const;
  return new Promise((resolve, reject) => {
    const request = http.request(body === undefined ? options : { ...options, method: 'POST', headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject).on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on('timeout', () => request.destroy(new Error('no response within 30 seconds')));
    request.on('error', reject).end(body);
  });
}
