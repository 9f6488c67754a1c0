// CatBoost's .cbm: a magic number, a size and a FlatBuffer. Source: catboost/libs/model/flatbuffers.
import { type Bytes, partOf } from '../bytes.js';
import { damaged, type Facts, type Field } from '../facts.js';
import { intIn, rootTable, type Table, tableOf, tablesOf, textIn } from '../flatbuffer.js';
import { guarded, take } from '../guard.js';
import { listOf, parseJson, textOf, valueAt } from '../json.js';

const WHAT = 'CatBoost model';
const MAGIC = 'CBM1';
const MAX_FEATURES = 50_000;
const MAX_INFO = 1000;
const CORE = { trees: 1, info: 2 };
const APPROX_DIMENSION = 0;

/** Field numbers: `list` in the trees' table; `column` and `name` in each feature of that list. */
const FEATURES = [
  { list: 5, type: 'double', column: 2, name: 4 },
  { list: 4, type: 'categorical', column: 1, name: 2 },
  { list: 12, type: 'string', column: 1, name: 2 },
  { list: 18, type: 'embedding', column: 1, name: 2 },
] as const;

/** Reads a model in CatBoost's own format, which newer versions are guaranteed to read. */
export function readCatboost(bytes: Bytes): Facts {
  return guarded(WHAT, () => {
    const start = take(bytes, 0, 8);
    const size = start.readUInt32LE(4);
    if (start.toString('latin1', 0, 4) !== MAGIC || 8 + size > bytes.size) throw damaged(WHAT);
    const core = rootTable(partOf(bytes, 8, size));
    const trees = tableOf(core, CORE.trees);
    if (!trees) throw damaged(WHAT);
    const info = new Map(tablesOf(core, CORE.info, MAX_INFO).map((each) => [textIn(each, 0), textIn(each, 1)]));
    const version = /(?:release |tags\/v)(\d+\.\d+(?:\.\d+)*)/.exec(info.get('catboost_version_info') ?? '')?.[1];
    const loss = textOf(valueAt(jsonOf(info.get('params')), 'loss_function', 'type'));
    const classes = listOf(valueAt(jsonOf(info.get('class_params')), 'class_names')).filter(isLabel);
    const features = FEATURES.flatMap((kind) => featuresOf(trees, kind)).toSorted((one, other) => one.at - other.at);
    return {
      what: `CatBoost model${loss ? ` (${loss})` : ''}`,
      framework: 'catboost',
      modelFormat: 'cbm',
      savedBy: `CatBoost${version ? ` ${version}` : ''}`,
      inputs: inputsOf(features),
      ...(features.some(({ at, field }) => field.name !== String(at)) && { byName: true }),
      outputs: outputsOf(trees, classes),
      ...(classes.length && { classes }),
      ...(features.some(({ field }) => field.type === 'embedding') && { warnings: [EMBEDDINGS] }),
    };
  });
}

const EMBEDDINGS = 'It has embedding features: change decode() in code/model_handler.py to read them.';

const jsonOf = (text: string | undefined): unknown => (text ? parseJson(Buffer.from(text)) : undefined);

const isLabel = (value: unknown): value is string | number | boolean =>
  ['string', 'number', 'boolean'].includes(typeof value);

/** Features without a name are named by their column number. */
function inputsOf(features: readonly { at: number; field: Field }[]): readonly Field[] {
  const isPlain = features.every(({ at, field }) => field.name === String(at) && field.type === 'double');
  if (isPlain) return [{ name: 'inputs', type: 'double', shape: [-1, features.length] }];
  return features.map(({ field }) => field);
}

/** The features of one kind, with their column numbers, which are unique across kinds. */
function featuresOf(trees: Table, kind: (typeof FEATURES)[number]): readonly { at: number; field: Field }[] {
  return tablesOf(trees, kind.list, MAX_FEATURES).map((feature) => {
    const at = intIn(feature, kind.column) ?? -1;
    return { at, field: { name: textIn(feature, kind.name) || String(at), type: kind.type, shape: [-1] } };
  });
}

/** The handler of a classifier returns labels. */
function outputsOf(trees: Table, classes: readonly unknown[]): readonly Field[] {
  const columns = intIn(trees, APPROX_DIMENSION) ?? 1;
  const labels = typeof classes[0] === 'string' ? 'string' : 'long';
  const isWide = !classes.length && columns > 1;
  return [{ name: 'predictions', type: classes.length ? labels : 'double', shape: isWide ? [-1, columns] : [-1] }];
}
