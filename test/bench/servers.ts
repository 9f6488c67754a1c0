// Starts contenders, checks their predictions and stops them.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Contender, Launch } from './contender.js';
import { program } from './environments.js';
import { ask } from './http.js';
import { writeScript } from './load.js';
import type { Data, Model } from './models.js';
import { end, kill } from './processes.js';

const startTimeout = 60; // seconds

/** A server that can be started repeatedly. */
export interface Startable {
  launch: Launch;
  port: number;
  ping: string;
  bin: string; // folder of its environment's programs, first in its PATH
  log: string;
}

/** A contender set up for a model. */
export interface Station extends Startable {
  contender: Contender;
  model: Model;
  lua: string;
}

/** Properties of a running server. */
export interface Started {
  pid: number;
  /** Seconds from the start of the process to the first successful ping. */
  seconds: number;
}
export type Server = Station & Started;

const running = new Set<number>();
process.on('exit', () => running.forEach(kill));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

/** Sets a contender up in a new folder below `folder`. */
export async function setUp(contender: Contender, model: Model, data: Data, folder: string): Promise<Station> {
  const own = join(folder, model.name, contender.name);
  mkdirSync(own, { recursive: true });
  const ports = [await findPort(), await findPort(), await findPort()] as const;
  const launch = contender.setUp({ folder: own, model, file: data.file(model), ports });
  const lua = writeScript(
    own,
    data.records.map((record) => JSON.stringify(contender.body(record))),
  );
  const { ping, environment } = contender;
  const startable = { launch, port: ports[0], ping, bin: program(environment, ''), log: join(own, 'server.log') };
  return { contender, model, lua, ...startable };
}

/** Starts a server and waits for its first successful ping. Throws with the end of its log if there is none. */
export async function start<S extends Startable>(startable: S): Promise<S & Started> {
  const { launch, port, ping, bin } = startable;
  const keep = Object.entries(process.env).filter(([name]) => ['HOME', 'LANG', 'TMPDIR'].includes(name));
  const env = { ...Object.fromEntries(keep), PATH: `${bin}:${process.env.PATH}`, ...launch.env };
  const log = openSync(startable.log, 'w');
  const started = performance.now();
  const child = spawn(launch.command, launch.args, {
    cwd: launch.cwd,
    env,
    stdio: ['ignore', log, log],
    detached: true, // Ctrl-C reaches only the benchmark, which then stops the servers
  });
  child.on('error', () => {}); // it has no pid then
  closeSync(log);
  if (child.pid !== undefined) running.add(child.pid);
  while (!(await pings(port, ping))) {
    if (!isAlive(child) || performance.now() - started > startTimeout * 1000) {
      if (child.pid !== undefined) await stop(child.pid);
      throw new Error(`no successful ping:\n${readFileSync(startable.log, 'utf8').slice(-2000)}`);
    }
    await pause(10);
  }
  return { ...startable, pid: child.pid ?? 0, seconds: (performance.now() - started) / 1000 };
}

const isAlive = (child: ChildProcess) =>
  child.pid !== undefined && child.exitCode === null && child.signalCode === null;
const pings = (port: number, path: string) =>
  ask(port, path).then(
    ({ status }) => status === 200,
    () => false,
  );

/** Stops a server and all its processes. */
export async function stop(pid: number): Promise<void> {
  await end(pid);
  running.delete(pid);
}

/** Sends every record, one by one and then many at once. Throws if a prediction is wrong. */
export async function check({ contender, model, port }: Server, { records, expected }: Data): Promise<void> {
  const one = async (number: number) => {
    const { status, text } = await ask(port, contender.path, JSON.stringify(contender.body(records[number] ?? [])));
    if (status !== 200) throw new Error(`record ${number} returned ${status}: ${text}`);
    const wanted = JSON.stringify([expected[model.name]?.[number]]);
    const got = contender.predictions && JSON.stringify(contender.predictions(JSON.parse(text)));
    if (got && got !== wanted) throw new Error(`record ${number}: expected ${wanted}, got ${got}`);
  };
  const numbers = [...records.keys()];
  for (const number of numbers) await one(number);
  await Promise.all([...numbers, ...numbers.toReversed()].map(one));
}

let lastPort = 20_000; // below the ephemeral ports

/** Returns an unused port. */
export async function findPort(): Promise<number> {
  lastPort += 1;
  const server = net.createServer();
  const free = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false)).listen(lastPort, '127.0.0.1', () => resolve(true));
  });
  await new Promise((resolve) => server.close(resolve));
  return free ? lastPort : findPort();
}
