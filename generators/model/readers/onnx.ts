// ONNX: one protobuf message, with the weights inside it or in separate files. Source: onnx/onnx.proto3.
import type { Bytes } from '../bytes.js';
import { damaged, type Facts, type Field } from '../facts.js';
import { type Message, readMessage } from '../protobuf.js';
import { wordFor } from '../types.js';

const none = {};
const dimension = { value: [1, 'int'], name: [2, 'text'] } as const;
const tensor = { element: [1, 'int'], shape: [2, { dimensions: [1, dimension] }] } as const;
const type = {
  tensor: [1, tensor],
  sequence: [4, none],
  map: [5, none],
  sparse: [8, tensor],
  optional: [9, none],
} as const;
const value = { name: [1, 'text'], type: [2, type] } as const;
const entry = { key: [1, 'text'], value: [2, 'text'] } as const;
const weights = { name: [8, 'text'], external: [13, entry] } as const;
const node = { domain: [7, 'text'] } as const;
const graph = { nodes: [1, node], initializers: [5, weights], inputs: [11, value], outputs: [12, value] } as const;
const opset = { domain: [1, 'text'], version: [2, 'int'] } as const;
const model = {
  ir: [1, 'int'],
  producer: [2, 'text'],
  producerVersion: [3, 'text'],
  graph: [7, graph],
  opsets: [8, opset],
} as const;

/** NumPy's names of tensor types, by ONNX's numbers; ONNX's own names in lower case if NumPy has none. */
const TYPES =
  'undefined float32 uint8 int8 uint16 int16 int32 int64 str bool float16 float64 uint32 uint64 complex64 complex128 bfloat16 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz uint4 int4 float4e2m1'.split(
    ' ',
  );

/** Domains of operators that are built into ONNX Runtime. */
const KNOWN_DOMAINS = new Set(['', 'ai.onnx', 'ai.onnx.ml', 'ai.onnx.training', 'ai.onnx.preview.training']);
const isKnown = (domain: string) => KNOWN_DOMAINS.has(domain) || domain.startsWith('com.microsoft');

/** Reads an ONNX model. */
export function readOnnx(bytes: Bytes): Facts {
  const read = readMessage(bytes, model, 'ONNX model');
  const net = read.graph.at(-1);
  const ir = read.ir.at(-1);
  if (!net || !ir || !net.outputs.length) throw damaged('ONNX model');
  const initial = new Set(net.initializers.map(({ name }) => name.at(-1)));
  const external = [...new Set(net.initializers.flatMap(locationsOf))];
  const domains = net.nodes.map(({ domain }) => domain.at(-1) ?? '');
  const standard = read.opsets.find((each) => ['', 'ai.onnx'].includes(each.domain.at(-1) ?? ''))?.version.at(-1);
  const producer = [read.producer.at(-1), read.producerVersion.at(-1)].filter(Boolean).join(' ');
  const warnings = [...warnOf(external), ...warnOfDomains(domains.filter((domain) => !isKnown(domain)))];
  return {
    what: `ONNX model (IR ${ir}${standard ? `, opset ${standard}` : ''})`,
    framework: 'onnx',
    modelFormat: 'onnx',
    ...(producer && { savedBy: producer }),
    inputs: net.inputs.filter(({ name }) => !initial.has(name.at(-1))).map(toField),
    outputs: net.outputs.map(toField),
    ...(warnings.length && { warnings }),
    ...(external.length && { external }),
  };
}

const locationsOf = ({ external }: Message<typeof weights>): readonly string[] =>
  external.filter(({ key }) => key.at(-1) === 'location').map((each) => each.value.at(-1) ?? '');

function warnOf(external: readonly string[]): readonly string[] {
  if (!external.length) return [];
  const names = external.length > 5 ? [...external.slice(0, 5), `${external.length - 5} more`] : external;
  return [`Its weights are in separate files, which must be in the same folder: ${names.join(', ')}.`];
}

function warnOfDomains(domains: readonly string[]): readonly string[] {
  if (!domains.length) return [];
  const names = [...new Set(domains)].join(', ');
  return [
    `It uses operators that are not part of ONNX (${names}): register their library in load() in code/model_handler.py.`,
  ];
}

function toField({ name, type: types }: Message<typeof value>): Field {
  const { tensor: dense = [], sparse = [], ...others } = types.at(-1) ?? {};
  const found = dense.at(-1) ?? sparse.at(-1);
  const other = Object.entries(others).find(([, present]) => present.length)?.[0];
  const dimensions = found?.shape.at(-1)?.dimensions;
  return {
    name: name.at(-1) ?? '',
    type: found ? wordFor(TYPES[found.element.at(-1) ?? 0] ?? 'unknown') : (other ?? 'unknown'),
    shape: dimensions ? dimensions.map((each) => lengthOf(each.value.at(-1))) : [-1],
  };
}

const lengthOf = (length = -1) => (length > 0 ? length : -1);
