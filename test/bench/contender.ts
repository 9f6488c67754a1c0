// What a contender is: how it is asked, and how it is started for a model.
import type { Environment } from './environments.js';
import type { Model } from './models.js';

/** Where a contender is set up for a model. */
export interface Place {
  folder: string; // empty, its own
  model: Model;
  file: string; // the model, trained and saved
  ports: readonly [number, number, number]; // the first is asked
}

/** A command that serves, once it is set up. */
export interface Launch {
  command: string;
  args: readonly string[];
  cwd?: string;
  env?: Readonly<Record<string, string>>;
}

export interface Contender {
  name: string;
  about: string; // for docs/benchmarks.md
  environment: Environment;
  ping: string;
  path: string;
  body: (record: readonly number[]) => unknown;
  // biome-ignore lint/suspicious/noExplicitAny: each server has its own answer, and a check that it is as expected
  predictions?: (answer: any) => unknown; // none: it does not predict
  setUp: (place: Place) => Launch;
}

/** How SageMaker asks a container, which others do too. */
export const sagemaker = {
  ping: '/ping',
  path: '/invocations',
  body: (record: readonly number[]) => ({ instances: [record] }),
} as const;

/** The predictions in {"predictions": [...]}. */
export const predictions = (answer: { predictions: unknown }): unknown => answer.predictions;
