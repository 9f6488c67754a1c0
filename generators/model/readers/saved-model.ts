// TensorFlow's SavedModel: a folder with a protobuf message and its variables. Source: tensorflow/core/protobuf.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Bytes, withFile } from '../bytes.js';
import { damaged, type Facts, type Field, UnreadableError } from '../facts.js';
import { frameworkVersionOf } from '../keras.js';
import { type Message, readMessage } from '../protobuf.js';
import { wordFor } from '../types.js';

const shape = { dimensions: [2, { size: [1, 'int'] }], unknownRank: [3, 'int'] } as const;
const tensor = { type: [2, 'int'], shape: [3, shape] } as const;
const named = { key: [1, 'text'], value: [2, tensor] } as const;
const signature = { inputs: [1, named], outputs: [2, named] } as const;
const info = { version: [5, 'text'] } as const;
const metaGraph = {
  info: [1, info],
  saver: [3, {}],
  signatures: [5, { key: [1, 'text'], value: [2, signature] }],
} as const;
const savedModel = { graphs: [2, metaGraph] } as const;

/** NumPy's names of TensorFlow's types, by their numbers; TensorFlow's own if NumPy has none. */
const TYPES =
  'invalid float32 float64 int32 uint8 int16 int8 str complex64 int64 bool qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 resource variant uint32 uint64'.split(
    ' ',
  );

const FILE = 'saved_model.pb';
const SERVED = 'serving_default';
const INTERNAL = '__saved_model_init_op';

/** Reads the SavedModel in a folder. */
export function readSavedModel(folder: string): Facts {
  const saved = withFile(join(folder, FILE), readSavedModelGraph);
  if (saved.hasVariables && !existsSync(join(folder, 'variables', 'variables.index')))
    throw new UnreadableError('a SavedModel without its variables', `copy the whole folder, including variables/`);
  const isKeras = existsSync(join(folder, 'keras_metadata.pb'));
  return { ...saved.facts, what: isKeras ? 'SavedModel of Keras 2' : saved.facts.what };
}

/** Reads saved_model.pb, and whether the model has variables. */
export function readSavedModelGraph(bytes: Bytes): { facts: Facts; hasVariables: boolean } {
  const graph = readMessage(bytes, savedModel, 'SavedModel').graphs[0];
  if (!graph) throw damaged('SavedModel');
  const version = /^\d+\.\d+(\.\d+)?/.exec(graph.info.at(-1)?.version.at(-1) ?? '')?.[0];
  const frameworkVersion = version && frameworkVersionOf(version);
  const signatures = new Map(
    graph.signatures.map(({ key, value }) => [key.at(-1) ?? '', value.at(-1)] as const).filter(isServable),
  );
  const chosen = signatures.get(SERVED) ?? (signatures.size === 1 ? [...signatures.values()][0] : undefined);
  const facts: Facts = {
    what: 'SavedModel',
    framework: 'tensorflow',
    modelFormat: 'SavedModel',
    ...(version && { savedBy: `TensorFlow ${version}` }),
    ...(frameworkVersion && { frameworkVersion }),
    ...(chosen
      ? { inputs: chosen.inputs.map(toField), outputs: chosen.outputs.map(toField) }
      : noSignature(signatures)),
  };
  return { facts, hasVariables: graph.saver.length > 0 };
}

const isServable = (
  each: readonly [string, Message<typeof signature> | undefined],
): each is readonly [string, Message<typeof signature>] => each[0] !== INTERNAL && each[1] !== undefined;

function noSignature(signatures: ReadonlyMap<string, unknown>): { obstacle: string } {
  const names = [...signatures.keys()].join(', ') || 'none';
  return {
    obstacle:
      `It has no signature ${SERVED} to run (it has ${names}). Save it with model.export(folder) or ` +
      'tf.saved_model.save(model, folder, signatures=...).',
  };
}

function toField({ key, value }: Message<typeof named>): Field {
  const found = value.at(-1);
  const known = found?.shape.at(-1);
  return {
    name: key.at(-1) ?? '',
    type: wordFor(TYPES[found?.type.at(-1) ?? 0] ?? 'unknown'),
    shape: known && !known.unknownRank.at(-1) ? known.dimensions.map(({ size }) => size.at(-1) ?? 0) : [-1],
  };
}
