// The results of a benchmark run.
import type { ColumnTimes } from './columns.js';
import type { ContentTimes } from './content.js';
import type { Frameworks } from './frameworks.js';
import type { Sample } from './load.js';
import type { Many } from './many.js';
import type { StageRow } from './stages.js';

/** One cell: a server with a model and a number of connections. Medians over its rounds, and all their errors. */
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
  starts: Readonly<Record<string, number>>; // seconds to the first successful ping, by server
  commands: Readonly<Record<string, number>> | undefined; // seconds, by command
  frameworks?: Frameworks;
  columns?: ColumnTimes;
  many?: Many;
  content?: ContentTimes;
  stages?: readonly StageRow[];
  idle: number; // share of one CPU that all servers together use without requests
  stolen: number; // share of the CPU time that the host gave to other machines
  others: number; // share of the CPU time that unrelated programs used
}

/** Returns the row of a server, if it was measured. */
export const find = (rows: readonly Row[], model: string, connections: number, server: string): Row | undefined =>
  rows.find((row) => row.model === model && row.connections === connections && row.server === server);
