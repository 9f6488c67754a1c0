// How fast content types are read and written compared with JSON, in a project with the scikit-learn sample.
import { must } from '../support/rig.js';
import type { Sample } from './frameworks.js';
import { python as program } from './models.js';
import type { Options } from './options.js';

/** By number of records and media type: milliseconds to read the records, and to write as many numbers. */
export type ContentTimes = Readonly<Record<string, Readonly<Record<string, readonly [read: number, write: number]>>>>;

export async function measureContent(samples: readonly Sample[], { seconds }: Options): Promise<ContentTimes> {
  const sample = samples.find(({ framework }) => framework === 'sklearn');
  if (!sample) throw new Error('there is no scikit-learn sample');
  return JSON.parse(await must(sample.python, [program('time_content.py'), sample.project, `${seconds}`]));
}

/** The speed of a type relative to JSON for `count` records, reading and writing. */
export function ratiosOf(times: ContentTimes, count: string, type: string): readonly [read: number, write: number] {
  const [json, own] = [times[count]?.['application/json'], times[count]?.[type]];
  return json && own ? [json[0] / own[0], json[1] / own[1]] : [Number.NaN, Number.NaN];
}
