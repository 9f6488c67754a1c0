// PyTorch's .pt2: a zip archive with a graph from torch.export, in JSON. Source: torch/_export/serde/schema.py.
import type { Bytes } from '../bytes.js';
import { damaged, type Facts, type Field } from '../facts.js';
import { guarded } from '../guard.js';
import { listOf, numberOf, parseJson, textOf, valueAt } from '../json.js';
import { wordFor } from '../types.js';
import { members, readMember } from '../zip.js';

const WHAT = 'exported program';
const MAX_GRAPH = 16 << 20;
/** The member with the graph: first as named since PyTorch 2.8, then as before. */
export const PROGRAM = /^([^/]+\/)?(models\/[^/]+\.json|serialized_exported_program\.json)$/;

/** NumPy's names of PyTorch's types, by their numbers in the schema. */
const TYPES: Readonly<Record<number, string>> = {
  1: 'uint8',
  2: 'int8',
  3: 'int16',
  4: 'int32',
  5: 'int64',
  6: 'float16',
  7: 'float32',
  8: 'float64',
  12: 'bool',
  13: 'bfloat16',
};

/** Reads a file from torch.export.save. */
export function readPt2(bytes: Bytes): Facts {
  const programs = members(bytes).filter(({ name }) => PROGRAM.test(name));
  const [program] = programs;
  if (!program) throw damaged(WHAT);
  const facts = { what: 'PyTorch program of torch.export', framework: 'pytorch', modelFormat: 'pt2' } as const;
  if (program.size > MAX_GRAPH) return facts;
  return guarded(WHAT, () => {
    const read = parseJson(readMember(bytes, program, MAX_GRAPH));
    const graph = valueAt(read, 'graph_module', 'graph');
    const specs = listOf(valueAt(read, 'graph_module', 'signature', 'input_specs'));
    const outputs = listOf(valueAt(read, 'graph_module', 'signature', 'output_specs'));
    if (!graph || !specs.length) throw damaged(WHAT);
    const version = textOf(valueAt(read, 'torch_version'))?.split('+')[0];
    return {
      ...facts,
      ...(version && { savedBy: `PyTorch ${version}` }),
      inputs: specs.flatMap((spec) => toField(graph, textOf(valueAt(spec, 'user_input', 'arg', 'as_tensor', 'name')))),
      outputs: outputs.flatMap((spec) =>
        toField(graph, textOf(valueAt(spec, 'user_output', 'arg', 'as_tensor', 'name'))),
      ),
      ...(programs.length > 1 && { obstacle: `It contains ${programs.length} programs: save only the one to serve.` }),
    };
  });
}

/** A tensor in the graph, by name; [] for an argument that is not a tensor. */
function toField(graph: unknown, name: string | undefined): readonly Field[] {
  if (!name) return [];
  const known = valueAt(graph, 'tensor_values', name);
  const type = TYPES[numberOf(valueAt(known, 'dtype')) ?? 0] ?? 'unknown';
  const shape = listOf(valueAt(known, 'sizes')).map((length) => numberOf(valueAt(length, 'as_int')) ?? -1);
  return [{ name, type: wordFor(type), shape }];
}
