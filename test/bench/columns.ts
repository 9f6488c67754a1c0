// What a request by column costs beyond the model's own time, in the project of scikit-learn's sample.
import { must } from '../support/rig.js';
import type { Sample } from './frameworks.js';
import { python as program } from './models.js';
import type { Options } from './options.js';

/** By form of a request: milliseconds from the body to the answer, and of predict() alone. */
export type ColumnTimes = Readonly<Record<string, readonly [answer: number, predict: number]>>;

export async function measureColumns(samples: readonly Sample[], { seconds }: Options): Promise<ColumnTimes> {
  const sample = samples.find(({ framework }) => framework === 'sklearn');
  if (!sample) throw new Error('there is no sample of scikit-learn');
  return JSON.parse(await must(sample.python, [program('time_columns.py'), sample.project, `${seconds}`]));
}
