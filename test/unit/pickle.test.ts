// Reading pickles and joblib files by their opcodes. The fixtures are real files, written by the libraries in `by`.
import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { memoryBytes } from '../../generators/model/bytes.js';
import { UnreadableError } from '../../generators/model/facts.js';
import { dangersIn, ownModules } from '../../generators/model/judge.js';
import { readBytes, readModel } from '../../generators/model/read.js';

const fixtures: Record<string, { by: string; data: string }> = JSON.parse(
  readFileSync(new URL('./fixtures/pickles.json', import.meta.url), 'utf8'),
);
const fileOf = (name: string) => gunzipSync(Buffer.from(fixtures[name]?.data ?? assert.fail(name), 'base64'));
const read = (data: Buffer) => readBytes(memoryBytes(data), 'model.pkl').facts;
const factsOf = (name: string) => read(fileOf(name));

/** The error message and hint for bytes that are refused. */
function refusal(data: Buffer): string {
  try {
    read(data);
  } catch (error) {
    assert.ok(error instanceof UnreadableError, String(error));
    return `${error.message}: ${error.hint}`;
  }
  return assert.fail('no error was thrown');
}

describe('a pickle', () => {
  const everyEncoding = Object.keys(fixtures).filter((name) => name.startsWith('logistic-'));
  for (const name of everyEncoding)
    it(`gives the version, inputs and classes of ${name}`, () => {
      const { framework, frameworkVersion, inputs, classes, what } = factsOf(name);
      assert.equal(framework, 'sklearn');
      assert.ok(frameworkVersion?.startsWith(name.split('-')[1]?.slice(0, 3) ?? '?'), frameworkVersion);
      assert.deepEqual(inputs, [{ name: 'inputs', type: 'double', shape: [-1, 4] }]);
      assert.deepEqual(classes, [0, 1]);
      assert.match(what, /LogisticRegression/);
    });

  it('counts as a joblib file if it contains raw arrays or is compressed', () => {
    assert.equal(factsOf('logistic-1.3.joblib').modelFormat, 'joblib');
    assert.equal(factsOf('logistic-1.3.joblib.gz').modelFormat, 'joblib');
    assert.equal(factsOf('logistic-1.3.protocol-4.pkl').modelFormat, 'pkl');
  });

  it('gives string labels, and columns by name', () => {
    assert.deepEqual(factsOf('tree-strings-1.3.joblib').classes, ['no', 'yes']);
    for (const name of ['columns-1.9.joblib', 'columns-1.9.pkl'])
      assert.deepEqual(
        factsOf(name).inputs?.map((input) => input.name),
        ['age', 'income', 'calls', 'days'],
      );
  });

  const columnsOf = (name: string) =>
    Object.fromEntries(
      (factsOf(name).inputs ?? []).map(({ name, type, example }) => [
        name,
        example === undefined ? type : [type, example],
      ]),
    );

  it('gives the column types that follow from its steps, and the need for pandas', () => {
    const frame = { age: 'double', plan: ['string', 'a'], note: ['string', 'y'], since: 'any', new: 'double' };
    assert.deepEqual(columnsOf('frame-1.9.joblib'), frame);
    assert.deepEqual(columnsOf('categories-1.9.pkl'), { age: 'double', plan: ['string', 'a'], new: 'double' });
    for (const name of ['frame-1.9.joblib', 'categories-1.9.pkl']) assert.deepEqual(factsOf(name).packages, ['pandas']);
    assert.deepEqual(factsOf('frame-1.9.joblib').warnings, [
      'The type of column since is unknown: run tools/describe_model.py in the project.',
    ]);
  });

  it('gives the columns and categories of a booster inside it', () => {
    assert.deepEqual(columnsOf('lightgbm-4.7.pkl'), { age: 'double', plan: ['string', 'a'], new: 'double' });
    assert.deepEqual(columnsOf('xgboost-3.4.pkl'), { age: 'long', plan: ['string', 'a'], new: 'boolean' });
    assert.deepEqual(factsOf('lightgbm-4.7.pkl').packages, ['lightgbm', 'pandas']);
    assert.deepEqual(factsOf('xgboost-3.4.pkl').packages, ['xgboost==3.4.1', 'pandas']);
  });

  it('gives the inputs of a pipeline: texts or those of its first step, also inside a search', () => {
    assert.deepEqual(factsOf('texts-1.9.pkl').inputs, [{ name: 'texts', type: 'string', shape: [-1] }]);
    assert.deepEqual(factsOf('search-1.9.pkl').inputs?.[0]?.shape, [-1, 4]);
  });

  it('lists modules that are in neither the standard library nor a package', () => {
    const facts = factsOf('pipeline-main-1.9.joblib');
    assert.deepEqual(ownModules(facts), ['__main__']);
    assert.deepEqual([...(facts.modules?.get('__main__') ?? [])], ['Clip']);
    assert.equal(facts.inputs, undefined); // a custom step can change the columns
  });

  it('of a PyTorch module says how to export it, whatever its class', () => {
    assert.match(factsOf('module.pkl').obstacle ?? '', /__main__\.Net, a PyTorch module\. Export it .*torch\.jit/);
  });

  it("of a module's weights is not a model", () => {
    assert.match(factsOf('weights.pkl').obstacle ?? '', /OrderedDict, not a model\. Save the model itself/);
  });

  it('without a model gets a hint', () => {
    const { what, obstacle } = factsOf('dict-1.9.joblib');
    assert.equal(what, 'joblib file of a dict with the keys model, scaler');
    assert.match(obstacle ?? '', /not a model: save the model itself/);
  });

  it('is never run, and dangerous calls in it are reported', () => {
    assert.deepEqual(dangersIn(factsOf('ops.pkl')), ['calls os.system, which runs commands']);
    assert.deepEqual(dangersIn(factsOf('eval.pkl')), ['calls builtins.eval, which runs code']);
    for (const [pickle, danger] of [
      ["csubprocess\nPopen\n((lS'ls'\natR.", /subprocess\.Popen/],
      ['cnumpy\nf2py.os.system\n.', /numpy\.f2py\.os\.system/],
      ["csklearn.utils\nos.system\n(S'ls'\ntR.", /os\.system/],
      ["cpathlib\nPath\n(S'x'\ntRcbuiltins\ngetattr\n.", undefined],
      ["coperator\nmethodcaller\n(S'write_text'\nS'x'\ntR(cpathlib\nPath\n(S'x'\ntRtR.", /the result of another call/],
    ] as const)
      assert.match(dangersIn(read(Buffer.from(pickle))).join(), danger ?? /^$/, pickle);
  });

  for (const [what, data] of [
    ['that is cut off', fileOf('logistic-1.3.joblib').subarray(0, 300)],
    ['with a string longer than the file', Buffer.from('\x80\x04\x8d\xff\xff\xff\xff\x00\x00\x00\x00a.', 'latin1')],
    ['with an impossible length', Buffer.from('\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fa.', 'latin1')],
    ['with an empty stack', Buffer.from('\x80\x04.', 'latin1')],
    ['with a missing mark', Buffer.from('\x80\x04l.', 'latin1')],
    ['with a memo index out of range', Buffer.from('\x80\x04Nr\xff\xff\xff\x7f.', 'latin1')],
    ['with an unknown opcode', Buffer.from('\x80\x04N\xff.', 'latin1')],
    ['with millions of lists', Buffer.concat([Buffer.from('\x80\x04', 'latin1'), Buffer.alloc(11_000_000, ']')])],
  ] as const)
    it(`${what} is refused`, () => assert.match(refusal(data), /truncated or damaged|not a pickle|ten million/));

  it('that is a decompression bomb or deeply nested is refused', function () {
    this.timeout(60_000);
    const nested = Buffer.concat([Buffer.from('\x80\x04', 'latin1'), Buffer.alloc(2_000_000, '('), Buffer.from('.')]);
    assert.match(refusal(nested), /damaged/);
    const self = Buffer.from('\x80\x02]q\x00h\x00a.', 'latin1'); // a list that contains itself
    assert.match(read(self).what, /a list of/);
    const packed = gzipSync(
      Buffer.concat([Buffer.from('\x80\x04\x8e\xff\xff\xff\xff\x00\x00\x00\x00', 'latin1'), Buffer.alloc(2 ** 26)]),
    );
    assert.match(refusal(packed), /damaged/);
  });

  it('of ten gigabytes is read without loading its arrays', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pickle-'));
    try {
      const path = join(folder, 'large.joblib');
      const file = openSync(path, 'w');
      const size = 10 * 2 ** 30;
      const { before, after } = largeArray(size);
      writeSync(file, before);
      ftruncateSync(file, before.length + size);
      writeSync(file, after, 0, after.length, before.length + size);
      closeSync(file);
      const rss = process.memoryUsage().rss;
      assert.deepEqual(readModel(path).inputs?.[0]?.shape, [-1, 7]);
      assert.ok(process.memoryUsage().rss - rss < 2 ** 26);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** A joblib file with a raw array of `size` bytes: the bytes before and after the array. */
function largeArray(size: number): { before: Buffer; after: Buffer } {
  const number = Buffer.alloc(8);
  number.writeBigInt64LE(BigInt(size));
  const text = (value: string) => Buffer.concat([Buffer.from([0x8c, value.length]), Buffer.from(value)]);
  const wrapper = [
    Buffer.from('cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(', 'latin1'),
    ...[text('shape'), Buffer.from('\x8a\x08', 'latin1'), number, Buffer.from('\x85', 'latin1')],
    ...[text('dtype'), Buffer.from('cnumpy\ndtype\n('), text('u1'), Buffer.from('\x89\x88tR(K\x03', 'latin1')],
    ...[text('|'), Buffer.from('NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb', 'latin1')],
    Buffer.from('ub'),
  ];
  const start = [Buffer.from('\x80\x04csklearn.neighbors\nKNeighborsClassifier\n)\x81}(', 'latin1'), text('_fit_X')];
  const end = [text('n_features_in_'), Buffer.from('K\x07ub.')];
  return { before: Buffer.concat([...start, ...wrapper]), after: Buffer.concat(end) };
}

describe('files that are not models', () => {
  for (const [data, message] of [
    ['version https://git-lfs.github.com/spec/v1\noid sha256:0\n', /Git LFS pointer.*git lfs pull/],
    ['<!DOCTYPE html><html>Sign in</html>', /web page.*download it again/],
    ['<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>', /web page.*log in/],
    ['<?xml version="1.0" encoding="UTF-8"?>\n<PMML version="4.4">', /PMML.*pass the original model/],
    ['<?xml version="1.0"?>\n<net name="main" version="11">', /OpenVINO.*ONNX/],
    ['\x08\x06\x12\xda\x01\n\x18\n\x07input_2', /Core ML.*ONNX/],
    ['\x08\x01\x12\xaa\xa6\x01\n\x91\x0f\x12\xe1\x0e\n^\n\x10AssignVariableOp', /SavedModel.*pass the folder/],
    ['\x20\0\0\0TFL3', /TensorFlow Lite.*SavedModel/],
    ['{"cells": [], "nbformat": 4}', /notebook.*--code/],
    ['import pandas as pd\n', /Python code.*--code/],
    ['BZh91AY&SY', /compressed with bz2.*joblib\.dump/],
    ['hello', /not in a supported model format/],
  ] as const)
    it(`are named in the error: ${data.slice(0, 20).split('\n')[0]}`, () =>
      assert.match(refusal(Buffer.from(data, 'latin1')), message));
});
