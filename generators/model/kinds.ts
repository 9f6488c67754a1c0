// The kinds of model files: how each is recognized, and its reader. To add a kind, add one line here and a reader.
import type { Bytes } from './bytes.js';
import type { Facts } from './facts.js';
import { isHdf5 } from './hdf5.js';
import { readCatboost } from './readers/catboost.js';
import { readGguf } from './readers/gguf.js';
import { readHdf5 } from './readers/hdf5.js';
import { readKeras } from './readers/keras.js';
import { readLightgbm } from './readers/lightgbm.js';
import { readOnnx } from './readers/onnx.js';
import { looksLikePickle, readPickleFile } from './readers/pickle.js';
import { PROGRAM, readPt2 } from './readers/pt2.js';
import { readSafetensors } from './readers/safetensors.js';
import { readSkops } from './readers/skops.js';
import { LEGACY_START, readLegacyTorch, readTorchArchive } from './readers/torch.js';
import { CODE, readTorchscript } from './readers/torchscript.js';
import { isXgboostBinary, readXgboost, readXgboostBinary } from './readers/xgboost.js';
import { isZip, members } from './zip.js';

/** A kind of file. */
export interface Kind {
  readonly name: string;
  /** Whether a file is of this kind; `start` is its first 512 bytes. */
  readonly is: (start: Buffer, bytes: Bytes) => boolean;
  readonly read: (bytes: Bytes) => Facts;
}

const begins = (text: string) => (start: Buffer) => start.toString('latin1', 0, text.length) === text;
/** A zip archive with a member whose name matches. */
const zipWith = (name: RegExp) => (_: Buffer, bytes: Bytes) =>
  isZip(bytes) && members(bytes).some((member) => name.test(member.name));
const isJsonOfXgboost = (start: Buffer, bytes: Bytes) =>
  /^\s*\{/.test(start.toString('latin1')) &&
  /"(learner|version)"\s*:\s*[[{]/.test(bytes.read(0, 1 << 16).toString('latin1'));
/** The IR version, followed by the tag of another field of ONNX's ModelProto. */
const isOnnx = ([tag, version = 0, next = 0]: Buffer) =>
  tag === 0x08 && version >= 3 && version < 32 && [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(next);

/** The first match wins. */
export const kinds: readonly Kind[] = [
  { name: 'catboost', is: begins('CBM1'), read: readCatboost },
  { name: 'gguf', is: begins('GGUF'), read: readGguf },
  { name: 'lightgbm', is: begins('tree\n'), read: readLightgbm },
  { name: 'xgboost-json', is: isJsonOfXgboost, read: readXgboost },
  { name: 'xgboost-ubj', is: begins('{L'), read: readXgboost },
  { name: 'h5', is: (_, bytes) => isHdf5(bytes), read: readHdf5 },
  { name: 'safetensors', is: (start) => start.toString('latin1', 8, 10) === '{"', read: readSafetensors },
  { name: 'skops', is: zipWith(/^schema\.json$/), read: readSkops },
  { name: 'keras', is: zipWith(/^metadata\.json$/), read: readKeras },
  { name: 'pt2', is: zipWith(PROGRAM), read: readPt2 },
  { name: 'torchscript', is: zipWith(CODE), read: readTorchscript },
  { name: 'torch', is: zipWith(/(^|\/)data\.pkl$/), read: readTorchArchive },
  { name: 'torch', is: (start) => start.subarray(0, LEGACY_START.length).equals(LEGACY_START), read: readLegacyTorch },
  { name: 'onnx', is: isOnnx, read: readOnnx },
  { name: 'pickle', is: looksLikePickle, read: readPickleFile },
  { name: 'xgboost-binary', is: (_, bytes) => isXgboostBinary(bytes), read: readXgboostBinary },
];
