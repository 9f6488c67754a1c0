// TorchScript: a zip archive with code in a subset of Python, from which the arguments of forward() are read.
import type { Bytes } from '../bytes.js';
import { damaged, type Facts, type Field } from '../facts.js';
import { guarded, take } from '../guard.js';
import { listOf, numberOf, objectOf, parseJson, textOf, valueAt } from '../json.js';
import { wordFor } from '../types.js';
import { type Member, members, openMember, readMember } from '../zip.js';

const WHAT = 'TorchScript model';
const MAX_CODE = 4 << 20;
const MAX_NAME = 512;
/** Members that only TorchScript archives have, unlike PyTorch's other archives. */
export const CODE = /^[^/]+\/(code\/|constants\.pkl$)/;

/** MLflow's names for the types of non-tensor arguments. */
const TYPES: Readonly<Record<string, string>> = { int: 'long', float: 'double', bool: 'boolean', str: 'string' };

/** Reads a file from torch.jit.save. */
export function readTorchscript(bytes: Bytes): Facts {
  return guarded(WHAT, () => {
    const all = members(bytes);
    const root = all.find(({ name }) => CODE.test(name))?.name.split('/')[0];
    if (root === undefined) throw damaged(WHAT);
    const member = (path: string) => all.find(({ name }) => name === `${root}/${path}`);
    const read = (found: Member | undefined) =>
      found && found.size <= MAX_CODE ? readMember(bytes, found, MAX_CODE) : undefined;
    const top = topClass(bytes, member('data.pkl'));
    const code = top && read(member(`code/${top.module.replaceAll('.', '/')}.py`))?.toString('utf8');
    const extra = read(member('extra/inputs.json'));
    const inputs = extra ? declared(parseJson(extra)) : forwardOf(code ?? '', top?.name ?? '');
    const own = top && !top.name.startsWith('_') ? ` of ${top.name}` : '';
    return {
      what: `${WHAT}${own}`,
      framework: 'pytorch',
      modelFormat: 'torchscript',
      ...(inputs.length && { inputs }),
    };
  });
}

/** The class of the model: the first one named in its data. */
function topClass(bytes: Bytes, data: Member | undefined): { module: string; name: string } | undefined {
  if (!data) throw damaged(WHAT);
  const opened = openMember(bytes, data);
  const start = take(opened, 0, Math.min(MAX_NAME, opened.size)).toString('latin1');
  const [, module, name] = /^..c(__torch__[\w.]*)\n(\w+)\n/s.exec(start) ?? []; // the GLOBAL opcode of a pickle
  return module && name ? { module, name } : undefined;
}

/** The inputs in the extra file inputs.json, saved with the model: {"x": {"dtype": "float32", "shape": [null, 8]}}. */
function declared(inputs: unknown): readonly Field[] {
  return Object.entries(objectOf(inputs)).map(([name, input]) => ({
    name,
    type: wordFor(textOf(valueAt(input, 'dtype')) ?? 'Tensor'),
    shape: Array.isArray(valueAt(input, 'shape'))
      ? listOf(valueAt(input, 'shape')).map((length) => numberOf(length) ?? -1)
      : [-1],
  }));
}

/** The arguments of forward(), except self and those with a default. */
function forwardOf(code: string, name: string): readonly Field[] {
  const own = code.indexOf(`class ${name}(`);
  const start = code.indexOf('def forward(self', own);
  const end = code.indexOf(') ->', start);
  if (own < 0 || start < 0 || end < 0) return [];
  const [, ...parameters] = splitArguments(code.slice(start, end));
  return parameters.filter((each) => !each.includes('=')).map(toField);
}

/** Splits at commas outside of brackets. */
function splitArguments(text: string): readonly string[] {
  const parts = [''];
  let depth = 0;
  for (const letter of text) {
    if (letter === '[') depth++;
    if (letter === ']') depth--;
    if (letter === ',' && depth === 0) parts.push('');
    else parts.push(`${parts.pop()}${letter}`);
  }
  return parts;
}

function toField(argument: string): Field {
  const [name = '', type = ''] = argument.split(':').map((part) => part.trim());
  return { name, type: TYPES[type] ?? type, shape: type in TYPES ? [] : [-1] };
}
