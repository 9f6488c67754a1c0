// A parameter's values: what kind they are, and how a text (a flag's, a variable's, an answer's) becomes one.
import { z } from 'zod';
import { type Key, table } from './parameters.js';

const kinds = new Map<Key, string>();

/** The JSON type of a parameter's values: boolean, integer, number, array or string. */
export function kindOf(key: Key): string {
  const known = kinds.get(key) ?? String(z.toJSONSchema(table[key].schema).type ?? 'string');
  kinds.set(key, known);
  return known;
}

/** The values a parameter is chosen from, where there is a list. */
export function valuesOf(key: Key): readonly unknown[] {
  const { type, items, enum: values, anyOf } = z.toJSONSchema(table[key].schema);
  const listed =
    type === 'array'
      ? (items as { enum?: unknown[] }).enum
      : (values ?? anyOf?.find((each) => typeof each === 'object' && each.enum));
  if (Array.isArray(listed)) return listed;
  return typeof listed === 'object' ? (listed.enum ?? []) : [];
}

const words: Readonly<Record<string, boolean>> = {
  ...{ true: true, yes: true, on: true, 1: true },
  ...{ false: false, no: false, off: false, 0: false },
};

const readers: Readonly<Record<string, (text: string) => unknown>> = {
  boolean: (text) => words[text.toLowerCase()] ?? text,
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

/** Reads a text as the parameter's kind; what does not read stays text, and its schema refuses it. */
export function readText(key: Key, text: string): unknown {
  return readers[kindOf(key)]?.(text.trim()) ?? text;
}
