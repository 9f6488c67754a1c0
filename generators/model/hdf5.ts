// Reads the attributes and names in the root group of HDF5. Source: the HDF5 File Format Specification, version 3.0.
import type { Bytes } from './bytes.js';
import { guarded, readUint64, take } from './guard.js';

const WHAT = 'HDF5 file';
const SIGNATURE = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');
const MAX_MESSAGES = 10_000;
const MAX_BODIES = 16 << 20;
const MAX_TEXT = 16 << 20;
const MAX_NAMES = 1 << 16;
const [LINK, ATTRIBUTE, CONTINUATION, SYMBOL_TABLE] = [0x06, 0x0c, 0x10, 0x11];
const SHARED = 2;
const [STRING, VARIABLE_LENGTH] = [3, 9];

/** A file, with the number of bytes that it uses for an offset and for a length. */
interface File {
  readonly bytes: Bytes;
  readonly base: number;
  readonly offsetSize: number;
  readonly lengthSize: number;
}

/** Whether the file starts with the HDF5 signature. */
export const isHdf5 = (bytes: Bytes): boolean => bytes.read(0, SIGNATURE.length).equals(SIGNATURE);

/** The root group. */
export interface Root {
  /** The attributes. The value is undefined unless it is a single string. */
  readonly attributes: ReadonlyMap<string, string | undefined>;
  /** Names of the objects in the group; empty if it uses dense link storage. */
  readonly names: readonly string[];
}

/** Reads the root group. Throws an UnreadableError for a damaged or truncated file. */
export function readRoot(bytes: Bytes): Root {
  return guarded(WHAT, () => {
    const { file, root } = readSuperblock(bytes);
    const attributes = new Map<string, string | undefined>();
    const names: string[] = [];
    for (const { type, flags, body } of readMessages(file, root)) {
      if (type === ATTRIBUTE && !(flags & SHARED)) readAttribute(file, body, attributes);
      if (type === SYMBOL_TABLE) names.push(...readNames(file, body));
      if (type === LINK) names.push(readLink(body));
    }
    return { attributes, names };
  });
}

/** Reads the names in an old-style group, which are stored one after another in a local heap. */
function readNames({ bytes, base, offsetSize, lengthSize }: File, table: Buffer): readonly string[] {
  const heap = take(bytes, base + readNumber(table, offsetSize, offsetSize), 8 + 2 * lengthSize + offsetSize);
  const [size, from] = [readNumber(heap, 8, lengthSize), readNumber(heap, 8 + 2 * lengthSize, offsetSize)];
  const names = take(bytes, base + from, Math.min(size, MAX_NAMES)).toString('utf8');
  return names.split('\0').filter(Boolean);
}

/** Reads a new-style link: version, flags, the optional fields that the flags announce, length of the name, name. */
function readLink(body: Buffer): string {
  const flags = body.readUInt8(1);
  const at = 2 + (flags & 8 ? 1 : 0) + (flags & 4 ? 8 : 0) + (flags & 16 ? 1 : 0);
  const width = 1 << (flags & 3);
  const size = readNumber(body, at, width);
  return body.toString('utf8', at + width, at + width + size);
}

/** Finds the header of the root group. A file that ends before the end-of-file address is truncated. */
function readSuperblock(bytes: Bytes): { file: File; root: number } {
  if (!isHdf5(bytes)) throw new RangeError('no HDF5');
  const start = take(bytes, 0, 120 > bytes.size ? bytes.size : 120);
  const version = start.readUInt8(8);
  if (version > 3) throw new RangeError('no such version');
  const isOld = version < 2;
  const [offsetSize, lengthSize] = [start.readUInt8(isOld ? 13 : 9), start.readUInt8(isOld ? 14 : 10)];
  const from = [24, 28, 12, 12][version] ?? 0; // the first of four addresses: base, free space or extension, end, …
  const at = (number: number) => readNumber(start, from + number * offsetSize, offsetSize);
  const file = { bytes, base: at(0), offsetSize, lengthSize };
  if (at(2) > bytes.size) throw new RangeError('cut off');
  return { file, root: file.base + at(isOld ? 5 : 3) };
}

function readNumber(buffer: Buffer, at: number, size: number): number {
  if (size === 8) return readUint64(buffer, at);
  if (size !== 1 && size !== 2 && size !== 4) throw new RangeError('no such size');
  return buffer.readUIntLE(at, size);
}

interface Message {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

/** Reads the messages in an object header, which can continue in other blocks. */
function readMessages(file: File, header: number): readonly Message[] {
  const { isNew, hasOrder, blocks } = readHeader(file, header);
  const found: Message[] = [];
  let left = MAX_BODIES;
  const prefix = isNew ? 4 + (hasOrder ? 2 : 0) : 8;
  for (let block = blocks.shift(); block; block = blocks.shift()) {
    for (let at = block.from; at + prefix <= block.to; ) {
      const head = take(file.bytes, at, prefix);
      const size = head.readUInt16LE(isNew ? 1 : 2);
      const flags = head.readUInt8(isNew ? 3 : 4);
      const type = isNew ? head.readUInt8(0) : head.readUInt16LE(0);
      const body = take(file.bytes, at + prefix, size);
      left -= size;
      if (found.push({ type, flags, body }) > MAX_MESSAGES || left < 0) throw new RangeError('too many messages');
      if (type === CONTINUATION) blocks.push(continuation(file, body, isNew));
      at += prefix + size;
    }
  }
  return found;
}

interface Block {
  readonly from: number;
  readonly to: number;
}

function readHeader({ bytes }: File, at: number): { isNew: boolean; hasOrder: boolean; blocks: Block[] } {
  const start = take(bytes, at, 16);
  if (start.toString('latin1', 0, 4) !== 'OHDR') {
    if (start.readUInt8(0) !== 1) throw new RangeError('no header');
    return { isNew: false, hasOrder: false, blocks: [{ from: at + 16, to: at + 16 + start.readUInt32LE(8) }] };
  }
  const flags = start.readUInt8(5);
  const times = flags & 32 ? 16 : 0;
  const phases = flags & 16 ? 4 : 0;
  const width = 1 << (flags & 3);
  const from = at + 6 + times + phases + width;
  const size = readNumber(take(bytes, from - width, width), 0, width);
  return { isNew: true, hasOrder: (flags & 4) !== 0, blocks: [{ from, to: from + size }] };
}

/** The block where a header continues. A new-style block starts with a signature and ends with a checksum. */
function continuation(file: File, body: Buffer, isNew: boolean): Block {
  const from = file.base + readNumber(body, 0, file.offsetSize);
  const to = from + readNumber(body, file.offsetSize, file.lengthSize);
  return isNew ? { from: from + 4, to: to - 4 } : { from, to };
}

const padded = (size: number) => (size + 7) & ~7;

/** Adds an attribute: name, datatype, dataspace, then the value, which is undefined if the datatype is shared. */
function readAttribute(file: File, body: Buffer, into: Map<string, string | undefined>): void {
  const version = body.readUInt8(0);
  const isShared = version > 1 && (body.readUInt8(1) & 1) !== 0;
  const sizes = [2, 4, 6].map((at) => body.readUInt16LE(at));
  const [nameSize = 0, typeSize = 0, spaceSize = 0] = version === 1 ? sizes.map(padded) : sizes;
  const name = version === 3 ? 9 : 8;
  const [type, space, value] = [name + nameSize, name + nameSize + typeSize, name + nameSize + typeSize + spaceSize];
  if (value > body.length) throw new RangeError('beyond the end');
  const key = body.toString('utf8', name, type).replace(/\0.*$/s, '');
  const rank = body.readUInt8(space + 1);
  const isOne = rank === 0 && (body.readUInt8(space) !== 2 || body.readUInt8(space + 3) === 0);
  into.set(key, isShared || !isOne ? undefined : readText(file, body.subarray(type, space), body.subarray(value)));
}

/** The value of an attribute, if it is a string: stored inline, or in a global heap if its length varies. */
function readText(file: File, type: Buffer, value: Buffer): string | undefined {
  const kind = type.readUInt8(0) & 15;
  if (kind === STRING) return value.toString('utf8', 0, type.readUInt32LE(4)).replace(/\0.*$/s, '');
  if (kind !== VARIABLE_LENGTH || (type.readUInt8(1) & 15) !== 1) return undefined;
  const [size, heap] = [value.readUInt32LE(0), file.base + readNumber(value, 4, file.offsetSize)];
  return readHeap(file, heap, value.readUInt32LE(4 + file.offsetSize), size);
}

/** Reads an object in a global heap, where objects follow one another, each with its index and size. */
function readHeap({ bytes, lengthSize }: File, heap: number, index: number, size: number): string {
  const start = take(bytes, heap, 8 + lengthSize);
  if (start.toString('latin1', 0, 4) !== 'GCOL') throw new RangeError('no heap');
  const end = heap + readNumber(start, 8, lengthSize);
  if (index === 0 || size > MAX_TEXT) throw new RangeError('no such object');
  for (let at = heap + 8 + lengthSize, left = MAX_MESSAGES; at < end && left > 0; left--) {
    const head = take(bytes, at, 8 + lengthSize);
    const stored = readNumber(head, 8, lengthSize);
    const from = at + 8 + lengthSize;
    if (head.readUInt16LE(0) === index) return take(bytes, from, Math.min(size, stored)).toString('utf8');
    at = from + Math.ceil(stored / 8) * 8;
  }
  throw new RangeError('no such object');
}
