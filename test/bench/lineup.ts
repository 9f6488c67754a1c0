// Brings contenders to the line: installed, set up for a model, started, their answers checked.
import type { Contender } from './contender.js';
import { contenders } from './contenders.js';
import { type Environment, install } from './environments.js';
import type { Data, Model } from './models.js';
import type { Missing } from './results.js';
import { check, type Server, type Station, setUp, start, stop } from './servers.js';

/** What is gathered on the way. */
export interface Notes {
  data: Data;
  folder: string;
  missing: Missing[];
  starts: Map<string, number[]>; // seconds to a good ping, by contender
}

/** Tells who watches what happens, and when. */
export const say = (text: string): void => console.error(`bench: ${(performance.now() / 1000).toFixed(0)} s: ${text}`);

/** Adds a value to those of a name. */
export function add(values: Map<string, number[]>, name: string, value: number): void {
  values.set(name, [...(values.get(name) ?? []), value]);
}

/** Installs what the contenders need. Throws where the generated servers themselves cannot be installed. */
export function installAll(servers: readonly string[] | undefined): { present: Contender[]; missing: Missing[] } {
  const chosen = contenders.filter(({ name }) => servers?.includes(name) ?? true);
  const there = new Map<Environment, boolean>([['ours', install('ours')]]);
  if (!there.get('ours')) throw new Error('the packages of the generated servers cannot be installed: see above');
  for (const { environment } of chosen) {
    if (!there.has(environment)) there.set(environment, install(environment));
  }
  const reason = 'its packages cannot be installed here';
  return {
    present: chosen.filter(({ environment }) => there.get(environment)),
    missing: chosen.filter(({ environment }) => !there.get(environment)).map(({ name }) => ({ name, reason })),
  };
}

/** Starts all for a model: each alone, so many times, and timed; or, with no number, all at once. They stay up. */
export async function lineUp(those: readonly Contender[], model: Model, starts: number, notes: Notes) {
  const stations: Station[] = [];
  const servers: Server[] = [];
  for (const contender of those) {
    await attempt(contender, `it could not be set up for the ${model.name}`, notes, async () => {
      stations.push(await setUp(contender, model, notes.data, notes.folder));
    });
  }
  const begin = (station: Station, stay: boolean) =>
    attempt(station.contender, `it did not start with the ${model.name}`, notes, async () => {
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

/** Those whose answers are right. */
async function checkAll(servers: readonly Server[], notes: Notes): Promise<Server[]> {
  const good: Server[] = [];
  for (const server of servers) {
    const { contender, model, pid } = server;
    await attempt(contender, `it answered wrongly with the ${model.name}`, notes, async () => {
      await check(server, notes.data);
      good.push(server);
    });
    if (!good.includes(server)) await stop(pid);
  }
  return good;
}

/** Does something with a contender; where it fails the contender is missing from here on. */
async function attempt({ name }: Contender, what: string, { missing }: Notes, act: () => Promise<unknown>) {
  if (missing.some((each) => each.name === name)) return;
  try {
    await act();
  } catch (error) {
    console.error(`${name}: ${what}: ${error instanceof Error ? error.message : error}`);
    missing.push({ name, reason: what });
  }
}
