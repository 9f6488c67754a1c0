// The processes of this machine, from /proc: their parents and their CPU time.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const ticksPerSecond = 100; // USER_HZ, the same on every Linux

interface Process {
  pid: number;
  parent: number;
  ticks: number; // of CPU time
  ended: number; // of CPU time of its children that have ended
}

/** Returns all processes that are not zombies. */
function list(): Process[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, parent, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = rest.slice(9, 13).map(Number);
      const each = { pid: Number(pid), parent: Number(parent), ticks: user + system, ended: endedUser + endedSystem };
      return state === 'Z' ? [] : [each];
    } catch {
      return []; // it has ended since
    }
  });
}

/** Returns a process and all its descendants. */
function familyOf(pid: number, all = list()): Process[] {
  const children = all.filter(({ parent }) => parent === pid);
  return [...all.filter((each) => each.pid === pid), ...children.flatMap((child) => familyOf(child.pid, all))];
}

/** Ends a process and its descendants: with SIGTERM, and after five seconds with SIGKILL. */
export async function end(pid: number): Promise<void> {
  const family = familyOf(pid).map((each) => each.pid);
  signal([pid], 'SIGTERM');
  for (let tries = 0; tries < 50 && list().some((each) => family.includes(each.pid)); tries++) await pause(100);
  signal(family, 'SIGKILL');
}

/** Kills a process and its descendants. */
export const kill = (pid: number): void =>
  signal(
    familyOf(pid).map((each) => each.pid),
    'SIGKILL',
  );

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // it has already ended
    }
  }
}

/** Returns the number and the megabytes of a process and its descendants, counting shared memory once. */
export function readMemory(pid: number): { memory: number; processes: number } {
  const family = familyOf(pid);
  const kibibytes = family.map((each) => {
    const rollup = readFileSync(`/proc/${each.pid}/smaps_rollup`, 'utf8');
    return Number(rollup.match(/^Pss:\s+(\d+)/m)?.[1]);
  });
  return { memory: kibibytes.reduce((sum, each) => sum + each, 0) * 1.024e-3, processes: family.length };
}

/** Returns the share of one CPU that processes and their descendants use over `seconds`. */
export async function measureLoad(pids: readonly number[], seconds: number): Promise<number> {
  const used = () => pids.flatMap((pid) => familyOf(pid)).reduce((sum, { ticks }) => sum + ticks, 0);
  const before = used();
  await pause(seconds * 1000);
  return (used() - before) / ticksPerSecond / seconds;
}

/** Waits until a process and its descendants have finished their work, for at most ten seconds. */
export async function waitUntilIdle(pid: number): Promise<void> {
  for (let tries = 0; tries < 50 && (await measureLoad([pid], 0.2)) > 0.1; tries++);
}

/** Ticks of all CPUs since the machine started. */
export interface Use {
  all: number;
  stolen: number; // that the host gave to other machines
  others: number; // of processes other than this one and its descendants
}

export function readUse(): Use {
  const [cpu = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1);
  const ticks = cpu.trim().split(/\s+/).slice(1, 9).map(Number);
  const [user = 0, nice = 0, system = 0, , , , , stolen = 0] = ticks;
  const own = familyOf(process.pid).reduce((sum, each) => sum + each.ticks + each.ended, 0);
  return { all: ticks.reduce((sum, each) => sum + each, 0), stolen, others: user + nice + system - own };
}
