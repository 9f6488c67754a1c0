// Reads UBJSON as XGBoost writes it: binary JSON, with typed arrays as plain bytes. Source: ubjson.org, draft 12.

const MAX_DEPTH = 64;
const MAX_VALUES = 1_000_000;
const MAX_NUMBERS = 10_000;

/** The size in bytes of a number, and how to read it, by its marker. */
const NUMBERS: Readonly<Record<string, readonly [number, (from: Buffer, at: number) => number]>> = {
  i: [1, (from, at) => from.readInt8(at)],
  U: [1, (from, at) => from.readUInt8(at)],
  I: [2, (from, at) => from.readInt16BE(at)],
  l: [4, (from, at) => from.readInt32BE(at)],
  L: [8, (from, at) => Number(from.readBigInt64BE(at))],
  d: [4, (from, at) => from.readFloatBE(at)],
  D: [8, (from, at) => from.readDoubleBE(at)],
};
const CONSTANTS: Readonly<Record<string, null | boolean>> = { Z: null, T: true, F: false };

interface Cursor {
  readonly from: Buffer;
  at: number;
  /** Remaining number of values that can be read. */
  left: number;
}

/** Reads the value at `at`; a long typed array gives undefined. Throws a RangeError if there is no valid value. */
export const readUbjson = (from: Buffer, at: number): unknown =>
  readValue({ from, at, left: MAX_VALUES }, undefined, 0);

/** Encodes a key: its length in eight bytes, then the key itself. */
export function keyBytes(key: string): Buffer {
  const bytes = Buffer.from(`L12345678${key}`);
  bytes.writeBigInt64BE(BigInt(key.length), 1);
  return bytes;
}

const marker = (cursor: Cursor): string => String.fromCharCode(cursor.from.readUInt8(cursor.at++));
/** Consumes the next marker if it is `wanted`; returns whether it was. */
function accept(cursor: Cursor, wanted: string): boolean {
  const isNext = cursor.from.readUInt8(cursor.at) === wanted.charCodeAt(0);
  if (isNext) cursor.at++;
  return isNext;
}

function readValue(cursor: Cursor, known: string | undefined, depth: number): unknown {
  if (--cursor.left < 0 || depth > MAX_DEPTH) throw new RangeError('too much');
  const type = known ?? marker(cursor);
  if (type === '{') return readObject(cursor, depth);
  if (type === '[') return readArray(cursor, depth);
  if (type === 'S') return readString(cursor);
  if (type === 'C') return marker(cursor);
  if (type in CONSTANTS) return CONSTANTS[type];
  return readNumber(cursor, type);
}

function readNumber(cursor: Cursor, type: string): number {
  const [size, read] = NUMBERS[type] ?? [];
  if (!size || !read) throw new RangeError('no such type');
  cursor.at += size;
  return read(cursor.from, cursor.at - size);
}

function readLength(cursor: Cursor): number {
  const length = readNumber(cursor, marker(cursor));
  if (!Number.isInteger(length) || length < 0 || length > cursor.from.length) throw new RangeError('no length');
  return length;
}

function readString(cursor: Cursor): string {
  const length = readLength(cursor);
  cursor.at += length;
  if (cursor.at > cursor.from.length) throw new RangeError('beyond the end');
  return cursor.from.toString('utf8', cursor.at - length, cursor.at);
}

function readObject(cursor: Cursor, depth: number): Record<string, unknown> {
  const found: [string, unknown][] = [];
  while (!accept(cursor, '}')) found.push([readString(cursor), readValue(cursor, undefined, depth + 1)]);
  return Object.fromEntries(found);
}

function readArray(cursor: Cursor, depth: number): unknown[] | undefined {
  const type = accept(cursor, '$') ? marker(cursor) : undefined;
  const count = accept(cursor, '#') ? readLength(cursor) : undefined;
  const size = type && count !== undefined ? NUMBERS[type]?.[0] : undefined;
  if (size && (count ?? 0) > MAX_NUMBERS) {
    cursor.at += size * (count ?? 0);
    if (cursor.at > cursor.from.length) throw new RangeError('beyond the end');
    return undefined;
  }
  const items: unknown[] = [];
  while (count === undefined ? !accept(cursor, ']') : items.length < count)
    items.push(readValue(cursor, type, depth + 1));
  return items;
}
