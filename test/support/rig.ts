// What the container and deployment tests share: the rig's variables, programs, containers, conditions to wait for.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { generateProject } from './generate.js';

/** What became of a program. */
export interface Ended {
  code: number | null;
  out: string;
  err: string;
}
type Options = { cwd?: string; env?: Record<string, string | undefined> };

/** The values of the environment variables that the rig sets. Fails in plain words where it is not up. */
export function rig<Name extends string>(...names: Name[]): Record<Name, string> {
  const missing = names.filter((name) => !process.env[name]);
  const flags = missing.includes('ARM64_BASE' as Name) ? '--aws --arm64' : '--aws';
  assert.deepEqual(missing, [], `These tests need the rig: eval "$(../shared/rig/up ${flags})" sets ${missing}`);
  return Object.fromEntries(names.map((name) => [name, process.env[name]])) as Record<Name, string>;
}

/** Runs a program to its end, whatever its exit status. */
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

/** Runs a program that has to succeed; its standard output without the last newline. */
export async function must(command: string, args: readonly string[] = [], options: Options = {}): Promise<string> {
  const { code, out, err } = await run(command, args, options);
  assert.equal(code, 0, `${command} ${args.join(' ')}\n${out}${err}`);
  return out.trimEnd();
}

/** The first answer of `probe` that is not undefined; fails when there is none for `seconds`. */
export async function until<T>(what: string, seconds: number, probe: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await probe().catch(() => undefined);
    if (answer !== undefined) return answer;
    assert.ok(Date.now() < deadline, `${what}: not within ${seconds} s`);
    await pause(100);
  }
}

/** A name that no other run uses: for images, repositories and endpoints. */
export const unique = (stem: string) => `${stem}-${process.pid}-${Date.now().toString(36)}`;

const folders: string[] = [];
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A scratch folder, its name with a space, removed when the run is over. */
export function scratch(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'ml container '));
  folders.push(folder);
  return folder;
}

/** Generates a project for scikit-learn on an x86 instance into `folder`, under its name. */
export const project = (folder: string, answers: Record<string, unknown> & { projectName: string }) =>
  generateProject(
    { framework: 'sklearn', instanceType: 'ml.m5.large', includeSampleModel: true, ...answers },
    path.join(folder, answers.projectName),
  );

/** Trains the project's sample model with the Python and the packages of its own image. */
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

/** Builds a project's image as build_and_push.sh does; the image's name. */
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

/** Bytes of an image's Python packages as pip installs them, by their records: with what the image no longer has. */
export async function sizeOfPackages(image: string): Promise<number> {
  const code = `
from csv import reader
from importlib.metadata import distributions
from site import getsitepackages
records = (each.read_text('RECORD').splitlines() for each in distributions(path=getsitepackages()))
print(sum(int(size or 0) for record in records for _, _, size in reader(record)))`;
  return Number(await must('docker', ['run', '--rm', image, 'python', '-c', code]));
}

/** A container that runs as little as SageMaker promises: another user, a read-only system, only /tmp writable. */
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

/** Waits until the container answers /ping with 200. */
export const ready = (container: Container, seconds = 60) =>
  until(`200 from ${container.url}/ping`, seconds, async () => {
    const { status } = await request(`${container.url}/ping`);
    return status === 200 || undefined;
  });

/** Removes a container; the exit status after SIGTERM and what it had printed. */
export async function stop({ id }: Container): Promise<Ended> {
  await must('docker', ['stop', '--time', '30', id]);
  const code = Number(await must('docker', ['inspect', '--format', '{{.State.ExitCode}}', id]));
  const { out, err } = await run('docker', ['logs', id]);
  await must('docker', ['rm', '--force', id]);
  return { code, out, err };
}

/** The containers that were started under an image's name (it may have others elsewhere) and are still there. */
export async function containersOf(image: string): Promise<string> {
  const all = await must('docker', ['ps', '--all', '--format', '{{.Image}} {{.ID}}']);
  const own = all.split('\n').filter((line) => line.startsWith(`${image} `));
  return own.join('\n');
}

/** Posts a request; the status and the body, parsed where it is JSON. */
export async function post({ url }: Container, type: string, body: string) {
  return request(`${url}/invocations`, { method: 'POST', headers: { 'content-type': type }, body });
}

// Not fetch: in Node 20 it may wait for ever on a connection that is closed before it was answered.
export function request(url: string, { body = '', ...options }: http.RequestOptions & { body?: string } = {}) {
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it asked for
  return new Promise<{ status: number | undefined; body: any }>((resolve, reject) => {
    const asked = http.request(url, { agent: false, timeout: 90_000, ...options }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('error', reject).on('end', () => {
        const json = answer.headers['content-type']?.startsWith('application/json');
        resolve({ status: answer.statusCode, body: json ? JSON.parse(text) : text });
      });
    });
    asked
      .on('timeout', () => asked.destroy(new Error(`no answer from ${url}`)))
      .on('error', reject)
      .end(body);
  });
}
