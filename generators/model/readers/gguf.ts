// llama.cpp's GGUF: a header of keys and values, then the tensors. Source: github.com/ggml-org/ggml, docs/gguf.md.
import type { Bytes } from '../bytes.js';
import { damaged, type Facts } from '../facts.js';
import { guarded, readUint64, take } from '../guard.js';

const WHAT = 'GGUF file';
const MAGIC = 'GGUF';
const MAX_STEPS = 3_000_000;
const MAX_KEPT = 1 << 16;
const MAX_NESTED = 4;
const [STRING, ARRAY] = [8, 9];
/** Size of a value in bytes, by its type; 0 for types 8 and 9, whose length varies. */
const SIZES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

/** llama.cpp's names of quantization types, by `general.file_type`. */
const QUANTIZATIONS =
  'F32 F16 Q4_0 Q4_1 - - - Q8_0 Q5_0 Q5_1 Q2_K Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K IQ2_XXS IQ2_XS Q2_K_S IQ3_XS IQ3_XXS IQ1_S IQ4_NL IQ3_S IQ3_M IQ2_S IQ2_M IQ4_XS IQ1_M BF16 - - - TQ1_0 TQ2_0 MXFP4'.split(
    ' ',
  );

/** Reads the header of a GGUF model. */
export function readGguf(bytes: Bytes): Facts {
  return guarded(WHAT, () => {
    const start = take(bytes, 0, 24);
    if (start.toString('latin1', 0, 4) !== MAGIC) throw damaged(WHAT);
    const values = start.readUInt32LE(4) < 1000 ? readValues(bytes, readUint64(start, 16)) : new Map(); // or big-endian
    const fileType = values.get('general.file_type');
    const quantization = typeof fileType === 'number' ? QUANTIZATIONS[fileType] : undefined;
    const known = [values.get('general.name'), values.get('general.architecture'), quantization].filter(Boolean);
    return {
      what: `GGUF model${known.length ? ` (${known.join(', ')})` : ''}`,
      savedBy: 'llama.cpp',
      obstacle:
        'GGUF models run in llama.cpp, which is not supported. Use the safetensors model that it was converted from: pass ' +
        'its folder, or --framework=transformers --model-name=ORGANIZATION/NAME.',
    };
  });
}

interface Cursor {
  readonly bytes: Bytes;
  at: number;
  left: number;
}

/** Reads the values whose keys begin with `general.` and skips all others. */
function readValues(bytes: Bytes, count: number): ReadonlyMap<string, unknown> {
  const cursor = { bytes, at: 24, left: MAX_STEPS };
  const values = new Map<string, unknown>();
  for (let number = 0; number < count; number++) {
    const key = readText(cursor) ?? '';
    const type = take(bytes, cursor.at, 4).readUInt32LE();
    cursor.at += 4;
    const value = readValue(cursor, type, 0);
    if (key.startsWith('general.')) values.set(key, value);
  }
  return values;
}

function readValue(cursor: Cursor, type: number, nested: number): unknown {
  if (type === STRING) return readText(cursor);
  if (type === ARRAY) return skipArray(cursor, nested);
  const value = readBytes(cursor, SIZES[type] ?? 0);
  return value.length === 4 ? value.readUInt32LE() : undefined;
}

function skipArray(cursor: Cursor, nested: number): undefined {
  const head = readBytes(cursor, 12);
  const [type, count] = [head.readUInt32LE(0), readUint64(head, 4)];
  const size = SIZES[type];
  if (size === undefined || nested > MAX_NESTED) throw new RangeError('no such type');
  if (size) cursor.at += size * count;
  else if (type === STRING) for (let item = 0; item < count; item++) skipText(cursor);
  else for (let item = 0; item < count; item++) readValue(cursor, type, nested + 1);
  if (cursor.at > cursor.bytes.size) throw new RangeError('beyond the end');
}

/** Reads a string; returns undefined if it is too long to keep. */
function readText(cursor: Cursor): string | undefined {
  const size = readUint64(readBytes(cursor, 8), 0);
  if (size <= MAX_KEPT) return readBytes(cursor, size).toString('utf8');
  cursor.at += size;
  return undefined;
}

function skipText(cursor: Cursor): void {
  const size = readUint64(readBytes(cursor, 8), 0);
  cursor.at += size;
}

function readBytes(cursor: Cursor, size: number): Buffer {
  if (--cursor.left < 0) throw new RangeError('too much');
  cursor.at += size;
  return take(cursor.bytes, cursor.at - size, size);
}
