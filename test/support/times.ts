// Records how long suites, tests and Docker builds take, as rows of kind, seconds and names in the file TIMES, if set.
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const { TIMES } = process.env;

/** Appends a row if TIMES is set. */
export function record(kind: 'suite' | 'test' | 'build', seconds: number, ...names: string[]): void {
  if (TIMES) appendFileSync(TIMES, `${[kind, seconds.toFixed(1), ...names].join('\t')}\n`);
}

/** Runs `work` and records it as a suite. */
export async function timed<Result>(name: string, work: () => Result | Promise<Result>): Promise<Result> {
  const started = performance.now();
  const result = await work();
  record('suite', (performance.now() - started) / 1000, name);
  return result;
}

/** Records the tests in a report from pytest's --junitxml with junit_family=xunit1, and removes the report. */
export function recordReport(suite: string, report: string): void {
  if (!existsSync(report)) return;
  const cases = readFileSync(report, 'utf8').matchAll(
    /<testcase [^>]*name="([^"]*)" file="([^"]*)"[^>]*time="([^"]*)"/g,
  );
  for (const [, name = '', file = '', seconds] of cases)
    record('test', Number(seconds), `${suite}/${path.basename(file)}`, name);
  rmSync(report);
}

/** Puts a `docker` that records each build first on the PATH until this process exits. */
export function recordBuilds(): void {
  if (!TIMES) return;
  const folder = mkdtempSync(path.join(tmpdir(), 'docker-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const docker = spawnSync('sh', ['-c', 'command -v docker'], { encoding: 'utf8' }).stdout.trim();
  const front = `#!/bin/bash
[[ $1 == build || "$1 $2" == "buildx build" ]] || exec ${docker} "$@"
started=\${EPOCHREALTIME/[.,]/}
${docker} "$@"
status=$?
tenths=$(((\${EPOCHREALTIME/[.,]/} - started) / 100000))
printf 'build\\t%d.%d\\t%s\\n' $((tenths / 10)) $((tenths % 10)) "$(basename "\${!#}")" >>'${TIMES}'
exit "$status"
`;
  writeFileSync(path.join(folder, 'docker'), front, { mode: 0o755 });
  process.env.PATH = `${folder}:${process.env.PATH}`;
}
