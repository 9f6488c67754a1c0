// Interprets the opcodes of a pickle and builds inert values: it imports and calls nothing, and allocates no more than
// the file contains. Sources: Python's Lib/pickletools.py for the opcodes, joblib/numpy_pickle.py for raw arrays.
import type { Cursor } from './cursor.js';
import { damaged, UnreadableError } from './facts.js';
import { skipArray } from './numpy-array.js';

/** A class or function, by name. */
export interface Global {
  readonly is: 'global';
  readonly module: string;
  readonly name: string;
}
/** The result of calling `of` with `args`; `state` is passed to its __setstate__. */
export interface Instance {
  readonly is: 'instance';
  readonly of: Value;
  readonly args: Value;
  state?: Value;
  readonly items: Value[];
  readonly entries: [Value, Value][];
  /** For an array that joblib wrote as raw bytes: the bytes of a small one, or the value of one that holds objects. */
  raw?: Buffer | Value;
}
/** A bytes object: its length, first bytes and last bytes. */
export interface Blob {
  readonly is: 'bytes';
  readonly length: number;
  readonly start: Buffer;
  readonly end: Buffer;
}
export interface Sequence {
  readonly is: 'list' | 'tuple' | 'set';
  readonly items: Value[];
}
export interface Dict {
  readonly is: 'dict';
  readonly entries: [Value, Value][];
}
/** An object with a persistent id, such as a tensor's storage. */
export interface Persistent {
  readonly is: 'persistent';
  readonly id: Value;
}
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | undefined
  | Global
  | Instance
  | Blob
  | Sequence
  | Dict
  | Persistent;

/** The result of reading a pickle. */
export interface Pickle {
  readonly value: Value;
  readonly protocol: number;
  /** Every class and function that loading it looks up. */
  readonly globals: readonly Global[];
  /** Whether loading it calls the result of another call. No library's pickles do that. */
  readonly callsResults: boolean;
}

const MAX_OPERATIONS = 10_000_000;
const MAX_GLOBALS = 10_000;
const MAX_ITEMS = 100_000; // kept per container
const MAX_TEXT = 1 << 16; // bytes kept per string
const MAX_DEPTH = 10; // nesting of pickles in arrays of objects
const MAX_KEPT = 1 << 26; // approximate bytes of all kept values

const what = 'pickle';

/** Reads one pickle. Throws an UnreadableError. */
export function readPickle(cursor: Cursor): Pickle {
  const state: Reading = { operations: 0, kept: 0, globals: new Map(), callsResults: false };
  const { value, protocol } = run(cursor, state, 0);
  return { value, protocol, globals: [...state.globals.values()], callsResults: state.callsResults };
}

/** State shared by a pickle and the pickles nested in it. */
interface Reading {
  operations: number;
  kept: number;
  callsResults: boolean;
  readonly globals: Map<string, Global>;
}

interface Machine {
  readonly cursor: Cursor;
  readonly reading: Reading;
  readonly depth: number;
  readonly stack: Value[];
  /** The stack position of each mark. */
  readonly marks: number[];
  readonly memo: Value[];
  protocol: number;
}

function run(cursor: Cursor, reading: Reading, depth: number): { value: Value; protocol: number } {
  if (depth > MAX_DEPTH) throw damaged(what);
  const machine: Machine = { cursor, reading, depth, stack: [], marks: [], memo: [], protocol: 0 };
  for (;;) {
    const code = cursor.byte();
    if (code === STOP) return { value: pop(machine), protocol: machine.protocol };
    const operation = operations[code];
    if (!operation) throw new UnreadableError(`not a pickle: unknown opcode ${code}`, 'save the model again');
    if (++reading.operations > MAX_OPERATIONS) throw tooLarge();
    operation(machine);
  }
}

const tooLarge = () =>
  new UnreadableError(
    'the pickle contains more than ten million values',
    'generate the project without --model, then copy the file into model/',
  );

const STOP = '.'.charCodeAt(0);

function pop({ stack, marks }: Machine): Value {
  if (stack.length <= (marks.at(-1) ?? 0)) throw damaged(what);
  return stack.pop();
}

function top({ stack, marks }: Machine): Value {
  if (stack.length <= (marks.at(-1) ?? 0)) throw damaged(what);
  return stack.at(-1);
}

function popToMark({ stack, marks }: Machine): Value[] {
  const mark = marks.pop();
  if (mark === undefined) throw damaged(what);
  return stack.splice(mark);
}

/** Counts the bytes of a value. Returns false once the limit is reached and no more values are kept. */
function keeps({ reading }: Machine, bytes: number): boolean {
  if (reading.kept > MAX_KEPT) return false;
  reading.kept += bytes;
  return true;
}

const push = (machine: Machine, value: Value): void => {
  if (typeof value === 'object' && value !== null && !keeps(machine, 100)) machine.stack.push(undefined);
  else machine.stack.push(value);
};

function pushText(machine: Machine, length: number, encoding: 'utf8' | 'latin1'): void {
  const kept = Math.min(length, MAX_TEXT);
  const text = machine.cursor.take(kept).toString(encoding);
  machine.cursor.skip(length - kept);
  machine.stack.push(kept <= 256 || keeps(machine, kept) ? text : undefined);
}

function pushBytes(machine: Machine, length: number): void {
  const { cursor } = machine;
  const kept = Math.min(length, MAX_TEXT);
  const start = Buffer.from(cursor.take(kept));
  const tail = Math.min(length - kept, 256);
  cursor.skip(length - kept - tail);
  const end = tail ? Buffer.from(cursor.take(tail)) : start.subarray(-256);
  push(machine, keeps(machine, kept) ? { is: 'bytes', length, start, end } : undefined);
}

/** Reads an eight-byte length. An impossible one means a damaged file. */
function length8(cursor: Cursor): number {
  const length = cursor.take(8).readBigUInt64LE();
  if (length > 2n ** 48n) throw damaged(what);
  return Number(length);
}
const length4 = (cursor: Cursor) => cursor.take(4).readUInt32LE();

function pushInteger(machine: Machine, length: number): void {
  if (length > 1024) {
    machine.cursor.skip(length);
    push(machine, undefined);
    return;
  }
  const bytes = machine.cursor.take(length);
  let value = 0n;
  for (let at = length - 1; at >= 0; at--) value = (value << 8n) | BigInt(bytes[at] as number);
  if (length && (bytes[length - 1] as number) & 0x80) value -= 1n << BigInt(8 * length);
  push(machine, Number.isSafeInteger(Number(value)) ? Number(value) : value);
}

/** Pushes a number in the text form of protocol 0. */
function pushDecimal(machine: Machine): void {
  const text = machine.cursor.line().replace(/L$/, '');
  if (text === '00' || text === '01') push(machine, text === '01');
  else push(machine, Number(text));
}

/** Parses a string in the form of Python's repr(). */
function unquote(text: string): string {
  const inner = /^(['"])(.*)\1$/s.exec(text.trim())?.[2];
  if (inner === undefined) throw damaged(what);
  const named: Record<string, string> = { n: '\n', r: '\r', t: '\t' };
  return inner.replace(/\\(x[0-9a-f]{2}|.)/gs, (_, code: string) =>
    code.length === 3 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : (named[code] ?? code),
  );
}

/** Decodes Python's raw-unicode-escape. */
const unescapeUnicode = (text: string) =>
  text.replace(/\\(?:u([0-9a-f]{4})|U000([0-9a-f]{5}))/gi, (_, short: string, long: string) =>
    String.fromCodePoint(Number.parseInt(short ?? long, 16)),
  );

function pushGlobal(machine: Machine, module: Value, name: Value): void {
  if (typeof module !== 'string' || typeof name !== 'string') throw damaged(what);
  const { globals } = machine.reading;
  const key = `${module}\n${name}`;
  const known = globals.get(key);
  const value = known ?? ({ is: 'global', module, name } as const);
  if (!known && globals.size >= MAX_GLOBALS) throw tooLarge();
  if (!known) globals.set(key, value);
  machine.stack.push(value);
}

function remember(machine: Machine, at: number): void {
  if (at > machine.memo.length + 1_000_000 || at > MAX_OPERATIONS) throw damaged(what);
  machine.memo[at] = top(machine);
}

const recall = ({ stack, memo }: Machine, at: number) => void stack.push(memo[at]);

const instance = (of: Value, args: Value): Instance => ({ is: 'instance', of, args, items: [], entries: [] });
const sequence = (is: Sequence['is'], items: Value[]): Sequence => ({ is, items });

/** Adds items to a container, up to its limit. */
function extend<T>(into: T[], more: readonly T[]): void {
  for (const each of more) {
    if (into.length >= MAX_ITEMS) return;
    into.push(each);
  }
}

function append(machine: Machine, items: readonly Value[]): void {
  const list = top(machine);
  if (typeof list === 'object' && list && 'items' in list) extend(list.items, items);
}

function assign(machine: Machine, flat: readonly Value[]): void {
  const dict = top(machine);
  if (typeof dict !== 'object' || !dict || !('entries' in dict)) return;
  extend(dict.entries, pairsOf(flat));
}

const pairsOf = (flat: readonly Value[]): [Value, Value][] =>
  Array.from({ length: flat.length >> 1 }, (_, at) => [flat[2 * at], flat[2 * at + 1]]);

function build(machine: Machine): void {
  const state = pop(machine);
  const object = top(machine);
  if (typeof object !== 'object' || object?.is !== 'instance') return;
  object.state = state;
  const { cursor, reading, depth } = machine;
  const { of } = object;
  if (
    typeof of === 'object' &&
    of?.is === 'global' &&
    of.name === 'NumpyArrayWrapper' &&
    of.module.startsWith('joblib')
  )
    object.raw = skipArray(cursor, state, () => run(cursor, reading, depth + 1).value);
}

function pushTuple(machine: Machine, count: number): void {
  const items = Array.from({ length: count }, () => pop(machine)).reverse();
  push(machine, sequence('tuple', items));
}

function call(machine: Machine): void {
  const args = pop(machine);
  const of = pop(machine);
  machine.reading.callsResults ||= typeof of === 'object' && of?.is === 'instance';
  push(machine, instance(of, args));
}

/** The operation of each opcode, by its character. */
const opcodes: Readonly<Record<string, (machine: Machine) => void>> = {
  // Values
  N: (m) => push(m, null),
  '\x88': (m) => push(m, true),
  '\x89': (m) => push(m, false),
  I: pushDecimal,
  L: pushDecimal,
  F: pushDecimal,
  J: (m) => push(m, m.cursor.take(4).readInt32LE()),
  K: (m) => push(m, m.cursor.byte()),
  M: (m) => push(m, m.cursor.take(2).readUInt16LE()),
  '\x8a': (m) => pushInteger(m, m.cursor.byte()),
  '\x8b': (m) => pushInteger(m, length4(m.cursor)),
  G: (m) => push(m, m.cursor.take(8).readDoubleBE()),
  S: (m) => push(m, unquote(m.cursor.line())),
  T: (m) => pushText(m, length4(m.cursor), 'latin1'),
  U: (m) => pushText(m, m.cursor.byte(), 'latin1'),
  V: (m) => push(m, unescapeUnicode(m.cursor.line())),
  X: (m) => pushText(m, length4(m.cursor), 'utf8'),
  '\x8c': (m) => pushText(m, m.cursor.byte(), 'utf8'),
  '\x8d': (m) => pushText(m, length8(m.cursor), 'utf8'),
  B: (m) => pushBytes(m, length4(m.cursor)),
  C: (m) => pushBytes(m, m.cursor.byte()),
  '\x8e': (m) => pushBytes(m, length8(m.cursor)),
  '\x96': (m) => pushBytes(m, length8(m.cursor)),
  '\x97': (m) => push(m, undefined), // NEXT_BUFFER: the buffer is outside the file
  '\x98': () => {}, // READONLY_BUFFER

  // Containers
  ']': (m) => push(m, sequence('list', [])),
  l: (m) => push(m, sequence('list', popToMark(m))),
  ')': (m) => push(m, sequence('tuple', [])),
  t: (m) => push(m, sequence('tuple', popToMark(m))),
  '\x85': (m) => pushTuple(m, 1),
  '\x86': (m) => pushTuple(m, 2),
  '\x87': (m) => pushTuple(m, 3),
  '\x8f': (m) => push(m, sequence('set', [])),
  '\x91': (m) => push(m, sequence('set', popToMark(m))),
  '}': (m) => push(m, { is: 'dict', entries: [] }),
  d: (m) => push(m, { is: 'dict', entries: pairsOf(popToMark(m)) }),
  a: (m) => append(m, [pop(m)]),
  e: (m) => append(m, popToMark(m)),
  '\x90': (m) => append(m, popToMark(m)),
  s: (m) => assign(m, [pop(m), pop(m)].reverse()),
  u: (m) => assign(m, popToMark(m)),

  // Stack and memo
  '(': (m) => void m.marks.push(m.stack.length),
  '0': (m) => void (m.stack.length > (m.marks.at(-1) ?? 0) ? m.stack.pop() : popToMark(m)),
  '1': (m) => void popToMark(m),
  '2': (m) => void m.stack.push(top(m)),
  p: (m) => remember(m, Number(m.cursor.line())),
  q: (m) => remember(m, m.cursor.byte()),
  r: (m) => remember(m, length4(m.cursor)),
  '\x94': (m) => remember(m, m.memo.length),
  g: (m) => recall(m, Number(m.cursor.line())),
  h: (m) => recall(m, m.cursor.byte()),
  j: (m) => recall(m, length4(m.cursor)),

  // Classes, functions and calls
  c: (m) => pushGlobal(m, m.cursor.line(), m.cursor.line()),
  '\x93': (m) => {
    const name = pop(m);
    pushGlobal(m, pop(m), name);
  },
  R: call,
  '\x81': call,
  '\x92': (m) => {
    pop(m); // keyword arguments
    call(m);
  },
  i: (m) => {
    const args = sequence('tuple', popToMark(m));
    pushGlobal(m, m.cursor.line(), m.cursor.line());
    push(m, instance(pop(m), args));
  },
  o: (m) => {
    const [of, ...args] = popToMark(m);
    push(m, instance(of, sequence('tuple', args)));
  },
  b: build,
  P: (m) => push(m, { is: 'persistent', id: m.cursor.line() }),
  Q: (m) => push(m, { is: 'persistent', id: pop(m) }),
  '\x82': (m) => extension(m, 1),
  '\x83': (m) => extension(m, 2),
  '\x84': (m) => extension(m, 4),

  // Protocol and framing
  '\x80': (m) => {
    m.protocol = m.cursor.byte();
  },
  '\x95': (m) => void length8(m.cursor), // FRAME
};
const operations = Array.from({ length: 256 }, (_, code) => opcodes[String.fromCharCode(code)]);

/** Handles a class given by its code in copyreg's registry, which only the program that saved it has. */
function extension(machine: Machine, size: number): void {
  machine.cursor.skip(size);
  push(machine, undefined);
}
