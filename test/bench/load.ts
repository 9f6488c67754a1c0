// Load from wrk in a separate process: the same few records in turn, one per request.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { has } from '../support/tools.js';

/** The result of one run of load: requests/s, latencies in milliseconds, failed or lost requests. */
export interface Sample {
  rate: number;
  p50: number;
  p99: number;
  errors: number;
}

/** Exits with a message if there is no /proc to read. */
export function requireLinux(): void {
  if (process.platform !== 'linux') fail('npm run bench needs Linux');
}

/** Exits with a message if wrk is not installed. */
export function requireWrk(): void {
  requireLinux();
  if (!has('wrk')) fail('npm run bench needs wrk to generate load. On Debian: apt-get install wrk');
}

function fail(reason: string): never {
  console.error(reason);
  process.exit(1);
}

/** Writes the script that defines what wrk sends and prints, and returns its path. */
export function writeScript(folder: string, bodies: readonly string[], type = 'application/json'): string {
  const quoted = bodies.map((body) => `[==[${body}]==]`).join(',\n  ');
  const path = join(folder, 'load.lua');
  writeFileSync(path, script.replace('BODIES', () => quoted).replace('TYPE', type));
  return path;
}

const script = `local bodies = {
  BODIES
}
local headers = { ["Content-Type"] = "TYPE" }
local requests = {}
local sent = 0

function init()
  for number, body in ipairs(bodies) do
    requests[number] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  sent = sent % #requests + 1
  return requests[sent]
end

function done(summary, latency)
  local errors = summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '\\n{"rate": %f, "p50": %f, "p99": %f, "errors": %d}\\n',
    (summary.requests - errors.status) * 1e6 / summary.duration,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, lost
  ))
end
`;

/** Sends requests to a server as fast as it responds, on `connections` connections. */
export function load(url: string, lua: string, connections: number, seconds: number): Promise<Sample> {
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s', '--latency', '-s', lua, url];
  return new Promise((resolve, reject) => {
    const wrk = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    wrk.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    wrk.on('error', reject).on('close', () => {
      const line = text.split('\n').find((each) => each.startsWith('{'));
      return line ? resolve(JSON.parse(line)) : reject(new Error(`wrk failed: ${text}`));
    });
  });
}
