// What all readers share: no file makes one fail in a way of its own.
import type { Bytes } from './bytes.js';
import { damaged } from './facts.js';

/** Runs a reader: bytes that are not what it expects are a damaged file. */
export function guarded<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError) throw damaged(what);
    throw error;
  }
}

/** An unsigned 64-bit number, little-endian. Beyond 2^53 it is not exact, and larger than any file. */
export const readUint64 = (buffer: Buffer, at: number) => Number(buffer.readBigUInt64LE(at));

/** What is read into memory at once at most. */
const MAX_TAKEN = 64 << 20;

/** Exactly so many bytes, a copy: fewer mean that the file is cut off. */
export function take(bytes: Bytes, at: number, length: number): Buffer {
  if (!(at >= 0 && at + length <= bytes.size && length <= MAX_TAKEN)) throw new RangeError('beyond the end');
  const read = bytes.read(at, length);
  if (read.length !== length) throw new RangeError('beyond the end');
  return Buffer.from(read);
}
