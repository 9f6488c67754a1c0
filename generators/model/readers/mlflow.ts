// MLflow folders: the flavour's native model, and the requirements, Python version and signature in the files next to it.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { packageName } from '../../catalog/versions.js';
import { type Facts, type Field, UnreadableError } from '../facts.js';

type Yaml = Record<string, unknown>;

/** Where the flavours keep their native model. */
const flavours: readonly [flavour: string, key: string, version: string][] = [
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

/** What MLmodel says of the native model. */
export interface Packed {
  /** Its path; undefined where only mlflow.pyfunc loads the folder. */
  readonly place: string | undefined;
  readonly flavour: string;
  /** What the folder tells beyond the native model. */
  readonly facts: Partial<Facts>;
  /** The versions in requirements.txt, by package. */
  readonly pins: ReadonlyMap<string, string>;
}

/** Reads MLmodel and requirements.txt. Throws an UnreadableError if no flavour can be served. */
export function readMlflow(folder: string): Packed {
  const mlmodel = parse(join(folder, 'MLmodel'));
  const known = (mlmodel.flavors ?? {}) as Record<string, Yaml>;
  const [flavour, key, versionKey] = flavours.find(([name, key]) => typeof known[name]?.[key] === 'string') ?? [
    'python_function',
    '',
    '',
  ];
  const own = known[flavour];
  if (!own)
    throw new UnreadableError(
      `an MLflow model of ${Object.keys(known).join(', ') || 'no flavour'}, which Python cannot load`,
      'save it with a flavour of Python',
    );
  const python = text(known.python_function?.python_version) ?? text(own.python_version);
  const version = text(own[versionKey]);
  const told = signature(mlmodel.signature);
  // Only MLflow answers as it does there: a booster gives probabilities, and columns of texts make a DataFrame.
  const needsMlflow =
    /\.XGB\w*Classifier$/.test(text(own.model_class) ?? '') ||
    (flavour === 'sklearn' && (told.inputs ?? []).some(({ type }, _, all) => type === 'string' && all.length > 1));
  return {
    place: key && !needsMlflow ? join(folder, String(own[key])) : undefined,
    flavour,
    pins: pinsIn(join(folder, 'requirements.txt')),
    facts: {
      ...(python && { pythonVersion: python.split('.', 2).join('.') }),
      ...(flavour === 'sklearn' && version && { frameworkVersion: version }),
      ...told,
    },
  };
}

/** The native model's facts with what the folder adds to them. */
export function complete(native: Facts, { flavour, facts, pins }: Packed): Facts {
  const packages = native.packages?.map((each) => {
    const pin = pins.get(packageName(each));
    return each.includes('==') || !pin ? each : `${each}==${pin}`;
  });
  return { ...native, ...facts, what: `MLflow model (${flavour}): ${native.what}`, ...(packages && { packages }) };
}

/** A folder that mlflow.pyfunc loads, with every package of its requirements.txt. */
export function asPyfunc({ facts, pins }: Packed): Facts {
  const packages = [...pins].map(([name, version]) => `${name}==${version}`);
  if (!pins.has('mlflow')) packages.unshift('mlflow');
  return { ...facts, what: 'MLflow model (python_function)', framework: 'custom', packages };
}

const text = (value: unknown) => (typeof value === 'string' && value ? value : undefined);

function parse(path: string): Yaml {
  const value: unknown = load(readFileSync(path, 'utf8').slice(0, 1 << 20));
  if (typeof value !== 'object' || value === null)
    throw new UnreadableError('an MLmodel that is no YAML', 'copy it again');
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

/** The signature's columns and tensors, which MLmodel has as JSON. */
function signature(given: unknown): { inputs?: Field[]; outputs?: Field[] } {
  const { inputs, outputs } = (typeof given === 'object' && given ? given : {}) as Yaml;
  const [takes, gives] = [fieldsIn(inputs), fieldsIn(outputs)];
  return { ...(takes && { inputs: takes }), ...(gives && { outputs: gives }) };
}

function fieldsIn(json: unknown): Field[] | undefined {
  if (typeof json !== 'string') return undefined;
  const columns = JSON.parse(json) as {
    name?: string;
    type: string;
    'tensor-spec'?: { dtype: string; shape: number[] };
  }[];
  return columns.map(({ name = 'inputs', type, 'tensor-spec': tensor }) =>
    tensor ? { name, type: tensor.dtype, shape: tensor.shape } : { name, type, shape: [-1] },
  );
}
