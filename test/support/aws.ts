// The AWS CLI for the tests that call it thousands of times: loaded once, see aws_cli.py.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Puts an `aws` first on the PATH that starts at once, until this process ends. Where the CLI is no Python, nothing. */
export async function preloadAws(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'aws-'));
  const server = spawn('python3', [path.join(import.meta.dirname, 'aws_cli.py'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.on('exit', () => {
    server.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  const ready = await new Promise((resolve) => {
    server.on('error', () => resolve(false)).on('exit', () => resolve(false));
    server.stdout.on('data', () => resolve(true));
  });
  server.unref(); // this process ends when its work does: the exit above ends the server
  server.stdout.destroy();
  if (ready) process.env.PATH = `${folder}:${process.env.PATH}`;
}
