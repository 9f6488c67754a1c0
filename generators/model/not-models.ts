// What people hand over that is no model, and what to do then.
import type { Bytes } from './bytes.js';

interface NotAModel {
  readonly what: string;
  readonly hint: string;
  readonly is: (start: Buffer, bytes: Bytes) => boolean;
}

const begins = (text: string | RegExp) => (start: Buffer) =>
  typeof text === 'string' ? start.toString('latin1').startsWith(text) : text.test(start.toString('latin1'));

export const notModels: readonly NotAModel[] = [
  {
    what: 'a Git LFS pointer, not the file itself',
    hint: 'fetch the file: git lfs pull',
    is: begins('version https://git-lfs'),
  },
  {
    what: 'a web page, not a model: the download went wrong',
    hint: 'download it again, and log in where that is needed',
    is: begins(/^\s*(<!doctype html|<html|<\?xml)/i),
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
