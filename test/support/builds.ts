// Runs a CodeBuild build on this machine: source from S3, commands in one shell, log in CloudWatch.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { load } from 'js-yaml';
import { type Emulator, permits } from './emulator.js';
import { must, rig, scratch } from './rig.js';
import { tool } from './tools.js';

interface Variable {
  name: string;
  value: string;
}
interface Phase {
  phaseType: string;
  phaseStatus?: string;
  contexts?: { statusCode: string; message: string }[];
}
/** The part of CodeBuild's Build that is used. */
export interface Build {
  id: string;
  projectName: string;
  buildStatus: 'IN_PROGRESS' | 'SUCCEEDED' | 'FAILED' | 'FAULT' | 'STOPPED';
  buildComplete: boolean;
  currentPhase: string;
  phases: Phase[];
  source: { location: string; buildspec: string };
  environment: { type: string; environmentVariables: Variable[] };
  serviceRole: string;
  logs: { groupName: string; streamName?: string; deepLink: string };
  exportedEnvironmentVariables: Variable[];
}
interface Buildspec {
  env?: { 'exported-variables'?: string[] };
  phases: Record<string, { commands?: string[] }>;
}

const inherited = ['PATH', 'HOME', 'AWS_ENDPOINT_URL', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const;

/** Creates a folder with the programs of CodeBuild's machine: pyenv, and a Python without boto3. */
export async function makeMachine(): Promise<string> {
  const folder = path.join(scratch(), 'machine');
  const python = path.join(folder, 'python');
  await must(tool('uv'), ['venv', '--quiet', '--seed', '--python', tool('python'), python]);
  const front = `#!/bin/sh
if [ -z "$PYENV_VERSION" ] && [ -e .python-version ]; then
  echo "pyenv: version '$(cat .python-version)' is not installed (set by $PWD/.python-version)" >&2
  exit 127
fi
exec '${python}/bin/python3' "$@"
`;
  mkdirSync(path.join(folder, 'bin'));
  writeFileSync(path.join(folder, 'bin/python3'), front, { mode: 0o755 });
  writeFileSync(path.join(folder, 'bin/pyenv'), '#!/bin/sh\necho 3.13.0\n', { mode: 0o755 }); // its version-name
  return path.join(folder, 'bin');
}

function enter(build: Build, phaseType: string): void {
  if (build.buildComplete || build.currentPhase === phaseType) return;
  Object.assign(build.phases.at(-1) ?? {}, { phaseStatus: 'SUCCEEDED' });
  build.phases.push({ phaseType });
  build.currentPhase = phaseType;
}

/** Ends a build unless it has ended already. */
export function end(build: Build, buildStatus: Build['buildStatus'], statusCode = '', message = ''): void {
  if (build.buildComplete) return;
  Object.assign(build.phases.at(-1) ?? {}, { phaseStatus: buildStatus, contexts: [{ statusCode, message }] });
  build.phases.push({ phaseType: 'COMPLETED' });
  Object.assign(build, { buildStatus, buildComplete: true, currentPhase: 'COMPLETED' });
}

/** Runs a build with the permissions of its role. Any error ends the build. */
export async function runBuild(build: Build, aws: Emulator, machine: string): Promise<void> {
  try {
    for (const phase of ['QUEUED', 'PROVISIONING']) enter(build, phase);
    const role = await aws.policyOf(build.serviceRole.split('/').at(-1) ?? '');
    const { groupName } = build.logs;
    const stream = `arn:aws:logs:us-east-1:123456789012:log-group:${groupName}:log-stream:x`;
    for (const action of ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'])
      if (!permits(role, action, stream)) return end(build, 'FAILED', 'ACCESS_DENIED', `The role lacks ${action}`);
    const log = await openLog(build, aws);
    enter(build, 'DOWNLOAD_SOURCE');
    if (!permits(role, 's3:GetObject', `arn:aws:s3:::${build.source.location}`))
      return end(build, 'FAILED', 'CLIENT_ERROR', `AccessDenied: ${build.source.location}`);
    const folder = mkdtempSync(path.join(scratch(), 'src'));
    writeFileSync(`${folder}.zip`, await aws.object(build.source.location));
    // This drops executable bits, which CodeBuild does not guarantee to keep.
    await must('python3', ['-m', 'zipfile', '-e', `${folder}.zip`, folder]);
    await runCommands(build, folder, machine, log.write);
    await log.flush();
    end(build, 'SUCCEEDED');
  } catch (error) {
    end(build, 'FAULT', 'INTERNAL_ERROR', String(error));
  }
}

/** Opens the log of a build. Lines are sent in order and in small batches. */
async function openLog({ id, logs }: Build, aws: Emulator) {
  const stream = { logGroupName: logs.groupName, logStreamName: id.split(':')[1] };
  const lines: { timestamp: number; message: string }[] = [];
  await aws.json('Logs_20140328.CreateLogGroup', stream).catch(() => {}); // it exists since the previous build
  await aws.json('Logs_20140328.CreateLogStream', stream);
  Object.assign(logs, { streamName: stream.logStreamName, deepLink: `https://console.example/${id}` });
  let sent = Promise.resolve();
  const flush = () => {
    sent = sent.then(async () => {
      const logEvents = lines.splice(0);
      if (logEvents.length) await aws.json('Logs_20140328.PutLogEvents', { ...stream, logEvents });
    });
    return sent;
  };
  const write = (line: string) => {
    lines.push({ timestamp: Date.now(), message: `${line}\n` });
    void pause(100).then(flush);
  };
  return { write, flush };
}

/** Runs the commands of all phases in one shell, which reports progress and exported variables on file descriptor 3. */
async function runCommands(build: Build, cwd: string, machine: string, write: (line: string) => void): Promise<void> {
  const spec = load(readFileSync(path.join(cwd, build.source.buildspec), 'utf8')) as Buildspec;
  const commands = Object.entries(spec.phases).flatMap(([phase, { commands: own = [] }]) =>
    own.map((command) => ({ phase: phase.toUpperCase(), command })),
  );
  const script = [
    ...commands.map(({ command }, at) => `echo "at ${at}" >&3; ${command}\n_code=$?; [ $_code = 0 ] || exit $_code`),
    ...(spec.env?.['exported-variables'] ?? []).map((name) => `echo "${name} $${name}" >&3`),
  ].join('\n');
  const own = Object.fromEntries(build.environment.environmentVariables.map(({ name, value }) => [name, value]));
  const region = { AWS_REGION: 'us-east-1', AWS_DEFAULT_REGION: 'us-east-1', CODEBUILD_BUILD_ID: build.id };
  const { PATH, ...others } = rig(...inherited);
  const env = { ...others, PATH: `${machine}:${PATH}`, ...region, ...own };
  const child = spawn('sh', ['-c', script], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  const [output, errors, progress] = child.stdio.slice(1) as [Readable, Readable, Readable];
  for (const stream of [output, errors]) createInterface(stream).on('line', write);
  let last = '';
  createInterface(progress).on('line', (line) => {
    const [name = '', value = ''] = line.split(/ (.*)/);
    const current = name === 'at' ? commands[Number(value)] : undefined;
    if (!current) return build.exportedEnvironmentVariables.push({ name, value });
    enter(build, current.phase);
    last = current.command;
    return write(`[Container] Running command ${last}`);
  });
  const watch = setInterval(() => {
    if (build.buildComplete && child.pid) process.kill(-child.pid, 'SIGTERM'); // it was stopped
  }, 200);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(watch);
  const message = `Error while executing command: ${last}. Reason: exit status ${code}`;
  if (code !== 0) end(build, 'FAILED', 'COMMAND_EXECUTION_ERROR', message);
}
