// Shared by all readers: malformed bytes always surface as the same error.
import type { Bytes } from './bytes.js';
import { damaged } from './facts.js';

/** Runs a reader, and turns the errors that malformed bytes cause into an UnreadableError. */
export function guarded<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError) throw damaged(what);
    throw error;
  }
}

/** An unsigned 64-bit integer, little-endian. Inexact beyond 2^53, which is larger than any file. */
export const readUint64 = (buffer: Buffer, at: number) => Number(buffer.readBigUInt64LE(at));

/** Maximum number of bytes in one read. */
const MAX_READ = 64 << 20;

/** Returns a copy of exactly `length` bytes. Throws a RangeError if there are fewer. */
export function take(bytes: Bytes, at: number, length: number): Buffer {
  if (!(at >= 0 && at + length <= bytes.size && length <= MAX_READ)) throw new RangeError('beyond the end');
  const read = bytes.read(at, length);
  if (read.length !== length) throw new RangeError('beyond the end');
  return Buffer.from(read);
}
