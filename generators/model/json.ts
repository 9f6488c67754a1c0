// Parses untrusted JSON with limits, and reads it without assumptions about its structure.

const MAX_BYTES = 16 << 20;
const MAX_VALUES = 2_000_000;
const SEPARATORS = new Set(Buffer.from('[{,'));

/** Parses JSON as Python writes it, including NaN. Throws a SyntaxError if it is malformed or too large. */
export function parseJson(source: Buffer): unknown {
  if (source.length > MAX_BYTES) throw new SyntaxError('too long');
  let values = 0;
  for (const byte of source) if (SEPARATORS.has(byte)) values++;
  if (values > MAX_VALUES) throw new SyntaxError('too many values');
  const text = source.toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    return JSON.parse(text.replace(STRINGS_AND_CONSTANTS, (token) => (token.startsWith('"') ? token : 'null')));
  }
}

/** Strings, including an unclosed one, which are left as they are; and the constants that JSON does not have. */
const STRINGS_AND_CONSTANTS = /"[^"\\]*(?:\\[\s\S][^"\\]*)*(?:"|\\?$)|-?\b(?:NaN|Infinity)\b/g;

/** The value at a path of keys and indexes; undefined if there is none. */
export function valueAt(value: unknown, ...path: readonly (string | number)[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Record<string | number, unknown>)[key];
  }
  return found;
}

/** The value if it is a list, otherwise []. */
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The value if it is an object, otherwise {}. */
export const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};

/** The value if it is a non-empty string. */
export const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value ? value : undefined);

/** The value if it is an integer, or a string that contains one. */
export function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() ? Number(value) : value;
  return Number.isSafeInteger(number) ? (number as number) : undefined;
}
