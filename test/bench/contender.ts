// The type of a contender: how to start it for a model and how to send it requests.
import type { Environment } from './environments.js';
import type { Model } from './models.js';

/** Where a contender is set up for a model. */
export interface Place {
  folder: string; // its own, empty
  model: Model;
  file: string; // the saved model
  ports: readonly [number, number, number]; // requests go to the first
}

/** The command that starts a contender. */
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
  // biome-ignore lint/suspicious/noExplicitAny: each server has its own response format; check() verifies it
  predictions?: (response: any) => unknown; // undefined: it does not predict
  setUp: (place: Place) => Launch;
}

/** SageMaker's requests to a container, which other servers accept, too. */
export const sagemaker = {
  ping: '/ping',
  path: '/invocations',
  body: (record: readonly number[]) => ({ instances: [record] }),
} as const;

/** The predictions in {"predictions": [...]}. */
export const predictions = (answer: { predictions: unknown }): unknown => answer.predictions;
