// Prepares contenders: installs them, sets them up for a model, starts them and checks their responses.
import type { Contender } from './contender.js';
import { contenders } from './contenders.js';
import { type Environment, install } from './environments.js';
import type { Data, Model } from './models.js';
import type { Missing } from './results.js';
import { check, type Server, type Station, setUp, start, stop } from './servers.js';

/** Data collected during the run. */
export interface Notes {
  data: Data;
  folder: string;
  missing: Missing[];
  starts: Map<string, number[]>; // seconds to a successful ping, by contender
}

/** Prints the progress with the elapsed time. */
export const say = (text: string): void => console.error(`bench: ${(performance.now() / 1000).toFixed(0)} s: ${text}`);

/** Appends a value to those of a name. */
export function add(values: Map<string, number[]>, name: string, value: number): void {
  values.set(name, [...(values.get(name) ?? []), value]);
}

/** Installs the contenders. Throws if the packages of the generated servers cannot be installed. */
export function installAll(servers: readonly string[] | undefined): { present: Contender[]; missing: Missing[] } {
  const chosen = contenders.filter(({ name }) => servers?.includes(name) ?? true);
  const installed = new Map<Environment, boolean>([['ours', install('ours')]]);
  if (!installed.get('ours')) throw new Error('the packages of the generated servers cannot be installed: see above');
  for (const { environment } of chosen) {
    if (!installed.has(environment)) installed.set(environment, install(environment));
  }
  const reason = 'its packages cannot be installed here';
  return {
    present: chosen.filter(({ environment }) => installed.get(environment)),
    missing: chosen.filter(({ environment }) => !installed.get(environment)).map(({ name }) => ({ name, reason })),
  };
}

/** Starts all contenders for a model: each alone, `starts` times and timed, or all at once if 0. They keep running. */
export async function lineUp(entrants: readonly Contender[], model: Model, starts: number, notes: Notes) {
  const stations: Station[] = [];
  const servers: Server[] = [];
  for (const contender of entrants) {
    await tryOrDrop(contender, `it could not be set up for the ${model.name}`, notes, async () => {
      stations.push(await setUp(contender, model, notes.data, notes.folder));
    });
  }
  const begin = (station: Station, stay: boolean) =>
    tryOrDrop(station.contender, `it did not start with the ${model.name}`, notes, async () => {
      const server = await start(station);
      if (starts > 0) add(notes.starts, server.contender.name, server.seconds);
      if (stay) servers.push(server);
      else await stop(server.pid);
    });
  say(`${model.title}: starting ${stations.map(({ contender }) => contender.name).join(', ')}`);
  if (starts === 0) await Promise.all(stations.map((station) => begin(station, true)));
  for (let time = 1; time <= starts; time++) {
    for (const station of stations) await begin(station, time === starts);
  }
  return checkAll(servers, notes);
}

/** Returns the servers whose predictions are correct. */
async function checkAll(servers: readonly Server[], notes: Notes): Promise<Server[]> {
  const good: Server[] = [];
  for (const server of servers) {
    const { contender, model, pid } = server;
    await tryOrDrop(contender, `it returned wrong predictions with the ${model.name}`, notes, async () => {
      await check(server, notes.data);
      good.push(server);
    });
    if (!good.includes(server)) await stop(pid);
  }
  return good;
}

/** Runs an action for a contender. If it fails, the contender is dropped from the benchmark. */
async function tryOrDrop({ name }: Contender, reason: string, { missing }: Notes, action: () => Promise<unknown>) {
  if (missing.some((each) => each.name === name)) return;
  try {
    await action();
  } catch (error) {
    console.error(`${name}: ${reason}: ${error instanceof Error ? error.message : error}`);
    missing.push({ name, reason });
  }
}
