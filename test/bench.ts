// npm run bench: how long the command takes beside Node's own start, run in turn; quote the ratio.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bin, quietEnv } from './support/bin.js';

const rounds = 15;
const generate = [bin, 'demo', '--framework=sklearn', '--include-sample-model', '--skip-prompts'];
const commands: Readonly<Record<string, readonly string[]>> = {
  'node -e 0': ['-e', '0'],
  '--version': [bin, '--version'],
  '--help': [bin, '--help'],
  'generate a project': generate,
};

/** Wall-clock seconds of one run in a new folder. Throws where it fails. */
function time(args: readonly string[]): number {
  const cwd = mkdtempSync(join(tmpdir(), 'ml-bench-'));
  const began = performance.now();
  const { status } = spawnSync(process.execPath, args, { cwd, env: quietEnv, input: '' });
  const seconds = (performance.now() - began) / 1000;
  rmSync(cwd, { recursive: true });
  if (status !== 0) throw new Error(`${args.join(' ')} failed`);
  return seconds;
}

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const times = new Map(Object.keys(commands).map((name) => [name, [] as number[]]));
for (let round = 0; round <= rounds; round++) {
  for (const [name, args] of Object.entries(commands)) {
    const seconds = time(args);
    if (round > 0) times.get(name)?.push(seconds); // the first round only warms up
  }
}
const base = median(times.get('node -e 0') ?? []);
console.log(`| command | median of ${rounds} | beside node -e 0 |\n| --- | --- | --- |`);
for (const [name, values] of times) {
  console.log(`| ${name} | ${(median(values) * 1000).toFixed(0)} ms | ${(median(values) / base).toFixed(1)} |`);
}
