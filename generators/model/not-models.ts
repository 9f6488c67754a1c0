// What people hand over that is no model, and what to do then.
import type { Bytes } from './bytes.js';

interface NotAModel {
  readonly what: string;
  readonly hint: string;
  readonly is: (start: Buffer, bytes: Bytes) => boolean;
}

const begins = (text: string | RegExp) => (start: Buffer) =>
  typeof text === 'string' ? start.toString('latin1').startsWith(text) : text.test(start.toString('latin1'));

/** A version, and a description that begins with an input; an ONNX file has a name in its place. */
const isCoreMl = (start: Buffer) =>
  start[0] === 0x08 && start[2] === 0x12 && start[start.findIndex((byte, at) => at > 2 && byte < 0x80) + 1] === 0x0a;

export const notModels: readonly NotAModel[] = [
  {
    what: 'a Git LFS pointer, not the file itself',
    hint: 'fetch the file: git lfs pull',
    is: begins('version https://git-lfs'),
  },
  {
    what: 'a web page, not a model: the download went wrong',
    hint: 'download it again, and log in where that is needed',
    is: begins(/^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!doctype html|<html|<Error>)/is),
  },
  {
    what: 'a PMML file, which no framework here reads',
    hint: 'give the model that it was exported from',
    is: begins(/^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<PMML/s),
  },
  {
    what: 'an OpenVINO model, which no framework here reads',
    hint: 'give the model that it was converted from, such as an ONNX file',
    is: begins(/^\s*(<\?xml[^>]*>\s*)?<net name/),
  },
  {
    what: 'a Core ML model, which runs on macOS only',
    hint: 'give the model that it was converted from, or export that to ONNX',
    is: isCoreMl,
  },
  {
    what: 'a TensorFlow Lite model, which no framework here reads',
    hint: 'give the SavedModel or the Keras file that it was converted from',
    is: (start) => start.toString('latin1', 4, 8) === 'TFL3',
  },
  {
    what: 'a notebook',
    hint: 'run it, and give the file that it saves; its code goes in as a .py file: jupyter nbconvert --to script, then --code=FILE.py',
    is: (start, bytes) => /^\s*\{/.test(start.toString('latin1')) && bytes.read(0, 1 << 16).includes('"cells"'),
  },
  {
    what: 'Python code, not a model',
    hint: 'give the file of the model as --model, and this as --code',
    is: begins(/^\s*(#!.*python|import \w|from [\w.]+ import |def \w|class \w|""")/),
  },
  {
    what: 'a NumPy array, not a model',
    hint: 'give the file of the model',
    is: begins('\x93NUMPY'),
  },
  {
    what: 'a Parquet table, not a model',
    hint: 'give the file of the model',
    is: begins('PAR1'),
  },
];
