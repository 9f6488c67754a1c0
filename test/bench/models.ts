// The models: those that python/train.py trains, and two handlers that differ only in holding the GIL.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../support/tools.js';
import { program } from './environments.js';

export interface Model {
  name: string;
  title: string;
  /** A handler in python/ that replaces the generated one. */
  handler?: string;
  /** Variables for servers that, unlike the generated ones, do not set them themselves. */
  env?: Readonly<Record<string, string>>;
}

const regression: Model = { name: 'regression', title: 'Logistic regression' };
const forest: Model = { name: 'forest', title: 'Random forest with 100 trees' };
const boosting: Model = {
  name: 'boosting',
  title: 'Histogram gradient boosting with 100 trees',
  env: { OMP_NUM_THREADS: '1' }, // the OpenMP threads of several workers slow each other down
};
export const models: readonly Model[] = [regression, forest, boosting];

const work = 'about 0.5 ms per record';
export const variantModels: readonly Model[] = [
  regression,
  forest,
  { name: 'holds_gil', title: `Python loop, ${work}, holds the GIL`, handler: 'holds_gil.py' },
  { name: 'releases_gil', title: `NumPy matmul, ${work}, releases the GIL`, handler: 'releases_gil.py' },
];

/** The records to send and the expected predictions. */
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
  run({}, 'train.py', folder);
  const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const file = ({ name, handler }: Model) => join(folder, handler ? 'regression' : name, 'model.joblib');
  const recordsFile = join(folder, 'records.json');
  return { records: read('records.json'), expected: read('expected.json'), recordsFile, file };
}

/** Returns the median milliseconds of `model.predict` for one record, without a server. */
export const timePredict = (data: Data, model: Model, seconds: number): number =>
  Number(run(model.env, 'time_predict.py', data.file(model), data.recordsFile, `${seconds}`));

function run(env: Model['env'], script: string, ...args: string[]): string {
  const { status, stdout } = spawnSync(program('ours', 'python'), [python(script), ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`test/bench/python/${script} failed; see its error above`);
  return stdout;
}
