import assert from 'node:assert/strict';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type Bytes, memoryBytes, withFile } from '../../generators/model/bytes.js';
import { type Facts, type Field, UnreadableError } from '../../generators/model/facts.js';
import { readBytes } from '../../generators/model/read.js';
import { readCatboost } from '../../generators/model/readers/catboost.js';
import { readGguf } from '../../generators/model/readers/gguf.js';
import { readHdf5 } from '../../generators/model/readers/hdf5.js';
import { readKeras } from '../../generators/model/readers/keras.js';
import { readLightgbm } from '../../generators/model/readers/lightgbm.js';
import { readOnnx } from '../../generators/model/readers/onnx.js';
import { readPt2 } from '../../generators/model/readers/pt2.js';
import { readSafetensors } from '../../generators/model/readers/safetensors.js';
import { readSavedModel, readSavedModelGraph } from '../../generators/model/readers/saved-model.js';
import { readSkops } from '../../generators/model/readers/skops.js';
import { readTorchscript } from '../../generators/model/readers/torchscript.js';
import { isXgboostBinary, readXgboost, readXgboostBinary } from '../../generators/model/readers/xgboost.js';
import { members, readMember } from '../../generators/model/zip.js';

/** A small file written by a real library: `by` is its name and version, `data` the file, gzipped and in base64. */
interface Fixture {
  readonly by: string;
  readonly data: string;
}
const fixturesOf = (file: string): Readonly<Record<string, Fixture>> =>
  JSON.parse(readFileSync(new URL(`./fixtures/${file}.json`, import.meta.url), 'utf8'));
const fixtures = fixturesOf('models');
const pickles = fixturesOf('pickles');
const fileOf = (name: string): Buffer =>
  gunzipSync(Buffer.from((fixtures[name] ?? pickles[name])?.data ?? assert.fail(`no fixture ${name}`), 'base64'));

/** The readers of the fixtures, by file extension. */
const readers: Readonly<Record<string, (bytes: Bytes) => Facts>> = {
  cbm: readCatboost,
  gguf: readGguf,
  h5: readHdf5,
  json: readXgboost,
  keras: readKeras,
  model: readXgboostBinary,
  onnx: readOnnx,
  pb: (bytes) => readSavedModelGraph(bytes).facts,
  pt: readTorchscript,
  pt2: readPt2,
  safetensors: readSafetensors,
  skops: readSkops,
  txt: readLightgbm,
  ubj: readXgboost,
};
const readerOf = (name: string) => readers[name.split('.').at(-1) ?? ''] ?? assert.fail(name);
const read = (name: string): Facts => readerOf(name)(memoryBytes(fileOf(name)));
const refusal = (work: () => unknown, name = 'the file'): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof UnreadableError) return `${error.message}: ${error.hint}`;
    throw error;
  }
  return assert.fail(`${name} was read without an error`);
};

const folder = mkdtempSync(join(tmpdir(), 'readers-'));
after(() => rmSync(folder, { recursive: true }));

const field = (name: string, type: string, shape: readonly number[] = [-1]): Field => ({ name, type, shape });
/** The facts in each fixture. */
const expected: Readonly<Record<string, Partial<Facts>>> = {
  'xgboost.json': {
    what: 'XGBoost model in JSON (binary:logistic)',
    framework: 'xgboost',
    modelFormat: 'json',
    savedBy: 'XGBoost 1.7.6',
    inputs: [field('age', 'long'), field('income', 'double')],
    outputs: [field('predictions', 'float')],
    classes: [0, 1],
  },
  'categorical.json': {
    what: 'XGBoost model in JSON (binary:logistic)',
    framework: 'xgboost',
    modelFormat: 'json',
    savedBy: 'XGBoost 3.4.1',
    inputs: [
      field('age', 'long'),
      field('income', 'double'),
      { ...field('plan', 'string'), example: 'a' },
      field('new', 'boolean'),
    ],
    outputs: [field('predictions', 'float')],
    byName: true,
  },
  'xgboost.ubj': {
    what: 'XGBoost model in UBJSON (binary:logistic)',
    framework: 'xgboost',
    modelFormat: 'ubj',
    savedBy: 'XGBoost 3.4.1',
    inputs: [
      field('age', 'long'),
      field('income', 'double'),
      { ...field('plan', 'string'), example: 'a' },
      field('new', 'boolean'),
    ],
    outputs: [field('predictions', 'float')],
    byName: true,
  },
  'classes.ubj': {
    what: 'XGBoost model in UBJSON (multi:softprob)',
    framework: 'xgboost',
    modelFormat: 'ubj',
    savedBy: 'XGBoost 2.1.4',
    inputs: [field('inputs', 'float', [-1, 4])],
    outputs: [field('predictions', 'float', [-1, 3])],
  },
  'xgboost.model': {
    what: 'XGBoost model in the old binary format (binary:logistic)',
    framework: 'xgboost',
    savedBy: 'XGBoost 1.7',
    inputs: [field('inputs', 'float', [-1, 4])],
  },
  'old.model': {
    what: 'XGBoost model in the old binary format (binary:logistic)',
    framework: 'xgboost',
    inputs: [field('inputs', 'float', [-1, 4])],
  },
  'lightgbm.txt': {
    what: 'LightGBM model as text (multiclass)',
    framework: 'lightgbm',
    modelFormat: 'txt',
    savedBy: 'LightGBM 4.x',
    inputs: [
      field('age', 'double'),
      field('income', 'double'),
      { ...field('plan', 'string'), example: 'a' },
      field('new', 'double'),
    ],
    outputs: [field('predictions', 'double', [-1, 3])],
    byName: true,
  },
  'old.txt': {
    what: 'LightGBM model as text (binary)',
    framework: 'lightgbm',
    modelFormat: 'txt',
    savedBy: 'LightGBM 2.3 to 3.3',
    inputs: [field('inputs', 'double', [-1, 4])],
    outputs: [field('predictions', 'double')],
  },
  'catboost.cbm': {
    what: 'CatBoost model (Logloss)',
    framework: 'catboost',
    modelFormat: 'cbm',
    savedBy: 'CatBoost 1.2.8',
    inputs: [field('age', 'double'), field('income', 'double'), field('plan', 'categorical'), field('new', 'double')],
    outputs: [field('predictions', 'string')],
    classes: ['no', 'yes'],
  },
  'texts.cbm': {
    what: 'CatBoost model (Logloss)',
    framework: 'catboost',
    modelFormat: 'cbm',
    savedBy: 'CatBoost 1.2.8',
    inputs: [
      field('age', 'double'),
      field('income', 'double'),
      field('plan', 'categorical'),
      field('new', 'double'),
      field('text', 'string'),
    ],
    outputs: [field('predictions', 'long')],
    classes: [0, 1],
  },
  'old.cbm': {
    what: 'CatBoost model (RMSE)',
    framework: 'catboost',
    modelFormat: 'cbm',
    savedBy: 'CatBoost',
    inputs: [field('inputs', 'double', [-1, 4])],
    outputs: [field('predictions', 'double')],
  },
  'plain.onnx': {
    what: 'ONNX model (IR 9, opset 17)',
    framework: 'onnx',
    modelFormat: 'onnx',
    savedBy: 'onnx 1.23.2',
    inputs: [
      field('x', 'float', [-1, 4]),
      field('ids', 'long'),
      field('rate', 'double', []),
      field('half', 'float16', [-1, 3]),
      field('s', 'string', [1]),
    ],
    outputs: [field('y', 'float', [-1, 2]), field('list', 'sequence')],
  },
  'external.onnx': {
    what: 'ONNX model (IR 9, opset 17)',
    framework: 'onnx',
    modelFormat: 'onnx',
    savedBy: 'onnx 1.23.2',
    inputs: [field('x', 'float', [1, 64])],
    outputs: [field('y', 'float', [1, 64])],
    warnings: [
      'Its weights are in separate files, which must be in the same folder: model.onnx.data.',
      'It uses operators that are not part of ONNX (com.acme): register their library in load() in code/model_handler.py.',
    ],
  },
  'own-layer.keras': {
    what: 'Keras 3.15.1 model',
    framework: 'tensorflow',
    modelFormat: 'keras',
    savedBy: 'Keras 3.15.1',
    inputs: [field('numbers', 'float', [-1, 3]), field('words', 'integer', [-1, -1])],
    warnings: [
      'It needs custom classes or functions: Loose, Scale. Pass the file that defines them with --code=FILE; it is copied into code/.',
    ],
  },
  'keras-2.keras': {
    what: 'Keras 2.15.0 model',
    framework: 'tensorflow',
    modelFormat: 'keras',
    frameworkVersion: '2.15',
    savedBy: 'Keras 2.15.0',
    inputs: [field('input_1', 'float', [-1, 4])],
  },
  'own-layer.h5': {
    what: 'Keras 2.12.0 model in HDF5',
    framework: 'tensorflow',
    modelFormat: 'h5',
    frameworkVersion: '2.12',
    savedBy: 'Keras 2.12.0',
    inputs: [field('numbers', 'float', [-1, 3]), field('words', 'integer', [-1, -1])],
    warnings: [
      'It needs custom classes or functions: Loose, Scale. Pass the file that defines them with --code=FILE; it is copied into code/.',
    ],
  },
  'lambda.h5': {
    what: 'Keras 2.12.0 model in HDF5',
    framework: 'tensorflow',
    modelFormat: 'h5',
    frameworkVersion: '2.12',
    savedBy: 'Keras 2.12.0',
    inputs: [field('input_2', 'float', [-1, 4])],
    warnings: [
      'It has a Lambda layer that contains Python bytecode. Loading the model runs this bytecode, which works only on the Python version that saved it.',
    ],
  },
  'keras-3.h5': {
    what: 'Keras 3.15.1 model in HDF5',
    framework: 'tensorflow',
    modelFormat: 'h5',
    savedBy: 'Keras 3.15.1',
    inputs: [field('input_layer', 'float', [-1, 4])],
  },
  'weights.h5': { what: 'weights of a Keras model in HDF5' },
  'latest.h5': {
    what: 'Keras 2.10.0 model in HDF5',
    framework: 'tensorflow',
    modelFormat: 'h5',
    frameworkVersion: '2.12',
    savedBy: 'Keras 2.10.0',
    inputs: [field('dense_input', 'double', [-1, 7])],
    warnings: [
      'It needs custom classes or functions: Custom. Pass the file that defines them with --code=FILE; it is copied into code/.',
    ],
  },
  'saved_model.pb': {
    what: 'SavedModel',
    framework: 'tensorflow',
    modelFormat: 'SavedModel',
    frameworkVersion: '2.21',
    savedBy: 'TensorFlow 2.21.0',
    inputs: [field('mode', 'string', []), field('x', 'float', [-1, 2])],
    outputs: [field('y', 'float', [-1, 2])],
  },
  'pipeline.skops': {
    what: 'skops file of Pipeline',
    framework: 'sklearn',
    modelFormat: 'skops',
    frameworkVersion: '1.9.1',
    savedBy: 'skops 0.16.0',
    inputs: [field('age', 'any'), field('income', 'any'), field('plan', 'any')],
    classes: ['no', 'yes'],
    modules: new Map([
      ['sklearn.pipeline', new Set(['Pipeline'])],
      ['sklearn.compose._column_transformer', new Set(['ColumnTransformer'])],
      ['sklearn.linear_model._logistic', new Set(['LogisticRegression'])],
      ['numpy', new Set(['ndarray', 'float64'])],
      ['sklearn.preprocessing._data', new Set(['StandardScaler'])],
      ['sklearn.preprocessing._encoders', new Set(['OneHotEncoder'])],
    ]),
  },
  'deflated.skops': {
    what: 'skops file of LogisticRegression',
    framework: 'sklearn',
    modelFormat: 'skops',
    frameworkVersion: '1.9.1',
    savedBy: 'skops 0.16.0',
    inputs: [field('inputs', 'double', [-1, 3])],
    classes: [0, 1],
    modules: new Map([
      ['sklearn.linear_model._logistic', new Set(['LogisticRegression'])],
      ['numpy', new Set(['ndarray'])],
    ]),
  },
  'tiny.safetensors': { what: 'weights in safetensors (2 tensors, 16 parameters)', savedBy: 'PyTorch' },
  'tiny.gguf': { what: 'GGUF model (Tiny, llama, Q4_K_M)', savedBy: 'llama.cpp' },
  'linear.pt2': {
    what: 'PyTorch program of torch.export',
    framework: 'pytorch',
    modelFormat: 'pt2',
    savedBy: 'PyTorch 2.15.0',
    inputs: [field('input', 'float', [-1, 4])],
    outputs: [field('linear', 'float', [-1, 2])],
  },
  'net.pt': {
    what: 'TorchScript model of Net',
    framework: 'pytorch',
    modelFormat: 'torchscript',
    inputs: [field('x', 'Tensor')],
  },
  'declared.pt': {
    what: 'TorchScript model of Linear',
    framework: 'pytorch',
    modelFormat: 'torchscript',
    inputs: [field('input', 'float', [-1, 4])],
  },
};

describe('the reader of a model file', () => {
  for (const [name, facts] of Object.entries(expected))
    it(`finds the facts in ${name}, written by ${fixtures[name]?.by}`, () => {
      const found = read(name);
      const wanted = Object.fromEntries(Object.keys(facts).map((key) => [key, found[key as keyof Facts]]));
      assert.deepEqual(wanted, facts);
    });

  it('finds the same facts in a file as in memory', () => {
    for (const name of Object.keys(fixtures)) {
      const path = join(folder, name);
      writeFileSync(path, fileOf(name));
      assert.deepEqual(withFile(path, readerOf(name)), read(name), name);
    }
  });

  it('reports a file that is cut off as damaged', () => {
    for (const name of Object.keys(fixtures)) {
      const half = fileOf(name).subarray(0, fileOf(name).length / 2);
      if (/\.(model|gguf)$/.test(name)) continue; // only their beginning is read
      assert.match(
        refusal(() => readerOf(name)(memoryBytes(half)), name),
        /damaged: copy it again/,
        name,
      );
    }
  });

  it('reports an empty file as damaged', () => {
    for (const reader of Object.values(readers))
      assert.match(
        refusal(() => reader(memoryBytes(Buffer.alloc(0)))),
        /damaged|not an XGBoost model/,
      );
  });
});

/** Pseudorandom numbers from 0 to 1, the same in each run. */
function* random(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    yield ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

/** Ways to damage a file. Each takes a copy of it and a source of random integers below a limit. */
const mutations: readonly ((file: Buffer, below: (limit: number) => number) => Buffer)[] = [
  (file, below) => {
    for (let times = 1 + below(8); times > 0; times--) file[below(file.length)] = below(256);
    return file;
  },
  (file, below) => file.subarray(0, below(file.length)),
  (file, below) => {
    const at = below(file.length);
    return Buffer.concat([file.subarray(0, at), Buffer.alloc(1 + below(64), below(256)), file.subarray(at)]);
  },
  (file, below) => {
    const [at, length] = [below(file.length), below(200)];
    return Buffer.concat([file.subarray(0, at), file.subarray(at + length)]);
  },
  (file, below) => {
    const lengths = [0xff, 0x7f, 0x80, 0x00];
    const [at, size] = [below(file.length), [1, 2, 4, 8][below(4)] ?? 1];
    return file.fill(lengths[below(4)] ?? 0, at, Math.min(file.length, at + size));
  },
  (file, below) => {
    const [from, to, length] = [below(file.length), below(file.length), below(300)];
    file.copy(file, to, from, Math.min(file.length, from + length));
    return file;
  },
];

describe('a reader of 20,000 mutated files', () => {
  it('quickly finds facts or throws an UnreadableError, and never another error', function () {
    this.timeout(120_000);
    const numbers = random(1);
    const below = (limit: number) => Math.floor(numbers.next().value * limit);
    const names = [...Object.keys(fixtures), ...Object.keys(pickles)];
    const each = Math.ceil(20_000 / names.length);
    for (const name of names) {
      const file = fileOf(name);
      for (let number = 0; number < each; number++) {
        const mutated = mutations[number % mutations.length]?.(Buffer.from(file), below) ?? file;
        const before = performance.now();
        try {
          assert.ok(readBytes(memoryBytes(mutated), name).facts.what);
        } catch (error) {
          if (!(error instanceof UnreadableError))
            throw new Error(`${name}, mutation ${number}: ${error}`, { cause: error });
        }
        assert.ok(performance.now() - before < 2000, `${name}, mutation ${number} takes too long`);
      }
    }
  });
});

/** A sparse file of 10 GB with these bytes at its start and end. */
function sparse(name: string, start: Buffer, end: Buffer, size = 1e10): string {
  const path = join(folder, name);
  const file = openSync(path, 'w');
  writeSync(file, start);
  writeSync(file, end, 0, end.length, size - end.length);
  closeSync(file);
  return path;
}

const uint64 = (...numbers: readonly number[]) => {
  const bytes = Buffer.alloc(8 * numbers.length);
  for (const [at, number] of numbers.entries()) bytes.writeBigUInt64LE(BigInt(number), at * 8);
  return bytes;
};

function varint(value: number): Buffer {
  const bytes = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  return Buffer.from([...bytes, left]);
}

/** The header of a protobuf field with `size` bytes. */
const tagged = (number: number, size: number) => Buffer.concat([varint(number * 8 + 2), varint(size)]);

/** An ONNX model whose first tensor has 10 GB. */
function hugeOnnx(): string {
  const [weights, name] = [1e10, Buffer.from('score')];
  const output = Buffer.concat([tagged(12, name.length + 2), tagged(1, name.length), name]);
  const raw = tagged(9, weights);
  const initializer = tagged(5, raw.length + weights);
  const graph = tagged(7, initializer.length + raw.length + weights + output.length);
  const start = Buffer.concat([Buffer.from([8, 9]), graph, initializer, raw]);
  return sparse('huge.onnx', start, output, start.length + weights + output.length);
}

/** A fixture, split before `text`, with the parts 10 GB apart. */
function splitApart(name: string, text: string | Buffer): string {
  const file = fileOf(name);
  const at = file.indexOf(text);
  assert.ok(at > 0, name);
  return sparse(`huge-${name}`, file.subarray(0, at), file.subarray(at));
}

describe('the reader of a file of 10 GB', () => {
  const measure = (path: string): Facts => {
    const [before, started] = [process.memoryUsage().rss, performance.now()];
    const facts = withFile(path, readerOf(path));
    assert.ok(performance.now() - started < 2000, `${path}: ${performance.now() - started} ms`);
    assert.ok(process.memoryUsage().rss - before < 256e6, path);
    rmSync(path);
    return facts;
  };

  it('reads the header of safetensors', () => {
    const header = Buffer.from(JSON.stringify({ w: { dtype: 'F32', shape: [1000, 1000], data_offsets: [0, 9e9] } }));
    const facts = measure(sparse('huge.safetensors', Buffer.concat([uint64(header.length), header]), Buffer.alloc(1)));
    assert.equal(facts.what, 'weights in safetensors (1 tensors, 1,000,000 parameters)');
  });

  it('reads the header of GGUF', () => {
    const facts = measure(sparse('huge.gguf', fileOf('tiny.gguf'), Buffer.alloc(1)));
    assert.equal(facts.what, read('tiny.gguf').what);
  });

  it('skips the weights of ONNX', () => {
    assert.deepEqual(measure(hugeOnnx()).outputs, [{ name: 'score', type: 'unknown', shape: [-1] }]);
  });

  it('skips the trees of XGBoost and LightGBM', () => {
    const names = { 'xgboost.json': '"trees"', 'xgboost.ubj': 'trees' };
    for (const [name, trees] of Object.entries(names)) assert.deepEqual(measure(splitApart(name, trees)), read(name));
    const text = fileOf('lightgbm.txt')
      .toString()
      .replace(/tree_sizes=\d+/, (sizes) => `${sizes}0000000`);
    const [start = '', end = ''] = [text.slice(0, text.indexOf('Tree=1')), text.slice(text.indexOf('end of trees'))];
    const sizes = /tree_sizes=(.*)/.exec(text)?.[1]?.split(' ').map(Number) ?? [];
    const size = text.indexOf('Tree=0') + sizes.reduce((sum, each) => sum + each, 0) + end.length;
    assert.deepEqual(measure(sparse('huge.txt', Buffer.from(start), Buffer.from(end), size)), read('lightgbm.txt'));
  });
});

describe('a zip archive', () => {
  const file = () => fileOf('own-layer.keras');

  it('lists its members, and reads them up to a size limit', () => {
    const bytes = memoryBytes(file());
    const all = members(bytes);
    assert.deepEqual(all.map(({ name }) => name).toSorted(), ['config.json', 'metadata.json', 'model.weights.h5']);
    const config = all.find(({ name }) => name === 'config.json') ?? assert.fail();
    assert.equal(readMember(bytes, config, config.size).length, config.size);
    assert.match(
      refusal(() => readMember(bytes, config, config.size - 1)),
      /config\.json .*is too large/,
    );
  });

  it('with overlapping members, like a zip bomb, is refused', () => {
    const archive = file();
    const directory = archive.indexOf('PK\x01\x02', 0, 'latin1');
    const second = archive.indexOf('PK\x01\x02', directory + 1, 'latin1');
    archive.writeUInt32LE(0, second + 42);
    assert.match(
      refusal(() => members(memoryBytes(archive))),
      /damaged/,
    );
  });

  it('that declares more members than it can contain is refused', () => {
    const archive = file();
    const end = archive.lastIndexOf('PK\x05\x06', undefined, 'latin1');
    archive.writeUInt16LE(0xfffe, end + 10);
    assert.match(
      refusal(() => members(memoryBytes(archive))),
      /damaged/,
    );
  });
});

describe('a model that cannot be served as it is', () => {
  it('gets a hint', () => {
    const obstacles = {
      'tiny.safetensors': /weights only/,
      'tiny.gguf': /safetensors/,
      'weights.h5': /model\.save/,
    };
    for (const [name, pattern] of Object.entries(obstacles)) assert.match(read(name).obstacle ?? '', pattern);
  });

  it('can be a SavedModel without its variables', () => {
    const path = join(folder, 'saved');
    mkdirSync(path);
    writeFileSync(join(path, 'saved_model.pb'), fileOf('saved_model.pb'));
    assert.match(
      refusal(() => readSavedModel(path)),
      /without its variables: copy the whole folder/,
    );
    mkdirSync(join(path, 'variables'));
    writeFileSync(join(path, 'variables', 'variables.index'), '');
    assert.deepEqual(readSavedModel(path), read('saved_model.pb'));
  });

  it('can be in XGBoost’s old binary format', () => {
    assert.ok(isXgboostBinary(memoryBytes(fileOf('xgboost.model'))));
    assert.ok(!isXgboostBinary(memoryBytes(Buffer.alloc(1000))));
    assert.match(read('xgboost.model').obstacle ?? '', /save_model\('model\.json'\)/);
  });
});
