// Reads arrays that numpy.save wrote. Source: numpy/lib/format.py.
import { readUint64 } from './guard.js';

const MAGIC = '\x93NUMPY';
const MAX_ITEMS = 100_000;

const READERS: Readonly<Record<string, (from: Buffer, at: number) => number | boolean>> = {
  b1: (from, at) => from.readUInt8(at) !== 0,
  i1: (from, at) => from.readInt8(at),
  u1: (from, at) => from.readUInt8(at),
  i2: (from, at) => from.readInt16LE(at),
  i4: (from, at) => from.readInt32LE(at),
  i8: (from, at) => Number(from.readBigInt64LE(at)),
  u8: readUint64,
  f4: (from, at) => from.readFloatLE(at),
  f8: (from, at) => from.readDoubleLE(at),
};

/** The items of an array, in order; undefined for unsupported types. Throws a RangeError if it is damaged. */
export function readNpy(source: Buffer): readonly (number | boolean | string)[] | undefined {
  if (source.toString('latin1', 0, 6) !== MAGIC) throw new RangeError('no array');
  const isOld = source.readUInt8(6) === 1;
  const from = isOld ? 10 : 12;
  const start = from + (isOld ? source.readUInt16LE(8) : source.readUInt32LE(8));
  const header = source.toString('latin1', from, start);
  const [, kind = '', digits = ''] = /'descr': '[<|=](\w)(\d+)'/.exec(header) ?? [];
  const size = Number(digits) * (kind === 'U' ? 4 : 1);
  const read = READERS[kind + digits];
  const count = Math.floor((source.length - start) / size);
  if (!size || !(count <= MAX_ITEMS) || !(read || kind === 'U')) return undefined;
  return Array.from({ length: count }, (_, item) => {
    const at = start + item * size;
    return read ? read(source, at) : readText(source.subarray(at, at + size));
  });
}

/** Decodes four bytes per character, padded with zeros at the end. */
function readText(source: Buffer): string {
  const codes = Array.from({ length: source.length >> 2 }, (_, at) => source.readUInt32LE(at * 4));
  return String.fromCodePoint(...codes.slice(0, codes.findLastIndex((code) => code !== 0) + 1));
}
