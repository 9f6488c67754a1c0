// How long the command takes compared with starting Node, run alternately; quote the ratio.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bin, quietEnv } from '../support/bin.js';
import { median } from './numbers.js';

const commands: Readonly<Record<string, readonly string[]>> = {
  'node -e 0': ['-e', '0'],
  '--version': [bin, '--version'],
  '--help': [bin, '--help'],
  'generate a project': [bin, 'demo', '--framework=sklearn', '--include-sample-model', '--skip-prompts'],
};

/** Returns the wall-clock seconds of one run in a new folder. Throws if it fails. */
function time(args: readonly string[]): number {
  const cwd = mkdtempSync(join(tmpdir(), 'ml-bench-'));
  const start = performance.now();
  const { status } = spawnSync(process.execPath, args, { cwd, env: quietEnv, input: '' });
  const seconds = (performance.now() - start) / 1000;
  rmSync(cwd, { recursive: true });
  if (status !== 0) throw new Error(`${args.join(' ')} failed`);
  return seconds;
}

/** Returns the median seconds of each command by name; the first is starting Node alone. */
export function timeCommands(rounds: number): Record<string, number> {
  const times = new Map(Object.keys(commands).map((name) => [name, [] as number[]]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, args] of Object.entries(commands)) {
      const seconds = time(args);
      if (round > 0) times.get(name)?.push(seconds); // the first round only warms up
    }
  }
  return Object.fromEntries([...times].map(([name, values]) => [name, median(values)]));
}
