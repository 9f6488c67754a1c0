// MLflow folders: the native model of a flavor, and its requirements, Python version and signature.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { load } from 'js-yaml';
import { packageName } from '../../catalog/versions.js';
import { type Facts, type Field, UnreadableError } from '../facts.js';
import { listOf, objectOf, parseJson, valueAt } from '../json.js';

type Yaml = Record<string, unknown>;

/** For each flavor, the keys in MLmodel of the native model's path and of the library's version. */
const flavors: readonly [flavor: string, key: string, version: string][] = [
  ['sklearn', 'pickled_model', 'sklearn_version'],
  ['xgboost', 'data', 'xgb_version'],
  ['lightgbm', 'data', 'lgb_version'],
  ['catboost', 'data', 'catboost_version'],
  ['tensorflow', 'data', ''],
  ['keras', 'data', ''],
  ['onnx', 'data', ''],
  ['pytorch', 'model_data', 'pytorch_version'],
  ['transformers', 'model_binary', ''],
];

/** The contents of an MLflow folder. */
export interface MlflowFolder {
  /** The path of the native model; undefined if the folder needs mlflow.pyfunc. */
  readonly nativePath: string | undefined;
  readonly flavor: string;
  /** Facts from the folder rather than the native model. */
  readonly facts: Partial<Facts>;
  /** The versions in requirements.txt, by package. */
  readonly pins: ReadonlyMap<string, string>;
}

/** Reads MLmodel and requirements.txt. Throws an UnreadableError if no flavor can be served. */
export function readMlflow(folder: string): MlflowFolder {
  const mlmodel = parse(join(folder, 'MLmodel'));
  const known = (mlmodel.flavors ?? {}) as Record<string, Yaml>;
  const [flavor, key, versionKey] = flavors.find(([name, key]) => typeof known[name]?.[key] === 'string') ?? [
    'python_function',
    '',
    '',
  ];
  const own = known[flavor];
  if (!own)
    throw new UnreadableError(
      `an MLflow model that Python cannot load (flavors: ${Object.keys(known).join(', ') || 'none'})`,
      'save it with a Python flavor, such as sklearn or python_function',
    );
  const python = text(known.python_function?.python_version) ?? text(own.python_version);
  const version = text(own[versionKey]);
  const signature = signatureOf(mlmodel.signature, exampleIn(folder, mlmodel.saved_input_example_info));
  const nativePath = key && !needsMlflow(own, known.python_function) ? join(folder, String(own[key])) : undefined;
  return {
    nativePath,
    flavor,
    pins: pinsIn(join(folder, 'requirements.txt')),
    facts: {
      ...(python && { pythonVersion: python.split('.', 2).join('.') }),
      ...(nativePath && flavor === 'sklearn' && version && { frameworkVersion: version }),
      ...signature,
    },
  };
}

/**
 * Whether only MLflow gives the same predictions: a native booster returns probabilities instead of classes, the
 * handlers call only predict, and skops loads custom types only if they are listed.
 */
const needsMlflow = (own: Yaml, pyfunc: Yaml | undefined) =>
  /\.XGB\w*Classifier$/.test(text(own.model_class) ?? '') ||
  (text(pyfunc?.predict_fn) ?? 'predict') !== 'predict' ||
  listOf(own.skops_trusted_types).length > 0;

/** The facts of the native model, completed with those from the folder. */
export function complete(native: Facts, { flavor, facts, pins }: MlflowFolder): Facts {
  const { inputs = [] } = facts;
  const same = native.byName === true && sameNames(native.inputs ?? [], inputs);
  const numbers = same && !inputs.some(({ type }) => type === 'string' || type === 'datetime');
  const isSklearn = native.framework === 'sklearn';
  const hasNoColumns = !native.inputs?.some(({ shape }) => shape.length === 1); // columns and texts have one axis
  const signed = isSigned(inputs) && (isSklearn ? same || hasNoColumns : numbers);
  const pandas = signed && isSklearn && !numbers ? ['pandas'] : [];
  const packages = [...new Set([...(native.packages ?? []), ...pandas])].map((each) => {
    const pin = pins.get(packageName(each));
    return each.includes('==') || !pin ? each : `${each}==${pin}`;
  });
  return {
    ...native,
    ...facts,
    what: `MLflow model (${flavor}): ${native.what}`,
    byName: signed || same,
    signed,
    ...(packages.length && { packages }),
  };
}

/** Whether the inputs are columns that model/signature.json supports. */
const isSigned = (inputs: readonly Field[]) =>
  inputs.length > 0 && inputs.every(({ required }) => required !== undefined);

/** Whether the model's own column names are those in the signature. */
function sameNames(own: readonly Field[], inputs: readonly Field[]): boolean {
  const names = new Set(own.map(({ name }) => name));
  return names.size === inputs.length && inputs.every(({ name }) => names.has(name));
}

/** Facts of a folder that mlflow.pyfunc loads, with all packages in its requirements.txt. */
export function asPyfunc({ facts, pins }: MlflowFolder): Facts {
  const packages = [...pins].map(([name, version]) => `${name}==${version}`);
  if (!pins.has('mlflow')) packages.unshift('mlflow');
  const signed = isSigned(facts.inputs ?? []);
  return { ...facts, what: 'MLflow model (python_function)', framework: 'custom', packages, byName: signed, signed };
}

const text = (value: unknown) => (typeof value === 'string' && value ? value : undefined);

function parse(path: string): Yaml {
  const value: unknown = load(readFileSync(path, 'utf8').slice(0, 1 << 20));
  if (typeof value !== 'object' || value === null)
    throw new UnreadableError('an MLflow model whose MLmodel file is not valid YAML', 'copy it again');
  return value as Yaml;
}

function pinsIn(path: string): Map<string, string> {
  if (!existsSync(path)) return new Map();
  const lines = readFileSync(path, 'utf8').split(/\r?\n/);
  return new Map(
    lines.flatMap((line) => {
      const version = /^[\w.-]+(?:\[[\w,-]+\])?\s*==\s*([\w.!+-]+)/.exec(line)?.[1];
      return version ? [[packageName(line), version]] : [];
    }),
  );
}

/** Reads the columns and tensors of a signature, which MLmodel contains as JSON. */
function signatureOf(given: unknown, records: readonly unknown[]): { inputs?: Field[]; outputs?: Field[] } {
  const { inputs, outputs } = objectOf(given);
  const [inputFields, outputFields] = [fieldsIn(inputs, records), fieldsIn(outputs, [])];
  return { ...(inputFields && { inputs: inputFields }), ...(outputFields && { outputs: outputFields }) };
}

interface Column {
  name?: string;
  type: string;
  required?: boolean;
  /** Older MLflow versions have this instead of `required`. */
  optional?: boolean;
  'tensor-spec'?: { dtype: string; shape: number[] };
}

function fieldsIn(json: unknown, records: readonly unknown[]): Field[] | undefined {
  if (typeof json !== 'string') return undefined;
  return (JSON.parse(json) as Column[]).map(({ name, type, required, optional, 'tensor-spec': tensor }) => {
    if (tensor) return { name: name ?? 'inputs', type: tensor.dtype, shape: tensor.shape };
    const fits = types[type];
    if (name === undefined || !fits) return { name: name ?? 'inputs', type, shape: [-1] };
    const example = records.map((record) => valueAt(record, name)).find(fits);
    const column = { name, type, shape: [-1], required: required ?? !optional };
    return {
      ...column,
      ...(column.required && nullable.has(type) && { nullable: true }),
      ...(example !== undefined && { example: example as string }),
    };
  });
}

/** Types for which MLflow passes null on to the model: "required" refers to the column, not to its values. */
const nullable = new Set(['double', 'float', 'string', 'datetime']);
const isNumber = (value: unknown) => typeof value === 'number';
/** The column types that model/signature.json supports, each with a check for example values. */
const types: Readonly<Record<string, (value: unknown) => boolean>> = {
  long: Number.isSafeInteger,
  integer: Number.isSafeInteger,
  double: isNumber,
  float: isNumber,
  boolean: (value) => typeof value === 'boolean',
  string: (value) => typeof value === 'string',
  datetime: (value) => /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,9})?)?$/.test(String(value)),
};

const MAX_EXAMPLE = 1 << 20;

/** The records of the input example, if it is a DataFrame or objects and not too large; otherwise []. */
function exampleIn(folder: string, info: unknown): readonly unknown[] {
  const path = join(folder, basename(text(objectOf(info).artifact_path) ?? 'input_example.json'));
  if (!path.endsWith('.json') || !existsSync(path) || statSync(path).size > MAX_EXAMPLE) return [];
  const example = parseJson(readFileSync(path));
  const { columns, data } = objectOf(example);
  if (!Array.isArray(columns)) return Array.isArray(example) ? example : [example];
  return listOf(data).map((row) => Object.fromEntries(columns.map((name, at) => [name, listOf(row)[at]])));
}
