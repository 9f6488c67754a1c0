// Files that users mistake for a model, with a hint for each.
import type { Bytes } from './bytes.js';

interface NotAModel {
  readonly what: string;
  readonly hint: string;
  readonly is: (start: Buffer, bytes: Bytes) => boolean;
}

const begins = (text: string | RegExp) => (start: Buffer) =>
  typeof text === 'string' ? start.toString('latin1').startsWith(text) : text.test(start.toString('latin1'));

/**
 * Whether a protobuf has a version, then a message that starts with a message whose first field has this number. In a
 * Core ML model that is the name of an input (1), in a SavedModel the list of operators (2). ONNX has no message there.
 */
function isProtobuf(start: Buffer, field: number): boolean {
  const after = (at: number) => start.findIndex((byte, index) => index >= at && byte < 0x80) + 1; // skips a length
  const [inner, first] = [after(3), after(after(3) + 1)];
  return start[0] === 0x08 && start[2] === 0x12 && start[inner] === 0x0a && start[first] === field * 8 + 2;
}

export const notModels: readonly NotAModel[] = [
  {
    what: 'a Git LFS pointer, not the file itself',
    hint: 'download the file itself: git lfs pull',
    is: begins('version https://git-lfs'),
  },
  {
    what: 'a web page, not a model: the download failed',
    hint: 'download it again, and log in first if needed',
    is: begins(/^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!doctype html|<html|<Error>)/is),
  },
  {
    what: 'a PMML file, which is not supported',
    hint: 'pass the original model',
    is: begins(/^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<PMML/s),
  },
  {
    what: 'an OpenVINO model, which is not supported',
    hint: 'pass the original model, such as an ONNX file',
    is: begins(/^\s*(<\?xml[^>]*>\s*)?<net name/),
  },
  {
    what: 'a Core ML model, which runs on macOS only',
    hint: 'pass the original model, or export that to ONNX',
    is: (start) => isProtobuf(start, 1),
  },
  {
    what: 'one file of a TensorFlow SavedModel',
    hint: 'pass the folder that contains it',
    is: (start) => isProtobuf(start, 2),
  },
  {
    what: 'a TensorFlow Lite model, which is not supported',
    hint: 'pass the original SavedModel or Keras file',
    is: (start) => start.toString('latin1', 4, 8) === 'TFL3',
  },
  {
    what: 'a notebook',
    hint: 'run it, and pass the model file that it saves; to pass its code, run jupyter nbconvert --to script, then add --code=FILE.py',
    is: (start, bytes) => /^\s*\{/.test(start.toString('latin1')) && bytes.read(0, 1 << 16).includes('"cells"'),
  },
  {
    what: 'Python code, not a model',
    hint: 'pass the model file as --model, and this file as --code',
    is: begins(/^\s*(#!.*python|import \w|from [\w.]+ import |def \w|class \w|""")/),
  },
  {
    what: 'a NumPy array, not a model',
    hint: 'pass the model file',
    is: begins('\x93NUMPY'),
  },
  {
    what: 'a Parquet table, not a model',
    hint: 'pass the model file',
    is: begins('PAR1'),
  },
];
