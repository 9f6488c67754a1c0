// A build of CodeBuild's, run on this machine: its source from S3, its commands in one shell, its log in CloudWatch.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { load } from 'js-yaml';
import { type LookAlike, permits } from './lookalike.js';
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
/** CodeBuild's Build, as much of it as is read. */
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

const passed = ['PATH', 'HOME', 'AWS_ENDPOINT_URL', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const;

/** The programs of CodeBuild's machine: a Python of pyenv's, without boto3, for pip to install into. */
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

/** Ends a build, once. */
export function end(build: Build, buildStatus: Build['buildStatus'], statusCode = '', message = ''): void {
  if (build.buildComplete) return;
  Object.assign(build.phases.at(-1) ?? {}, { phaseStatus: buildStatus, contexts: [{ statusCode, message }] });
  build.phases.push({ phaseType: 'COMPLETED' });
  Object.assign(build, { buildStatus, buildComplete: true, currentPhase: 'COMPLETED' });
}

/** Runs a build to its end on a machine, as far as its role lets it. Whatever happens ends it. */
export async function runBuild(build: Build, aws: LookAlike, machine: string): Promise<void> {
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
    // It forgets who may execute a file: CodeBuild does not promise to remember.
    await must('python3', ['-m', 'zipfile', '-e', `${folder}.zip`, folder]);
    await runCommands(build, folder, machine, log.write);
    await log.flush();
    end(build, 'SUCCEEDED');
  } catch (error) {
    end(build, 'FAULT', 'INTERNAL_ERROR', String(error));
  }
}

/** The log of a build; its lines are sent in their order, a few at a time. */
async function openLog({ id, logs }: Build, aws: LookAlike) {
  const place = { logGroupName: logs.groupName, logStreamName: id.split(':')[1] };
  const lines: { timestamp: number; message: string }[] = [];
  await aws.json('Logs_20140328.CreateLogGroup', place).catch(() => {}); // there from the build before
  await aws.json('Logs_20140328.CreateLogStream', place);
  Object.assign(logs, { streamName: place.logStreamName, deepLink: `https://console.example/${id}` });
  let sent = Promise.resolve();
  const flush = () => {
    sent = sent.then(async () => {
      const logEvents = lines.splice(0);
      if (logEvents.length) await aws.json('Logs_20140328.PutLogEvents', { ...place, logEvents });
    });
    return sent;
  };
  const write = (line: string) => {
    lines.push({ timestamp: Date.now(), message: `${line}\n` });
    void pause(100).then(flush);
  };
  return { write, flush };
}

/** The commands of all phases, in one shell. Over a pipe of its own it says where it is, and the exported variables. */
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
  const { PATH, ...others } = rig(...passed);
  const env = { ...others, PATH: `${machine}:${PATH}`, ...region, ...own };
  const child = spawn('sh', ['-c', script], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  const [output, errors, told] = child.stdio.slice(1) as [Readable, Readable, Readable];
  for (const stream of [output, errors]) createInterface(stream).on('line', write);
  let last = '';
  createInterface(told).on('line', (line) => {
    const [name = '', value = ''] = line.split(/ (.*)/);
    const now = name === 'at' ? commands[Number(value)] : undefined;
    if (!now) return build.exportedEnvironmentVariables.push({ name, value });
    enter(build, now.phase);
    last = now.command;
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
