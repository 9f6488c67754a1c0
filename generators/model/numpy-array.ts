// Reads arrays that joblib writes as raw bytes between the opcodes of a pickle.
// Source: joblib/numpy_pickle.py, NumpyArrayWrapper.
import type { Cursor } from './cursor.js';
import { damaged } from './facts.js';
import type { Dict, Instance, Value } from './pickle.js';

/** The type of the elements in an array. */
export interface Dtype {
  /** NumPy's code: f, i, u, b, U, S, O, V, M, m, c. */
  readonly kind: string;
  /** Bytes per element. */
  readonly size: number;
  readonly bigEndian: boolean;
  readonly holdsObjects: boolean;
}

const MAX_KEPT = 1 << 16;

/**
 * Moves past the raw bytes of the array that `state` describes. Returns the bytes if there are few, or, for an array of
 * objects, the result of `readObjects`, which reads a pickle.
 */
export function skipArray(cursor: Cursor, state: Value, readObjects: () => Value): Buffer | Value {
  const fields = fieldsOf(state);
  const dtype = dtypeOf(fields.get('dtype'));
  if (!dtype) throw damaged('joblib file');
  if (dtype.holdsObjects) return readObjects();
  if (typeof fields.get('numpy_array_alignment_bytes') === 'number') cursor.skip(cursor.byte());
  const length = shapeOf(fields.get('shape')).reduce((product, each) => product * each, dtype.size);
  if (!Number.isSafeInteger(length) || length < 0) throw damaged('joblib file');
  if (length <= MAX_KEPT) return Buffer.from(cursor.take(length));
  cursor.skip(length);
  return undefined;
}

/** The entries of a dict, or of an instance's state, by name. */
export function fieldsOf(value: Value): Map<string, Value> {
  const state = typeof value === 'object' && value?.is === 'instance' ? value.state : value;
  const parts = typeof state === 'object' && state?.is === 'tuple' ? state.items.slice(0, 2) : [state]; // (__dict__, slots)
  return new Map(parts.filter(isDict).flatMap(({ entries }) => entries.filter(isNamed)));
}
const isDict = (value: Value): value is Dict => typeof value === 'object' && value?.is === 'dict';
const isNamed = (entry: [Value, Value]): entry is [string, Value] => typeof entry[0] === 'string';

export const shapeOf = (value: Value): number[] =>
  typeof value === 'object' && value && 'items' in value
    ? value.items.filter((each): each is number => typeof each === 'number')
    : [];

/** Reads a pickled numpy.dtype: dtype('f8') and its state (version, byte order, subdtype, names, fields, itemsize, …). */
export function dtypeOf(value: Value): Dtype | undefined {
  if (typeof value !== 'object' || value?.is !== 'instance') return undefined;
  const code = itemsOf(value.args)[0];
  if (typeof code !== 'string') return undefined;
  const [, kind = '', digits = ''] = /^[<>=|]?([a-zA-Z?])(\d*)/.exec(code) ?? [];
  const [, order, , , fields, itemsize] = itemsOf(value.state);
  const size = typeof itemsize === 'number' && itemsize > 0 ? itemsize : Number(digits) * (kind === 'U' ? 4 : 1);
  const inside = typeof fields === 'object' && fields?.is === 'dict' ? fields.entries : [];
  const holdsObjects = kind === 'O' || inside.some(([, field]) => dtypeOf(itemsOf(field)[0])?.holdsObjects);
  return { kind, size, bigEndian: order === '>', holdsObjects };
}

export const itemsOf = (value: Value): readonly Value[] =>
  typeof value === 'object' && value && 'items' in value ? value.items : [];

/** The elements of an array that was pickled, or written as raw bytes by joblib, if it is small and of a known type. */
export function elementsOf(value: Value): readonly (string | number | boolean)[] | undefined {
  if (typeof value !== 'object' || value?.is !== 'instance') return undefined;
  if (value.raw !== undefined) return fromRaw(value);
  const [, , dtype, , data] = itemsOf(value.state); // numpy's _reconstruct and its state
  const element = dtypeOf(dtype);
  if (element) return element.holdsObjects ? plain(itemsOf(data)) : decode(bytesOf(data), element);
  const [buffer, other] = itemsOf(value.args); // numpy's _frombuffer
  const flat = dtypeOf(other);
  return flat && decode(bytesOf(buffer), flat);
}

function fromRaw({ raw, state }: Instance): readonly (string | number | boolean)[] | undefined {
  const dtype = dtypeOf(fieldsOf(state).get('dtype'));
  if (Buffer.isBuffer(raw)) return dtype && decode(raw, dtype);
  return elementsOf(raw);
}

function bytesOf(value: Value): Buffer | undefined {
  if (typeof value === 'string') return Buffer.from(value, 'latin1');
  if (typeof value !== 'object' || !value) return undefined;
  if (value.is === 'bytes') return value.length === value.start.length ? value.start : undefined;
  return value.is === 'instance' ? bytesOf(itemsOf(value.args)[0]) : undefined; // _codecs.encode, bytearray
}

function plain(items: readonly Value[]): (string | number | boolean)[] | undefined {
  const known = items.filter((each) => each !== null); // None is a missing value
  return known.every((each) => ['string', 'number', 'boolean'].includes(typeof each))
    ? (known as (string | number | boolean)[])
    : undefined;
}

const readers: Readonly<Record<string, (bytes: Buffer, bigEndian: boolean) => number | boolean>> = {
  f8: (bytes, big) => (big ? bytes.readDoubleBE() : bytes.readDoubleLE()),
  f4: (bytes, big) => (big ? bytes.readFloatBE() : bytes.readFloatLE()),
  i8: (bytes, big) => Number(big ? bytes.readBigInt64BE() : bytes.readBigInt64LE()),
  i4: (bytes, big) => (big ? bytes.readInt32BE() : bytes.readInt32LE()),
  i2: (bytes, big) => (big ? bytes.readInt16BE() : bytes.readInt16LE()),
  i1: (bytes) => bytes.readInt8(),
  u1: (bytes) => bytes.readUInt8(),
  b1: (bytes) => bytes[0] !== 0,
};

function decode(
  bytes: Buffer | undefined,
  { kind, size, bigEndian }: Dtype,
): (string | number | boolean)[] | undefined {
  if (!bytes || !size) return undefined;
  const pieces = Array.from({ length: Math.floor(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  );
  if (kind === 'U') return pieces.map((piece) => utf32(piece, bigEndian));
  const read = readers[`${kind}${size}`];
  return read && pieces.map((piece) => read(piece, bigEndian));
}

function utf32(bytes: Buffer, bigEndian: boolean): string {
  const points = Array.from({ length: bytes.length >> 2 }, (_, at) =>
    bigEndian ? bytes.readUInt32BE(4 * at) : bytes.readUInt32LE(4 * at),
  );
  return String.fromCodePoint(...points.filter((point) => point > 0 && point <= 0x10ffff));
}
