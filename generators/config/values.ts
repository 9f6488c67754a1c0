// The type of a parameter's values, and how to parse one from the text of a flag, variable or answer.
import { z } from 'zod';
import { type Key, table } from './parameters.js';

const kinds = new Map<Key, string>();

/** The JSON type of a parameter's values: boolean, integer, number, array or string. */
export function kindOf(key: Key): string {
  const known = kinds.get(key) ?? String(z.toJSONSchema(table[key].schema).type ?? 'string');
  kinds.set(key, known);
  return known;
}

/** The list of values to choose from; empty if there is none. */
export function valuesOf(key: Key): readonly unknown[] {
  const { type, items, enum: values, anyOf } = z.toJSONSchema(table[key].schema);
  const listed =
    type === 'array'
      ? (items as { enum?: unknown[] }).enum
      : (values ?? anyOf?.find((each) => typeof each === 'object' && each.enum));
  if (Array.isArray(listed)) return listed;
  return typeof listed === 'object' ? (listed.enum ?? []) : [];
}

const booleans: Readonly<Record<string, boolean>> = {
  ...{ true: true, yes: true, on: true, 1: true },
  ...{ false: false, no: false, off: false, 0: false },
};

const readers: Readonly<Record<string, (text: string) => unknown>> = {
  boolean: (text) => booleans[text.toLowerCase()] ?? text,
  integer: (text) => (/^-?\d{1,9}(\.\d+)?$/.test(text) ? Number(text) : text),
  number: (text) => readers.integer?.(text),
  array: (text) => [
    ...new Set(
      text
        .split(',')
        .map((each) => each.trim())
        .filter(Boolean),
    ),
  ],
};

/** Parses a text as a value of the parameter. Returns other text unchanged, which the schema refuses. */
export function readText(key: Key, text: string): unknown {
  return readers[kindOf(key)]?.(text.trim()) ?? text;
}
