// Reads FlatBuffers: tables whose fields are located through a vtable of offsets. Source: flatbuffers.dev, "Internals".
import type { Bytes } from './bytes.js';
import { take } from './guard.js';

/** A table, and the vtables read so far, by their offset: many tables share one. */
export interface Table {
  readonly bytes: Bytes;
  readonly at: number;
  readonly vtables: Map<number, readonly number[]>;
}

const MAX_TEXT = 16 << 20;

/** The root table of a buffer. */
export const rootTable = (bytes: Bytes): Table => tableAt({ bytes, at: 0, vtables: new Map() }, 0);

/** The offset of a field; undefined if the table omits it because it has its default value. */
function fieldAt({ bytes, at, vtables }: Table, field: number): number | undefined {
  const start = at - take(bytes, at, 4).readInt32LE();
  let vtable = vtables.get(start);
  if (!vtable) {
    const size = take(bytes, start, 2).readUInt16LE() >> 1;
    const read = take(bytes, start, size * 2);
    vtable = Array.from({ length: size }, (_, each) => read.readUInt16LE(each * 2));
    vtables.set(start, vtable);
  }
  const offset = vtable[field + 2];
  return offset ? at + offset : undefined;
}

const follow = ({ bytes }: Table, at: number): number => at + take(bytes, at, 4).readUInt32LE();

function tableAt(table: Table, at: number): Table {
  return { ...table, at: follow(table, at) };
}

/** The value of a table field. */
export function tableOf(table: Table, field: number): Table | undefined {
  const at = fieldAt(table, field);
  return at === undefined ? undefined : tableAt(table, at);
}

/** The value of a field that is a vector of tables: at most `maxCount` of them. */
export function tablesOf(table: Table, field: number, maxCount: number): readonly Table[] {
  const at = fieldAt(table, field);
  if (at === undefined) return [];
  const list = follow(table, at);
  const count = Math.min(maxCount, take(table.bytes, list, 4).readUInt32LE());
  const offsets = take(table.bytes, list + 4, 4 * count);
  return Array.from({ length: count }, (_, each) => {
    const entry = list + 4 + 4 * each;
    return { ...table, at: entry + offsets.readUInt32LE(4 * each) };
  });
}

/** The value of a string field. */
export function textIn(table: Table, field: number): string | undefined {
  const at = fieldAt(table, field);
  if (at === undefined) return undefined;
  const text = follow(table, at);
  const size = take(table.bytes, text, 4).readUInt32LE();
  if (size > MAX_TEXT) throw new RangeError('too long');
  return take(table.bytes, text + 4, size).toString('utf8');
}

/** The value of a 32-bit integer field. */
export function intIn(table: Table, field: number): number | undefined {
  const at = fieldAt(table, field);
  return at === undefined ? undefined : take(table.bytes, at, 4).readInt32LE();
}
