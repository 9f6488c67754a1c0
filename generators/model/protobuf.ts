// Reads Protocol Buffers messages: only the fields in a schema are read, all others are skipped.
import type { Bytes } from './bytes.js';
import { guarded, readUint64, take } from './guard.js';

/** The fields of a message to read, each with its number and type. */
export interface Schema {
  readonly [name: string]: readonly [number: number, kind: 'int' | 'text' | Schema];
}

/** The fields that were read: a list for each, empty if the message does not have it. */
export type Message<S extends Schema> = {
  readonly [K in keyof S]: readonly (S[K][1] extends 'int'
    ? number
    : S[K][1] extends 'text'
      ? string
      : S[K][1] extends Schema
        ? Message<S[K][1]>
        : never)[];
};

const MAX_FIELDS = 2_000_000;
const MAX_TEXT = 1 << 16;
const MAX_TEXTS = 64 << 20;
const [VARINT, FIXED64, LENGTH, FIXED32] = [0, 1, 2, 5];

interface Reader {
  readonly bytes: Bytes;
  /** Remaining budgets, to stop decompression bombs and the like. */
  fields: number;
  texts: number;
}

/** Reads a message. Throws an UnreadableError that names `what` if the bytes are not one. */
export function readMessage<S extends Schema>(bytes: Bytes, schema: S, what: string): Message<S> {
  const reader = { bytes, fields: MAX_FIELDS, texts: MAX_TEXTS };
  return guarded(what, () => decode(reader, schema, 0, bytes.size));
}

function decode<S extends Schema>(reader: Reader, schema: S, from: number, to: number): Message<S> {
  const names = Object.keys(schema);
  const byNumber = new Map(Object.entries(schema).map(([name, [number, kind]]) => [number, { name, kind }]));
  const message: Record<string, unknown[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let at = from; at < to; ) {
    if (--reader.fields < 0) throw new RangeError('too many fields');
    const tag = readVarint(reader.bytes, at);
    if (tag.value < 8) throw new RangeError('no such field');
    const field = byNumber.get(Math.floor(tag.value / 8));
    const wire = tag.value % 8;
    const { value, start, end } = readValue(reader.bytes, wire, tag.end);
    if (end > to) throw new RangeError('beyond the end');
    at = end;
    if (!field) continue;
    if ((wire === LENGTH) === (field.kind === 'int')) throw new RangeError('wrong type');
    message[field.name]?.push(field.kind === 'int' ? value : readNested(reader, field.kind, start, end));
  }
  return message as Message<S>;
}

function readNested(reader: Reader, kind: 'text' | Schema, start: number, end: number): unknown {
  if (kind !== 'text') return decode(reader, kind, start, end);
  reader.texts -= end - start;
  if (end - start > MAX_TEXT || reader.texts < 0) throw new RangeError('too long');
  return take(reader.bytes, start, end - start).toString('utf8');
}

/** Reads a number, or finds the start and end of a length-delimited value. */
function readValue(bytes: Bytes, wire: number, at: number): { value: number; start: number; end: number } {
  if (wire === FIXED64) return { value: readUint64(take(bytes, at, 8), 0), start: at, end: at + 8 };
  if (wire === FIXED32) return { value: take(bytes, at, 4).readUInt32LE(), start: at, end: at + 4 };
  if (wire !== VARINT && wire !== LENGTH) throw new RangeError('no such type');
  const { value, end } = readVarint(bytes, at);
  if (wire === VARINT) return { value, start: at, end };
  if (value < 0 || value > bytes.size) throw new RangeError('beyond the end');
  return { value, start: end, end: end + value };
}

/** Reads seven bits per byte, lowest first. Ten bytes encode a negative number. */
function readVarint(bytes: Bytes, at: number): { value: number; end: number } {
  const read = bytes.read(at, 10);
  let value = 0;
  for (let place = 0; place < read.length; place++) {
    const byte = read[place] ?? 0;
    value += (byte & 127) * 2 ** (7 * place);
    if (byte < 128) return { value: place === 9 ? negative(read) : value, end: at + place + 1 };
  }
  throw new RangeError('no end');
}

function negative(read: Buffer): number {
  const bits = [...read].reduceRight((sum, byte) => (sum << 7n) | BigInt(byte & 127), 0n);
  return Number(BigInt.asIntN(64, bits));
}
