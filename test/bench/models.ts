// What is served: the models that python/train.py trains, and two handlers that only differ in holding the GIL.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../support/tools.js';
import { program } from './environments.js';

export interface Model {
  name: string;
  title: string;
  /** A handler of python/ in the place of the generated one. */
  handler?: string;
}

export const models: readonly Model[] = [
  { name: 'regression', title: 'Logistic regression' },
  { name: 'forest', title: 'Random forest of 100 trees' },
];

const work = 'about 0.5 ms a record';
export const variantModels: readonly Model[] = [
  ...models,
  { name: 'holds_gil', title: `Python loop, ${work}, holds the GIL`, handler: 'holds_gil.py' },
  { name: 'releases_gil', title: `NumPy matmul, ${work}, releases the GIL`, handler: 'releases_gil.py' },
];

/** What is sent, and what has to come back, record for record. */
export interface Data {
  records: readonly (readonly number[])[];
  expected: Readonly<Record<string, readonly number[]>>;
  recordsFile: string;
  file: (model: Model) => string;
}

/** The path of a Python file of the benchmark. */
export const python = (name: string): string => join(root, 'test/bench/python', name);

/** Trains the models into `folder`. */
export function train(folder: string): Data {
  run('train.py', folder);
  const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const file = ({ name, handler }: Model) => join(folder, handler ? 'regression' : name, 'model.joblib');
  const recordsFile = join(folder, 'records.json');
  return { records: read('records.json'), expected: read('expected.json'), recordsFile, file };
}

/** Milliseconds that `model.predict` of one record takes, without any server: the median. */
export const timePredict = (data: Data, model: Model, seconds: number): number =>
  Number(run('time_predict.py', data.file(model), data.recordsFile, `${seconds}`));

function run(script: string, ...args: string[]): string {
  const { status, stdout } = spawnSync(program('ours', 'python'), [python(script), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`test/bench/python/${script} failed; it says why above`);
  return stdout;
}
