// Random access to the bytes of a file: reads only the requested parts, however large the file.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** A random-access source of bytes. */
export interface Bytes {
  readonly size: number;
  /** Returns `length` bytes from `at`, or fewer at the end. The result can be a view of a buffer: copy it to keep. */
  read(at: number, length: number): Buffer;
}

/** Opens a file while `work` runs. Throws file system errors. */
export function withFile<T>(path: string, work: (bytes: Bytes) => T): T {
  const file = openSync(path, 'r');
  try {
    return work(fileBytes(file));
  } finally {
    closeSync(file);
  }
}

const WINDOW = 1 << 16;

/** The bytes of an open file. Small reads near each other share one disk read. */
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

/** The bytes of a buffer. */
export const memoryBytes = (buffer: Buffer): Bytes => ({
  size: buffer.length,
  read: (at, length) => buffer.subarray(at, Math.min(at + length, buffer.length)),
});

/** A slice of other bytes. */
export const partOf = (bytes: Bytes, from: number, size: number): Bytes => ({
  size: Math.max(0, Math.min(size, bytes.size - from)),
  read(at, length) {
    return at >= this.size ? Buffer.alloc(0) : bytes.read(from + at, Math.min(length, this.size - at));
  },
});
