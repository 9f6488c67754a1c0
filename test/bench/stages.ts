// How the time of a request is spent, from the generated server's own log at SM_LOG_LEVEL=DEBUG.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installAll, say } from './lineup.js';
import { load, writeScript } from './load.js';
import { type Data, models, train } from './models.js';
import { countConnections, median } from './numbers.js';
import type { Options } from './options.js';
import { own } from './ours.js';
import { waitUntilIdle } from './processes.js';
import { type Server, setUp, start, stop } from './servers.js';

export const stages = ['read', 'wait', 'decode', 'join', 'predict', 'encode', 'write'] as const;

/** The median milliseconds of each stage. */
export interface StageRow {
  what: string;
  ms: Readonly<Record<(typeof stages)[number], number>>;
}

const records = 10_000; // in a CSV request

/** Puts load on a server of each model with one record per request, and on one with many records in CSV. */
export async function measureStages({ seconds }: Options): Promise<StageRow[]> {
  installAll(['fastapi']);
  const folder = mkdtempSync(join(tmpdir(), 'ml-bench-'));
  try {
    return await measureAll(folder, train(folder), seconds);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measureAll(folder: string, data: Data, seconds: number): Promise<StageRow[]> {
  const contender = own('stages', ['--model-server=fastapi'], '', { SM_LOG_LEVEL: 'DEBUG' });
  const rows: StageRow[] = [];
  for (const model of models) {
    say(`${model.title}: stages of a request`);
    const server = await start(await setUp(contender, model, data, folder));
    const measure = async (what: string, lua: string, count: number) =>
      rows.push({
        what: `${model.title}, ${what}${countConnections(count)}`,
        ms: await time(server, lua, count, seconds),
      });
    for (const count of [1, 32]) await measure('', server.lua, count);
    if (model === models[0]) {
      const lines = Array.from({ length: records }, (_, number) =>
        data.records[number % data.records.length]?.join(','),
      );
      await measure(
        `CSV of ${records.toLocaleString('en-US')} records, `,
        writeScript(folder, [lines.join('\n')], 'text/csv'),
        1,
      );
    }
    await stop(server.pid);
  }
  return rows;
}

/** Returns the medians of the stages in the log while the server is under load. */
async function time({ port, contender, log, pid }: Server, lua: string, count: number, seconds: number) {
  const before = readFileSync(log).length;
  await load(`http://127.0.0.1:${port}${contender.path}`, lua, count, seconds);
  await waitUntilIdle(pid);
  const lines = readFileSync(log).subarray(before).toString().split('\n');
  const found = lines.filter((line) => line.includes('"message":"stages"')).map((line) => JSON.parse(line));
  return Object.fromEntries(stages.map((stage) => [stage, median(found.map((line) => line[stage]))])) as StageRow['ms'];
}
