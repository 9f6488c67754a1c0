// What a run of the benchmark has found.
import type { ColumnTimes } from './columns.js';
import type { ContentTimes } from './content.js';
import type { Frameworks } from './frameworks.js';
import type { Sample } from './load.js';
import type { Many } from './many.js';
import type { StageRow } from './stages.js';

/** One cell: a server with a model under so many connections; the medians of its rounds, and all their errors. */
export interface Row extends Sample {
  model: string;
  connections: number;
  server: string;
}

export interface Missing {
  name: string;
  reason: string;
}

export interface Results {
  rows: readonly Row[];
  variants: readonly Row[];
  missing: readonly Missing[];
  predict: Readonly<Record<string, number>>; // milliseconds for one record, by model
  starts: Readonly<Record<string, number>>; // seconds to the first good ping, by server
  commands: Readonly<Record<string, number>> | undefined; // seconds, by command
  frameworks?: Frameworks;
  columns?: ColumnTimes;
  many?: Many;
  content?: ContentTimes;
  stages?: readonly StageRow[];
  idle: number; // share of one CPU that all servers together use while nobody asks them
  stolen: number; // share of the machine's CPU time that its host gave to other machines
  others: number; // share that programs took that have nothing to do with the benchmark
}

/** The row of a server, if it was measured. */
export const find = (rows: readonly Row[], model: string, connections: number, server: string): Row | undefined =>
  rows.find((row) => row.model === model && row.connections === connections && row.server === server);
