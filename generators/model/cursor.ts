// Sequential access to the bytes of a file or a compressed stream, with only a window of them in memory.
import { Gunzip, Inflate, Unzlib } from 'fflate';
import type { Bytes } from './bytes.js';
import { damaged, UnreadableError } from './facts.js';

/** `next` returns the next bytes, or undefined at the end. `skip`, if present, skips bytes without reading them. */
interface Source {
  next(): Uint8Array | undefined;
  skip?(length: number): void;
}

const CHUNK = 1 << 16;
/** Maximum number of bytes in one read. */
const MAX_READ = 1 << 20;
/** Maximum number of bytes after decompression. */
const MAX_INFLATED = 2 ** 31;

/** Reads bytes in order. Every read throws an UnreadableError if the bytes end too early. */
export class Cursor {
  /** Number of bytes that were read or skipped. */
  offset = 0;
  readonly #source: Source;
  readonly #what: string;
  #window: Buffer = Buffer.alloc(0);
  #at = 0;

  /** `what` names the file in errors. */
  constructor(source: Source, what: string) {
    this.#source = source;
    this.#what = what;
  }

  /** Returns the next `length` bytes: a view that is valid until the next read. */
  take(length: number): Buffer {
    if (this.#at + length > this.#window.length) this.#fill(length);
    const taken = this.#window.subarray(this.#at, this.#at + length);
    this.#at += length;
    this.offset += length;
    return taken;
  }

  byte(): number {
    if (this.#at >= this.#window.length) this.#fill(1);
    this.offset += 1;
    return this.#window[this.#at++] as number;
  }

  /** Returns the text up to the next line feed, in Latin-1. A line longer than `maxBytes` means a damaged file. */
  line(maxBytes = 1 << 16): string {
    const bytes: number[] = [];
    for (let byte = this.byte(); byte !== 10; byte = this.byte()) {
      if (bytes.push(byte) > maxBytes) throw damaged(this.#what);
    }
    return Buffer.from(bytes).toString('latin1');
  }

  skip(length: number): void {
    let left = length;
    const buffered = Math.min(left, this.#window.length - this.#at);
    this.#at += buffered;
    left -= buffered;
    if (left && this.#source.skip) this.#source.skip(left);
    else for (; left > 0; left -= Math.min(left, CHUNK)) this.#pass(Math.min(left, CHUNK));
    this.offset += length;
  }

  #pass(length: number): void {
    if (this.#at + length > this.#window.length) this.#fill(length);
    this.#at += length;
  }

  #fill(length: number): void {
    if (length > MAX_READ) throw damaged(this.#what);
    const parts: Uint8Array[] = [this.#window.subarray(this.#at)];
    let size = this.#window.length - this.#at;
    while (size < length) {
      const next = this.#source.next();
      if (!next) throw damaged(this.#what);
      parts.push(next);
      size += next.length;
    }
    this.#window = Buffer.concat(parts);
    this.#at = 0;
  }
}

/** A cursor that starts at `from`. */
export function cursorAt(bytes: Bytes, what: string, from = 0): Cursor {
  let at = from;
  const next = () => {
    const chunk = bytes.read(at, CHUNK);
    at += chunk.length;
    return chunk.length ? chunk : undefined;
  };
  const skip = (length: number) => {
    at += length;
    if (at > bytes.size) throw damaged(what);
  };
  return new Cursor({ next, skip }, what);
}

const streams = { gzip: Gunzip, zlib: Unzlib, deflate: Inflate };

/** A cursor over a decompressed stream. Throws an UnreadableError beyond 2 GiB. */
export function inflatedCursor(bytes: Bytes, form: keyof typeof streams, what: string): Cursor {
  const ready: Uint8Array[] = [];
  let [at, inflated] = [0, 0];
  const stream = new streams[form]((chunk) => {
    inflated += chunk.length;
    if (inflated > MAX_INFLATED)
      throw new UnreadableError(`the ${what} is larger than 2 GiB when decompressed`, uncompressed);
    if (chunk.length) ready.push(chunk);
  });
  const next = () => {
    while (!ready.length && at < bytes.size) {
      const chunk = Uint8Array.from(bytes.read(at, CHUNK / 4));
      at += chunk.length;
      try {
        stream.push(chunk, at >= bytes.size);
      } catch (error) {
        throw error instanceof UnreadableError ? error : damaged(what);
      }
    }
    return ready.shift();
  };
  return new Cursor({ next }, what);
}

/** The hint for a file with an unsupported compression. */
export const uncompressed = 'save it without compression in the training environment: joblib.dump(model, path)';
