// Bytes of a file by their place: only what is asked for is read, however large the file.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Something to read from at any place. */
export interface Bytes {
  readonly size: number;
  /** Up to `length` bytes from `at`: fewer only at the end. The result may be a view of a buffer: copy it to keep it. */
  read(at: number, length: number): Buffer;
}

/** Opens a file for the time of `work`. Throws the errors of the file system. */
export function withFile<T>(path: string, work: (bytes: Bytes) => T): T {
  const file = openSync(path, 'r');
  try {
    return work(fileBytes(file));
  } finally {
    closeSync(file);
  }
}

const WINDOW = 1 << 16;

/** An open file; small reads near each other are one read of the disk. */
function fileBytes(file: number): Bytes {
  const { size } = fstatSync(file);
  const window = Buffer.alloc(WINDOW);
  let [start, end] = [0, 0];
  const fill = (into: Buffer, at: number) => {
    let read = 0;
    for (let more = -1; more !== 0 && read < into.length; read += more)
      more = readSync(file, into, read, into.length - read, at + read);
    return read;
  };
  return {
    size,
    read(at, length) {
      const wanted = Math.max(0, Math.min(length, size - at));
      if (wanted > WINDOW) {
        const into = Buffer.alloc(wanted);
        return into.subarray(0, fill(into, at));
      }
      if (at < start || at + wanted > end) [start, end] = [at, at + fill(window, at)];
      return window.subarray(at - start, Math.min(at - start + wanted, end - start));
    },
  };
}

/** Bytes in memory. */
export const memoryBytes = (buffer: Buffer): Bytes => ({
  size: buffer.length,
  read: (at, length) => buffer.subarray(at, Math.min(at + length, buffer.length)),
});

/** A part of other bytes. */
export const partOf = (bytes: Bytes, from: number, size: number): Bytes => ({
  size: Math.max(0, Math.min(size, bytes.size - from)),
  read(at, length) {
    return at >= this.size ? Buffer.alloc(0) : bytes.read(from + at, Math.min(length, this.size - at));
  },
});
