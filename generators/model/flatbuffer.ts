// FlatBuffers: tables whose fields are found through a list of their places. Source: flatbuffers.dev, "Internals".
import type { Bytes } from './bytes.js';
import { take } from './guard.js';

/** A table, and the lists of fields of the tables read so far: many tables share one. */
export interface Table {
  readonly bytes: Bytes;
  readonly at: number;
  readonly layouts: Map<number, readonly number[]>;
}

const MAX_TEXT = 16 << 20;

/** The table that a buffer is. */
export const rootTable = (bytes: Bytes): Table => tableAt({ bytes, at: 0, layouts: new Map() }, 0);

/** The place of a field; undefined where the table has its default. */
function fieldAt({ bytes, at, layouts }: Table, field: number): number | undefined {
  const place = at - take(bytes, at, 4).readInt32LE();
  let layout = layouts.get(place);
  if (!layout) {
    const size = take(bytes, place, 2).readUInt16LE() >> 1;
    const read = take(bytes, place, size * 2);
    layout = Array.from({ length: size }, (_, each) => read.readUInt16LE(each * 2));
    layouts.set(place, layout);
  }
  const offset = layout[field + 2];
  return offset ? at + offset : undefined;
}

const follow = ({ bytes }: Table, at: number): number => at + take(bytes, at, 4).readUInt32LE();

function tableAt(table: Table, at: number): Table {
  return { ...table, at: follow(table, at) };
}

/** A field that is a table. */
export function tableOf(table: Table, field: number): Table | undefined {
  const at = fieldAt(table, field);
  return at === undefined ? undefined : tableAt(table, at);
}

/** A field that is a list of tables: at most `most` of them. */
export function tablesOf(table: Table, field: number, most: number): readonly Table[] {
  const at = fieldAt(table, field);
  if (at === undefined) return [];
  const list = follow(table, at);
  const count = Math.min(most, take(table.bytes, list, 4).readUInt32LE());
  const offsets = take(table.bytes, list + 4, 4 * count);
  return Array.from({ length: count }, (_, each) => {
    const place = list + 4 + 4 * each;
    return { ...table, at: place + offsets.readUInt32LE(4 * each) };
  });
}

/** A field that is a string. */
export function textIn(table: Table, field: number): string | undefined {
  const at = fieldAt(table, field);
  if (at === undefined) return undefined;
  const text = follow(table, at);
  const size = take(table.bytes, text, 4).readUInt32LE();
  if (size > MAX_TEXT) throw new RangeError('too long');
  return take(table.bytes, text + 4, size).toString('utf8');
}

/** A field that is a whole number of 32 bits. */
export function intIn(table: Table, field: number): number | undefined {
  const at = fieldAt(table, field);
  return at === undefined ? undefined : take(table.bytes, at, 4).readInt32LE();
}
