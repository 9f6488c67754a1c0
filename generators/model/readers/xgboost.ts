// XGBoost: JSON and UBJSON, and the binary format of versions before 3.1. JSON and UBJSON have the same keys in
// alphabetical order, so everything needed is before or after the trees, however many there are.
import type { Bytes } from '../bytes.js';
import { damaged, type Facts, type Field, UnreadableError } from '../facts.js';
import { guarded, readUint64, take } from '../guard.js';
import { listOf, numberOf, objectOf, parseJson, textOf, valueAt } from '../json.js';
import { keyBytes, readUbjson } from '../ubjson.js';

const WHAT = 'XGBoost model';
const HEAD = 16 << 20;
const TAIL = 4 << 20;
const MAX_INPUTS = 1_000_000;

/** Finds the value of the first or last occurrence of a key in a part of a file. */
type Pick = (part: Buffer, key: string, last: boolean) => unknown;

/** Reads a model in JSON or UBJSON, which newer versions are guaranteed to read. */
export function readXgboost(bytes: Bytes): Facts {
  return guarded(WHAT, () => {
    const isJson = /^\s*\{\s*["}]/.test(bytes.read(0, 64).toString('latin1'));
    const pick = isJson ? pickJson : pickUbjson;
    const head = take(bytes, 0, Math.min(bytes.size, HEAD));
    const start = Math.max(0, bytes.size - TAIL);
    const tail = take(bytes, start, bytes.size - start);
    if (!head.includes('"learner"') && !head.includes(keyBytes('learner'))) throw noModel();
    const version = listOf(pick(tail, 'version', true));
    const parameters = objectOf(pick(tail, 'learner_model_param', true));
    const features = numberOf(parameters.num_feature);
    if (version.length !== 3 || features === undefined) throw damaged(WHAT);
    if (head.includes('learner_train_param')) throw noModel();
    const objective = textOf(valueAt(pick(tail, 'objective', true), 'name'));
    const what = `XGBoost model in ${isJson ? 'JSON' : 'UBJSON'}`;
    const form = { modelFormat: isJson ? 'json' : 'ubj', savedBy: `XGBoost ${version.join('.')}` };
    const classes = classesOf(pick(head, 'attributes', false));
    const columns = columnsOf(head, pick);
    return {
      what: objective ? `${what} (${objective})` : what,
      framework: 'xgboost',
      ...form,
      inputs: columns ?? [{ name: 'inputs', type: 'float', shape: [-1, features] }],
      ...(columns && { byName: true }),
      ...(columns?.some(({ type }) => type === 'any') && { warnings: [WITHOUT_CATEGORIES] }),
      outputs: outputsOf(objective ?? '', parameters),
      ...(classes && { classes }),
    };
  });
}

const WITHOUT_CATEGORIES =
  'It has categorical columns, but not their categories: run tools/describe_model.py in the training environment.';

const noModel = () =>
  new UnreadableError(
    'not an XGBoost model',
    "save the model itself, not its dump or configuration: booster.save_model('model.json')",
  );

/** Reads the value after a quoted key. Quotes inside strings are escaped, so the key cannot match within one. */
const pickJson: Pick = (part, key, last) => {
  const quoted = `"${key}"`;
  const found = last ? part.lastIndexOf(quoted) : part.indexOf(quoted);
  if (found < 0) return undefined;
  const rest = part.subarray(found + quoted.length);
  const colon = rest.indexOf(':');
  return colon < 0 ? undefined : parseJson(firstValue(rest.subarray(colon + 1)));
};

const [QUOTE, BACKSLASH] = [...Buffer.from('"\\')];
const [OPEN, CLOSE] = [new Set(Buffer.from('[{')), new Set(Buffer.from(']}'))];

/** The bytes of the first list or object, up to its closing bracket. */
function firstValue(part: Buffer): Buffer {
  let [depth, inString] = [0, false];
  for (let at = 0; at < part.length; at++) {
    const byte = part[at] as number;
    if (inString && byte === BACKSLASH) at++;
    else if (byte === QUOTE) inString = !inString;
    else if (!inString && OPEN.has(byte)) depth++;
    else if (!inString && CLOSE.has(byte) && --depth <= 0) return part.subarray(0, at + 1);
  }
  throw new RangeError('not closed');
}

const pickUbjson: Pick = (part, key, last) => {
  const written = keyBytes(key);
  const found = last ? part.lastIndexOf(written) : part.indexOf(written);
  return found < 0 ? undefined : readUbjson(part, found + written.length);
};

/** XGBoost's feature types; all others are numbers. */
const TYPES: Readonly<Record<string, string>> = { c: 'categorical', int: 'long', i: 'boolean' };

function columnsOf(head: Buffer, pick: Pick): Field[] | undefined {
  const [names, types] = ['feature_names', 'feature_types'].map((key) => listOf(pick(head, key, false)));
  const categories = firstCategories(pick(head.subarray(Math.max(0, head.indexOf('gradient_booster'))), 'cats', false));
  if (!names?.length || names.length > MAX_INPUTS) return undefined;
  return names.map((name, at) => {
    const [first, type] = [categories[at], TYPES[String(types?.[at])] ?? 'double'];
    const field = { name: String(name), type, shape: [-1] };
    if (type !== 'categorical') return field;
    if (!isLabel(first)) return { ...field, type: 'any' }; // its categories are not in the file
    return { ...field, type: typeof first === 'string' ? 'string' : 'double', example: first };
  });
}

/** The columns in the first part of a model in UBJSON, as found in pickles; undefined if it does not contain them. */
export function columnsIn(head: Buffer): Field[] | undefined {
  try {
    return columnsOf(head, pickUbjson);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The first category of each column, stored since XGBoost 3.1: numbers, or strings as bytes with offsets. */
function firstCategories(cats: unknown): readonly unknown[] {
  return listOf(valueAt(cats, 'enc')).map((each) => {
    const [values, offsets] = [listOf(valueAt(each, 'values')), listOf(valueAt(each, 'offsets'))];
    return offsets.length ? Buffer.from(values.slice(0, Number(offsets[1])).map(Number)).toString('utf8') : values[0];
  });
}

/** The labels that XGBClassifier stored with the model up to version 1.7. */
function classesOf(attributes: unknown): Facts['classes'] {
  const kept = textOf(valueAt(attributes, 'scikit_learn'));
  const classes = kept && valueAt(parseJson(Buffer.from(kept)), 'classes_');
  return Array.isArray(classes) && classes.every(isLabel) ? classes : undefined;
}
const isLabel = (value: unknown): value is string | number | boolean =>
  ['string', 'number', 'boolean'].includes(typeof value);

function outputsOf(objective: string, parameters: Readonly<Record<string, unknown>>): readonly Field[] {
  const classes = objective === 'multi:softmax' ? 1 : (numberOf(parameters.num_class) ?? 0);
  const columns = Math.max(classes, numberOf(parameters.num_target) ?? 1);
  const shape = columns > 1 ? [-1, columns] : [-1];
  return [{ name: 'predictions', type: 'float', shape }];
}

const PARAMETERS = 136;
const MAX_NAME = 64;

/**
 * Reads the binary format: the names of the objective and booster and, since XGBoost 1.0, the version. Undefined for
 * other files, recognized by these fields because the format usually has no magic number.
 */
function binaryOf(bytes: Bytes): { objective: string; version: string; features: number } | undefined {
  const mark = bytes.read(0, 4).toString('latin1');
  const from = mark === 'binf' ? 4 : 0;
  const start = Buffer.from(bytes.read(from, PARAMETERS + 16 + 2 * MAX_NAME));
  const names: string[] = [];
  for (let at = PARAMETERS; names.length < 2 && at + 8 <= start.length; ) {
    const size = readUint64(start, at);
    if (size > MAX_NAME) return undefined;
    names.push(start.toString('latin1', at + 8, at + 8 + size));
    at += 8 + size;
  }
  const [objective = '', booster = ''] = names;
  if (!/^[a-z]+:[a-z_]+$/.test(objective) || !/^(gbtree|gblinear|dart)$/.test(booster)) return undefined;
  const [major, minor] = [start.readUInt32LE(20), start.readUInt32LE(24)];
  return { objective, version: major > 0 && major < 10 ? ` ${major}.${minor}` : '', features: start.readUInt32LE(4) };
}

/** Whether a file is a model in XGBoost's binary format. */
export const isXgboostBinary = (bytes: Bytes): boolean =>
  bytes.read(0, 4).toString('latin1') === 'bs64' || guarded(WHAT, () => binaryOf(bytes)) !== undefined;

/** Reads a model in the binary format, with instructions for saving it in another. */
export function readXgboostBinary(bytes: Bytes): Facts {
  const found = guarded(WHAT, () => binaryOf(bytes));
  if (!found && bytes.read(0, 4).toString('latin1') !== 'bs64') throw damaged(WHAT);
  return {
    what: `XGBoost model in the old binary format${found ? ` (${found.objective})` : ''}`,
    framework: 'xgboost',
    ...(found?.version && { savedBy: `XGBoost${found.version}` }),
    ...(found && { inputs: [{ name: 'inputs', type: 'float', shape: [-1, found.features] }] }),
    obstacle:
      'XGBoost 3.1 and newer do not read this format. Load it with the version that saved it, and save it as JSON: ' +
      "booster = xgboost.Booster(model_file=path); booster.save_model('model.json').",
  };
}
