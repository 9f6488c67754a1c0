// safetensors: the size of a header, the header in JSON, then the tensors. Source: github.com/huggingface/safetensors.
import type { Bytes } from '../bytes.js';
import { damaged, type Facts } from '../facts.js';
import { guarded, readUint64, take } from '../guard.js';
import { listOf, objectOf, parseJson, textOf, valueAt } from '../json.js';

const WHAT = 'safetensors file';
const METADATA = '__metadata__';

/** Reads the header of a safetensors file. */
export function readSafetensors(bytes: Bytes): Facts {
  return guarded(WHAT, () => {
    const size = readUint64(take(bytes, 0, 8), 0);
    if (size + 8 > bytes.size) throw damaged(WHAT);
    const header = objectOf(parseJson(take(bytes, 8, size)));
    const tensors = Object.entries(header).filter(([name]) => name !== METADATA);
    const isWhole = tensors.every(([, tensor]) => 8 + size + Number(valueAt(tensor, 'data_offsets', 1)) <= bytes.size);
    if (!isWhole) throw damaged(WHAT);
    const format = textOf(valueAt(header[METADATA], 'format'));
    const parameters = tensors.map(([, tensor]) => countOf(tensor)).reduce((sum, count) => sum + count, 0);
    if (!Number.isSafeInteger(parameters)) throw damaged(WHAT);
    return {
      what: `weights in safetensors (${tensors.length} tensors, ${parameters.toLocaleString('en')} parameters)`,
      ...(format && { savedBy: format === 'pt' ? 'PyTorch' : format }),
      obstacle:
        'It contains weights only. For a Hugging Face model, pass the folder with this file and config.json; for your own, ' +
        'generate a project with --framework=custom and write load() in code/model_handler.py.',
    };
  });
}

const countOf = (tensor: unknown): number =>
  listOf(valueAt(tensor, 'shape')).reduce((product: number, length) => product * Number(length), 1);
