// Random access to zip archives, in which Keras, skops and PyTorch store models.
import { crc32, inflateRawSync } from 'node:zlib';
import { type Bytes, memoryBytes, partOf } from './bytes.js';
import { damaged, UnreadableError } from './facts.js';
import { guarded, readUint64, take } from './guard.js';

/** A file in an archive. */
export interface Member {
  readonly name: string;
  readonly size: number;
  readonly compressedSize: number;
  /** Compression method: 0 is stored, 8 is deflated. */
  readonly method: number;
  readonly encrypted: boolean;
  readonly crc: number;
  /** The offset of its local header. */
  readonly offset: number;
}

const WHAT = 'zip archive';
const MAX_MEMBERS = 100_000;
const MAX_OPENED = 64 << 20;
const END_SIZE = 22;
const ENTRY_SIZE = 46;
const HEADER_SIZE = 30;
const [STORED, DEFLATED] = [0, 8];
const [UNKNOWN16, UNKNOWN32] = [0xffff, 0xffffffff];
const marker = (code: string) => Buffer.from(`PK${code}`, 'latin1');
const [LOCAL, ENTRY, END] = [marker('\x03\x04'), marker('\x01\x02'), marker('\x05\x06')];
const [END64, LOCATOR64] = [marker('\x06\x06'), marker('\x06\x07')];

/** The files in an archive, in directory order. Throws an UnreadableError if it is damaged or inconsistent. */
export function members(bytes: Bytes): readonly Member[] {
  return guarded(WHAT, () => {
    const { count, size, offset } = findDirectory(bytes);
    if (count > MAX_MEMBERS)
      throw new UnreadableError(`the ${WHAT} has ${count} files`, `the limit is ${MAX_MEMBERS} files`);
    const found: Member[] = [];
    for (let at = offset; found.length < count; ) {
      const { member, next } = readEntry(bytes, at);
      found.push(member);
      at = next;
      if (at > offset + size) throw damaged(WHAT);
    }
    checkPlaces(found, offset);
    return found;
  });
}

/** Whether the bytes start like an archive, possibly an empty one. */
export const isZip = (bytes: Bytes): boolean => bytes.read(0, 4).equals(LOCAL) || bytes.read(0, 4).equals(END);

function findDirectory(bytes: Bytes): { count: number; size: number; offset: number } {
  const from = Math.max(0, bytes.size - END_SIZE - UNKNOWN16);
  const tail = take(bytes, from, bytes.size - from);
  const at = tail.lastIndexOf(END, tail.length - END_SIZE);
  if (at < 0) throw damaged(WHAT);
  const [count, size, offset] = [tail.readUInt16LE(at + 10), tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16)];
  const locator = at >= 20 ? tail.subarray(at - 20, at) : undefined;
  if (!locator?.subarray(0, 4).equals(LOCATOR64)) return { count, size, offset };
  const end = take(bytes, readUint64(locator, 8), 56);
  if (!end.subarray(0, 4).equals(END64)) throw damaged(WHAT);
  return { count: readUint64(end, 32), size: readUint64(end, 40), offset: readUint64(end, 48) };
}

function readEntry(bytes: Bytes, at: number): { member: Member; next: number } {
  const entry = take(bytes, at, ENTRY_SIZE);
  if (!entry.subarray(0, 4).equals(ENTRY)) throw damaged(WHAT);
  const [nameSize, extraSize] = [entry.readUInt16LE(28), entry.readUInt16LE(30)];
  const rest = take(bytes, at + ENTRY_SIZE, nameSize + extraSize);
  const short = [entry.readUInt32LE(24), entry.readUInt32LE(20), entry.readUInt32LE(42)];
  const [size = 0, compressedSize = 0, offset = 0] = widen(short, rest.subarray(nameSize));
  const member = {
    name: rest.toString('utf8', 0, nameSize),
    size,
    compressedSize,
    method: entry.readUInt16LE(10),
    encrypted: (entry.readUInt16LE(8) & 1) === 1,
    crc: entry.readUInt32LE(16),
    offset,
  };
  return { member, next: at + ENTRY_SIZE + nameSize + extraSize + entry.readUInt16LE(32) };
}

/** Replaces the numbers that do not fit 32 bits by those in the zip64 extra field, where they follow one another. */
function widen(numbers: readonly number[], extra: Buffer): readonly number[] {
  if (!numbers.includes(UNKNOWN32)) return numbers;
  let at = 0;
  while (extra.readUInt16LE(at) !== 1) at += 4 + extra.readUInt16LE(at + 2);
  at += 4;
  return numbers.map((number) => {
    if (number !== UNKNOWN32) return number;
    at += 8;
    return readUint64(extra, at - 8);
  });
}

/** Checks that files do not overlap each other or the directory: a zip bomb reuses the same bytes for many files. */
function checkPlaces(found: readonly Member[], directory: number): void {
  const sorted = found.toSorted((one, other) => one.offset - other.offset);
  sorted.forEach(({ offset, name, compressedSize }, at) => {
    const end = offset + HEADER_SIZE + Buffer.byteLength(name) + compressedSize;
    if (end > (sorted[at + 1]?.offset ?? directory)) throw damaged(WHAT);
  });
}

/** The stored bytes of a file, possibly compressed. */
function storedBytes(bytes: Bytes, { offset, compressedSize }: Member): Bytes {
  const header = take(bytes, offset, HEADER_SIZE);
  if (!header.subarray(0, 4).equals(LOCAL)) throw damaged(WHAT);
  const from = offset + HEADER_SIZE + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (from + compressedSize > bytes.size) throw damaged(WHAT);
  return partOf(bytes, from, compressedSize);
}

/** The contents of a file in an archive. Throws an UnreadableError if it is damaged, or larger than `maxSize` bytes. */
export function readMember(bytes: Bytes, member: Member, maxSize: number): Buffer {
  const { name, size, compressedSize, method, crc } = member;
  checkMethod(member);
  if (size > maxSize || compressedSize > maxSize + HEADER_SIZE)
    throw new UnreadableError(`${name} in the ${WHAT} is too large: ${size} bytes`, `the limit is ${maxSize} bytes`);
  return guarded(WHAT, () => {
    const stored = take(storedBytes(bytes, member), 0, compressedSize);
    if (method === STORED) return stored;
    const contents = inflate(stored, size);
    // PyTorch can omit the checksum, but never deflates.
    if (contents.length !== size || crc32(contents) !== crc) throw damaged(WHAT);
    return contents;
  });
}

/** Opens a file in an archive for random access. A deflated file is held in memory. */
export function openMember(bytes: Bytes, member: Member): Bytes {
  checkMethod(member);
  if (member.method !== STORED) return memoryBytes(readMember(bytes, member, MAX_OPENED));
  return guarded(WHAT, () => storedBytes(bytes, member));
}

function checkMethod({ name, method, encrypted }: Member): void {
  const problem = encrypted ? 'is encrypted' : 'uses an unsupported compression method';
  if (encrypted || (method !== STORED && method !== DEFLATED))
    throw new UnreadableError(`${name} in the ${WHAT} ${problem}`, 'save the model again with its own library');
}

function inflate(stored: Buffer, size: number): Buffer {
  try {
    return inflateRawSync(stored, { maxOutputLength: Math.max(1, size) });
  } catch {
    throw damaged(WHAT); // zlib throws its own error types
  }
}
