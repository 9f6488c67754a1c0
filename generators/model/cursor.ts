// Bytes one after the other: of a file, or of a compressed stream, without holding more than a window of them.
import { Gunzip, Inflate, Unzlib } from 'fflate';
import type { Bytes } from './bytes.js';
import { damaged, UnreadableError } from './facts.js';

/** Gives the next bytes; nothing at the end. `skip`, where there is one, passes over bytes without reading them. */
interface Source {
  next(): Uint8Array | undefined;
  skip?(length: number): void;
}

const CHUNK = 1 << 16;
/** Bytes that are read at once at most. */
const MAX_TAKEN = 1 << 20;
/** Bytes that are inflated at most. */
const MAX_INFLATED = 2 ** 31;

/** Reads bytes in order. Every read throws an UnreadableError where the bytes end too early. */
export class Cursor {
  /** Bytes that were read or skipped. */
  offset = 0;
  readonly #source: Source;
  readonly #what: string;
  #window: Buffer = Buffer.alloc(0);
  #at = 0;

  /** `what` is what the error calls the file. */
  constructor(source: Source, what: string) {
    this.#source = source;
    this.#what = what;
  }

  /** The next `length` bytes: a view that holds until the next read. */
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

  /** The text up to the next line feed, without it, in Latin-1; lines longer than `most` bytes are damage. */
  line(most = 1 << 16): string {
    const bytes: number[] = [];
    for (let byte = this.byte(); byte !== 10; byte = this.byte()) {
      if (bytes.push(byte) > most) throw damaged(this.#what);
    }
    return Buffer.from(bytes).toString('latin1');
  }

  skip(length: number): void {
    let left = length;
    const here = Math.min(left, this.#window.length - this.#at);
    this.#at += here;
    left -= here;
    if (left && this.#source.skip) this.#source.skip(left);
    else for (; left > 0; left -= Math.min(left, CHUNK)) this.#pass(Math.min(left, CHUNK));
    this.offset += length;
  }

  #pass(length: number): void {
    if (this.#at + length > this.#window.length) this.#fill(length);
    this.#at += length;
  }

  #fill(length: number): void {
    if (length > MAX_TAKEN) throw damaged(this.#what);
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

/** A cursor over bytes, from a place in them. */
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

/** A cursor over what a compressed stream inflates to. Past 2 GiB it throws an UnreadableError. */
export function inflatedCursor(bytes: Bytes, form: keyof typeof streams, what: string): Cursor {
  const ready: Uint8Array[] = [];
  let [at, inflated] = [0, 0];
  const stream = new streams[form]((chunk) => {
    inflated += chunk.length;
    if (inflated > MAX_INFLATED)
      throw new UnreadableError(`the ${what} is larger than 2 GiB without compression`, uncompressed);
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

/** What to type for a file whose compression is not read here. */
export const uncompressed = 'save it without compression, where it was trained: joblib.dump(model, path)';
