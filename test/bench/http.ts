// Requests of the benchmark itself: pings, and the check of the answers. The load is wrk's.
import http from 'node:http';

export interface Reply {
  status: number;
  text: string;
}

/** One request on a connection of its own. Rejects where no answer comes. */
export function ask(port: number, path: string, body?: string): Promise<Reply> {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body ?? '') };
  const options = { host: '127.0.0.1', port, path, agent: false, timeout: 30_000 } as const;
  return new Promise((resolve, reject) => {
    const request = http.request(body === undefined ? options : { ...options, method: 'POST', headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('error', reject).on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 30 seconds')));
    request.on('error', reject).end(body);
  });
}
