// The sample data as csv for training, and a check of a trained model's predictions.
import assert from 'node:assert/strict';
import path from 'node:path';
import { must } from './rig.js';
import { tool } from './tools.js';

/** Writes train.csv, validation.csv and a request with the validation records to a project. Returns their prices. */
export async function writeData(directory: string): Promise<number[]> {
  const program = `import json, sys; sys.path.append("sample_model"); import numpy; from sample import make_data, save_request
train_x, train_y, test_x, test_y = make_data()
for name, x, y in ("train", train_x, train_y), ("validation", test_x, test_y):
    numpy.savetxt(f"{name}.csv", numpy.column_stack([y, x]), "%.6g", ",")
from pathlib import Path
save_request(test_x, Path("test"))
print(json.dumps(test_y.tolist()))`;
  return JSON.parse(await must(tool('python'), ['-c', program], { cwd: directory }));
}

export const csvOf = (directory: string, channel: 'train' | 'validation') => path.join(directory, `${channel}.csv`);

/** Fails if predictions are far from the prices, which range from 100 to 500. */
export function assertNear(predictions: readonly number[], prices: readonly number[]): void {
  const errors = predictions.map((price, at) => Math.abs(price - (prices[at] ?? Number.NaN)));
  const mean = errors.reduce((sum, each) => sum + each, 0) / errors.length;
  assert.ok(predictions.length === prices.length && mean < 15, `mean error ${mean}, for prices from 100 to 500`);
}
