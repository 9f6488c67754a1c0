// The benchmark run: contenders alternate over several rounds, so that a machine that slows down affects all of them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureColumns } from './columns.js';
import { timeCommands } from './commands.js';
import type { Contender } from './contender.js';
import { measureContent } from './content.js';
import { measureFrameworks, prepareSamples } from './frameworks.js';
import { installAll, lineUp, type Notes, say } from './lineup.js';
import { load, type Sample } from './load.js';
import { measureMany } from './many.js';
import { type Model, models, timePredict, train, variantModels } from './models.js';
import { median } from './numbers.js';
import { connections, type Options } from './options.js';
import { variants } from './ours.js';
import { measureLoad, readUse, waitUntilIdle } from './processes.js';
import type { Results, Row } from './results.js';
import { type Server, stop } from './servers.js';
import { measureStages } from './stages.js';

/** Contenders that are compared with one model. */
interface Heat {
  entrants: readonly Contender[];
  model: Model;
  starts: number; // timed starts of each alone; 0: all at once
  counts: readonly number[]; // of connections
  rounds: number;
  seconds: number;
}

/** The result of a heat. */
interface Outcome {
  rows: Row[];
  predict: number[];
  idle: number;
}

/** Measures everything. Throws if the packages of the generated servers cannot be installed. */
export async function measure(options: Options): Promise<Results> {
  const { part } = options;
  const { present, missing } = installAll(options.servers);
  const samples = part ? [] : await prepareSamples();
  const folder = mkdtempSync(join(tmpdir(), 'ml-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  if (!part) say('the command compared with node -e 0');
  const commands = part ? undefined : timeCommands(options.commandRounds);
  // The short measurements come first.
  const sections = part
    ? undefined
    : {
        frameworks: await measureFrameworks(samples, options),
        columns: await measureColumns(samples, options),
        content: await measureContent(samples, options),
        stages: await measureStages(options),
        many: await measureMany(samples, options),
      };
  const notes: Notes = { data: train(folder), folder, missing, starts: new Map() };

  const before = readUse();
  const main: Outcome[] = [];
  const chosen = models.filter(({ name }) => options.models?.includes(name) ?? true);
  for (const model of chosen) {
    const starts = main.length === 0 ? options.starts : 0;
    main.push(await compare({ ...options, entrants: present, model, starts, counts: connections }, notes));
  }
  const tuned: Outcome[] = [];
  for (const model of part ? [] : variantModels) {
    const { variantConnections: counts, variantSeconds: seconds, rounds } = options;
    tuned.push(await compare({ entrants: variants, model, starts: 0, counts, seconds, rounds }, notes));
  }
  const after = readUse();
  return {
    rows: main.flatMap(({ rows }) => rows),
    variants: tuned.flatMap(({ rows }) => rows),
    missing,
    predict: Object.fromEntries(chosen.map(({ name }, number) => [name, median(main[number]?.predict ?? [])])),
    starts: Object.fromEntries([...notes.starts].map(([name, seconds]) => [name, median(seconds)])),
    commands,
    ...sections,
    idle: Math.max(...main.map(({ idle }) => idle)),
    stolen: (after.stolen - before.stolen) / (after.all - before.all),
    others: (after.others - before.others) / (after.all - before.all),
  };
}

/** Compares all contenders for one model. All of them keep running, and one at a time gets load. */
async function compare({ entrants, model, starts, counts, rounds, seconds }: Heat, notes: Notes): Promise<Outcome> {
  const servers = await lineUp(entrants, model, starts, notes);
  if (rounds > 1) await Promise.all(servers.map((server) => measureServer(server, 8, 2))); // warm-up
  const pids = servers.map(({ pid }) => pid);
  const idle = await measureLoad(pids, 2);
  const rows: Row[] = [];
  const predict: number[] = [];
  for (const count of counts) {
    const samples = new Map(servers.map((server) => [server, [] as Sample[]]));
    for (let round = 1; round <= rounds; round++) {
      say(`${model.title}: connections ${count}, round ${round} of ${rounds}`);
      if (count === 1) predict.push(timePredict(notes.data, model, seconds));
      for (const server of servers) samples.get(server)?.push(await measureServer(server, count, seconds));
    }
    for (const [{ contender }, each] of samples) {
      rows.push({ model: model.name, connections: count, server: contender.name, ...summarize(each) });
    }
  }
  await Promise.all(pids.map(stop));
  return { rows, predict, idle };
}

/** Puts load on one server, then waits until it is idle. */
async function measureServer({ contender, port, lua, pid }: Server, count: number, seconds: number): Promise<Sample> {
  const sample = await load(`http://127.0.0.1:${port}${contender.path}`, lua, count, seconds);
  await waitUntilIdle(pid);
  return sample;
}

function summarize(samples: readonly Sample[]): Sample {
  const middle = (key: keyof Sample) => median(samples.map((sample) => sample[key]));
  const errors = samples.reduce((sum, sample) => sum + sample.errors, 0);
  return { rate: middle('rate'), p50: middle('p50'), p99: middle('p99'), errors };
}
