// LightGBM's text format: a header with the sizes of the trees, the trees, and the training parameters.
import type { Bytes } from '../bytes.js';
import { damaged, type Facts, type Field } from '../facts.js';
import { guarded, take } from '../guard.js';
import { listOf, numberOf, parseJson } from '../json.js';

const WHAT = 'LightGBM model';
/** LightGBM versions by version of the format, if that is not LightGBM's own major version. */
const LIBRARIES: Readonly<Record<string, string>> = { 3: '2.3 to 3.3' };
const MAX_HEADER = 16 << 20;
const MAX_REST = 4 << 20;
const END = 'end of trees';
const BLANK = '\n\n';

/** Reads a model as text, which newer versions are guaranteed to read. */
export function readLightgbm(bytes: Bytes): Facts {
  return guarded(WHAT, () => {
    const { header, size } = readHeader(bytes);
    const version = /^v(\d+)/.exec(header.get('version') ?? '')?.[1];
    const names = header.get('feature_names')?.split(' ').filter(Boolean) ?? [];
    const kinds = header.get('feature_infos')?.split(' ') ?? [];
    const features = (numberOf(header.get('max_feature_idx')) ?? -2) + 1;
    if (!version || names.length !== features) throw damaged(WHAT);
    const rest = restOf(bytes);
    checkTrees(bytes, size, header.get('tree_sizes'), rest);
    const examples = examplesIn(rest);
    const inputs = inputsOf(names.map((name, at) => toField(name, kinds[at] ?? '', examples.get(at))));
    const [objective] = (header.get('objective') ?? '').split(' ');
    return {
      what: `LightGBM model as text${objective ? ` (${objective})` : ''}`,
      framework: 'lightgbm',
      modelFormat: 'txt',
      savedBy: `LightGBM ${LIBRARIES[version] ?? `${version}.x`}`,
      inputs,
      ...(inputs.every(({ shape }) => shape.length === 1) && { byName: true }),
      outputs: outputsOf(numberOf(header.get('num_class')) ?? 1),
    };
  });
}

/** Reads the `name=value` lines before the first empty line; `size` is the offset of the trees. */
function readHeader(bytes: Bytes): { header: ReadonlyMap<string, string>; size: number } {
  let text = Buffer.alloc(0);
  let size = -1;
  for (let step = 1 << 16; size < 0; step *= 4) {
    text = Buffer.from(bytes.read(0, step));
    size = text.indexOf(BLANK);
    if (size < 0 && (text.length < step || step >= MAX_HEADER)) throw damaged(WHAT);
  }
  const lines = text.toString('utf8', 0, size).split('\n');
  const entries = lines.filter((line) => line.includes('=')).map((line) => line.split(/=(.*)/s, 2));
  return { header: new Map(entries as [string, string][]), size: size + BLANK.length };
}

/** Checks that the trees are complete: the line after them must be where their sizes say. */
function checkTrees(bytes: Bytes, from: number, sizes: string | undefined, rest: string): void {
  const end = (sizes ?? '').split(' ').reduce((sum, size) => sum + Number(size), from);
  const isWhole = Number.isSafeInteger(end) && bytes.read(end, END.length).toString('latin1') === END;
  if (sizes === undefined ? !rest.includes(END) : !isWhole) throw damaged(WHAT);
  if (rest.includes('\nparameters:') && !rest.includes('\nend of parameters')) throw damaged(WHAT);
}

/** The first category of each column that was categorical in pandas, by the index of the column. */
function examplesIn(rest: string): ReadonlyMap<number, unknown> {
  const [, places] = /\n\[categorical_feature: ([\d,]+)\]/.exec(rest) ?? [];
  const [, categories] = /\npandas_categorical:(\[.*\])/.exec(rest) ?? [];
  if (!places || !categories) return new Map();
  const lists = listOf(parseJson(Buffer.from(categories)));
  return new Map(places.split(',').map((place, at) => [Number(place), listOf(lists[at])[0]]));
}

function restOf(bytes: Bytes): string {
  const start = Math.max(0, bytes.size - MAX_REST);
  return take(bytes, start, bytes.size - start).toString('utf8');
}

/** Unnamed features are called Column_0, Column_1 and so on. */
function inputsOf(fields: readonly Field[]): readonly Field[] {
  const isPlain = fields.every(({ name, type }, at) => name === `Column_${at}` && type === 'double');
  return isPlain ? [{ name: 'inputs', type: 'double', shape: [-1, fields.length] }] : fields;
}

/** `kind` lists the values of a feature: a range such as [0:1], or 1:2:3 for a categorical one. */
function toField(name: string, kind: string, example: unknown): Field {
  if (typeof example === 'string') return { name, type: 'string', shape: [-1], example };
  const type = /^-?\d+(:|$)/.test(kind) ? 'categorical' : 'double';
  return { name, type, shape: [-1], ...(typeof example === 'number' && { example }) };
}

const outputsOf = (classes: number): readonly Field[] => [
  { name: 'predictions', type: 'double', shape: classes > 1 ? [-1, classes] : [-1] },
];
