// A sample request for a model's inputs, filled with zeros, to check that the model responds.
import type { Field } from './facts.js';

/** Maximum number of values in a request: nobody reads a larger file. */
const MAX_VALUES = 100_000;

type Json = string | number | boolean | Json[];

/** The JSON of a request with one record; undefined if the inputs are not fully known, or a record is very large. */
export function sampleRequest(inputs: readonly Field[], byColumn = false): string | undefined {
  const values = inputs.reduce(
    (sum, { shape }) => sum + shape.slice(1).reduce((all, each) => all * Math.abs(each), 1),
    0,
  );
  const [first, ...more] = inputs;
  if (!first || values > MAX_VALUES || inputs.some(({ type }) => type === 'Tensor' || type === 'any')) return undefined; // of an unknown shape
  if (inputs.every(({ shape }) => shape.length === 1)) {
    if (byColumn) return text({ instances: [Object.fromEntries(inputs.map((field) => [field.name, zero(field)]))] });
    const record = inputs.map(zero);
    return text({ instances: more.length || first.type !== 'string' ? [record] : record });
  }
  if (!more.length) return text({ instances: [tensor(first, first.shape.slice(1))] });
  return text({ inputs: Object.fromEntries(inputs.map((field) => [field.name, tensor(field, field.shape)])) });
}

/** The content of model/signature.json for these columns. */
export function signatureFor(inputs: readonly Field[]): string {
  const columns = inputs.map(({ name, type, required = true, nullable, example = null }) => ({
    name,
    type,
    required,
    nullable,
    example,
  }));
  return `${JSON.stringify({ inputs: columns }, null, 1)}\n`;
}

/** Whether a sample request uses 1 for an axis of any length, other than the number of records. */
export const leavesOpen = (inputs: readonly Field[]) =>
  inputs.some(({ shape }) => shape.slice(1).some((size) => size < 0));

const text = (request: object) => `${JSON.stringify(request)}\n`;

const zeros: Readonly<Record<string, Json>> = {
  string: 'a text',
  str: 'a text',
  boolean: false,
  bool: false,
  datetime: '2024-05-31',
};
const zero = ({ type, example }: Field): Json => example ?? zeros[type] ?? 0;

/** An array of this shape. An axis of any length gets one entry. */
function tensor(field: Field, shape: readonly number[]): Json {
  const [length, ...rest] = shape;
  return length === undefined ? zero(field) : Array.from({ length: Math.abs(length) }, () => tensor(field, rest));
}
