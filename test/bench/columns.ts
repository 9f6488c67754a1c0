// The overhead of requests by column over the model's own time, in a project with the scikit-learn sample.
import { must } from '../support/rig.js';
import type { Sample } from './frameworks.js';
import { python as program } from './models.js';
import type { Options } from './options.js';

/** By request format: milliseconds from request body to response body, and of predict() alone. */
export type ColumnTimes = Readonly<Record<string, readonly [total: number, predict: number]>>;

export async function measureColumns(samples: readonly Sample[], { seconds }: Options): Promise<ColumnTimes> {
  const sample = samples.find(({ framework }) => framework === 'sklearn');
  if (!sample) throw new Error('there is no scikit-learn sample');
  return JSON.parse(await must(sample.python, [program('time_columns.py'), sample.project, `${seconds}`]));
}
