// Helpers for the container and deployment tests: the rig's variables, programs, containers, waiting and requests.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { generateProject } from './generate.js';

/** The exit status and output of a program. */
export interface Ended {
  code: number | null;
  out: string;
  err: string;
}
type Options = { cwd?: string; env?: Record<string, string | undefined> };

/** The environment variables that the rig sets. Fails with instructions if the rig is not running. */
export function rig<Name extends string>(...names: Name[]): Record<Name, string> {
  const missing = names.filter((name) => !process.env[name]);
  const flags = missing.includes('ARM64_BASE' as Name) ? '--aws --arm64' : '--aws';
  assert.deepEqual(missing, [], `These tests need the rig: eval "$(../shared/rig/up ${flags})" sets ${missing}`);
  return Object.fromEntries(names.map((name) => [name, process.env[name]])) as Record<Name, string>;
}

/** Runs a program to completion, whatever its exit status. */
export function run(command: string, args: readonly string[] = [], { cwd, env }: Options = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended: Ended = { code: null, out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      ended.out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      ended.err += text;
    });
    child.on('error', reject).on('close', (code) => resolve({ ...ended, code }));
  });
}

/** Runs a program that must succeed. Returns its standard output without trailing whitespace. */
export async function must(command: string, args: readonly string[] = [], options: Options = {}): Promise<string> {
  const { code, out, err } = await run(command, args, options);
  assert.equal(code, 0, `${command} ${args.join(' ')}\n${out}${err}`);
  return out.trimEnd();
}

/** Polls `probe` until it returns a value. Fails after `seconds`. */
export async function until<T>(what: string, seconds: number, probe: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await probe().catch(() => undefined);
    if (answer !== undefined) return answer;
    assert.ok(Date.now() < deadline, `${what}: not within ${seconds} s`);
    await pause(100);
  }
}

/** A unique name for images, repositories and endpoints. */
export const unique = (stem: string) => `${stem}-${process.pid}-${Date.now().toString(36)}`;

const folders: string[] = [];
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Creates a scratch folder, with a space in its name, that is removed when the process exits. */
export function scratch(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'ml container '));
  folders.push(folder);
  return folder;
}

/** Generates a scikit-learn project for an x86 instance into a subfolder of `folder` with its name. */
export const project = (folder: string, answers: Record<string, unknown> & { projectName: string }) =>
  generateProject(
    { framework: 'sklearn', instanceType: 'ml.m5.large', includeSampleModel: true, ...answers },
    path.join(folder, answers.projectName),
  );

/** Trains the project's sample model in its own image. */
export const train = (directory: string, image: string) =>
  must('docker', [
    'run',
    '--rm',
    '--volume',
    `${directory}:/project`,
    image,
    'python',
    '/project/sample_model/train.py',
  ]);

/** Builds a project's image like build_and_push.sh. Returns the image's name. */
export async function build(
  directory: string,
  tag: string,
  base: string,
  platform = 'linux/amd64',
  more: readonly string[] = [],
): Promise<string> {
  const options = ['--platform', platform, '--provenance=false', '--load', '--build-arg', `BASE_IMAGE=${base}`];
  await must('docker', ['buildx', 'build', ...options, ...more, '--tag', tag, directory]);
  return tag;
}

/** Bytes of an image's Python packages according to pip's records, including files that the image removed. */
export async function sizeOfPackages(image: string): Promise<number> {
  const code = `
from csv import reader
from importlib.metadata import distributions
from site import getsitepackages
records = (each.read_text('RECORD').splitlines() for each in distributions(path=getsitepackages()))
print(sum(int(size or 0) for record in records for _, _, size in reader(record)))`;
  return Number(await must('docker', ['run', '--rm', image, 'python', '-c', code]));
}

/** A container with no more than SageMaker guarantees: another user, a read-only file system, only /tmp writable. */
export interface Container {
  id: string;
  url: string;
}
interface Start {
  model?: string;
  port?: number;
  env?: readonly string[];
  command?: readonly string[];
}
export async function start(image: string, { model, port = 8080, env = [], command = ['serve'] }: Start = {}) {
  const options = ['--detach', '--read-only', '--user', '1000', '--tmpfs', '/tmp', '--publish', `127.0.0.1::${port}`];
  const volumes = model ? ['--volume', `${model}:/opt/ml/model:ro`] : [];
  const id = await must('docker', [
    'run',
    ...options,
    ...volumes,
    ...env.map((each) => `--env=${each}`),
    image,
    ...command,
  ]);
  const address = await run('docker', ['port', id, `${port}/tcp`]);
  return { id, url: `http://${address.out.trim()}` } satisfies Container;
}

/** Waits until the container's /ping responds with 200. */
export const ready = (container: Container, seconds = 60) =>
  until(`200 from ${container.url}/ping`, seconds, async () => {
    const { status } = await request(`${container.url}/ping`);
    return status === 200 || undefined;
  });

/** Stops and removes a container. Returns its exit status after SIGTERM and its output. */
export async function stop({ id }: Container): Promise<Ended> {
  await must('docker', ['stop', '--time', '30', id]);
  const code = Number(await must('docker', ['inspect', '--format', '{{.State.ExitCode}}', id]));
  const { out, err } = await run('docker', ['logs', id]);
  await must('docker', ['rm', '--force', id]);
  return { code, out, err };
}

/** The existing containers that were started with this name of an image, which can have other names. */
export async function containersOf(image: string): Promise<string> {
  const all = await must('docker', ['ps', '--all', '--format', '{{.Image}} {{.ID}}']);
  const own = all.split('\n').filter((line) => line.startsWith(`${image} `));
  return own.join('\n');
}

/** Posts a request. Returns the status and the body, parsed if it is JSON. */
export async function post({ url }: Container, type: string, body: string) {
  return request(`${url}/invocations`, { method: 'POST', headers: { 'content-type': type }, body });
}

// Not fetch: in Node 20 it can wait forever on a connection that is closed before a response.
export function request(url: string, { body = '', ...options }: http.RequestOptions & { body?: string } = {}) {
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it asked for
  return new Promise<{ status: number | undefined; body: any }>((resolve, reject) => {
    const sent = http.request(url, { agent: false, timeout: 90_000, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject).on('end', () => {
        const json = response.headers['content-type']?.startsWith('application/json');
        resolve({ status: response.statusCode, body: json ? JSON.parse(text) : text });
      });
    });
    sent
      .on('timeout', () => sent.destroy(new Error(`no response from ${url}`)))
      .on('error', reject)
      .end(body);
  });
}
