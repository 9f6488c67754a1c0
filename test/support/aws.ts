// Loads the AWS CLI once for the tests that call it thousands of times: see aws_cli.py.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Puts a fast `aws` first on the PATH until this process exits. Does nothing if Python cannot import the AWS CLI. */
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
  server.unref(); // so that this process can exit, which ends the server
  server.stdout.destroy();
  if (ready) process.env.PATH = `${folder}:${process.env.PATH}`;
}
