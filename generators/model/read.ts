// What a model file or folder is. Nothing of it is run.
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, extname, isAbsolute, join, relative } from 'node:path';
import { entryOf } from '../catalog/frameworks.js';
import { isArchive, unpack } from './archive.js';
import { type Bytes, withFile } from './bytes.js';
import { damaged, type Facts, UnreadableError } from './facts.js';
import { kinds } from './kinds.js';
import { notModels } from './not-models.js';
import { filesOfHuggingFace, isHuggingFace, readHuggingFace } from './readers/hugging-face.js';
import { asPyfunc, complete, readMlflow } from './readers/mlflow.js';
import { readSavedModel } from './readers/saved-model.js';

/** A file of the model: where it is, and its path below model/. */
export interface ModelFile {
  readonly source: string;
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** A model as it was found on this machine. */
export interface Model extends Facts {
  /** The path that was given. */
  readonly path: string;
  /** The name of its kind in the table. */
  readonly kind: string;
  /** Bytes. */
  readonly size: number;
  /** What belongs into model/, under the names that the handler looks for. */
  readonly files: readonly ModelFile[];
  /** Of a single file, the name it had. */
  readonly fileName?: string;
}

/** Reads a model file, or a folder with one. Throws an UnreadableError for everything that is no model. */
export function readModel(path: string): Model {
  try {
    return statSync(path).isDirectory() ? readFolder(path, path) : readFile(path, path);
  } catch (error) {
    throw asUnreadable(error, path);
  }
}

const reasons: Readonly<Record<string, [string, string]>> = {
  ENOENT: ['no file or folder', 'check the path'],
  EACCES: ['no permission to read it', 'type: chmod u+r, or copy it to where you can read it'],
  EPERM: ['no permission to read it', 'copy it to where you can read it'],
  ENOSPC: ['no space left to unpack it', 'make room, or set TMPDIR to a folder on a larger disk'],
  ELOOP: ['a link that leads to itself', 'give the path of the file itself'],
};

/** The errors of the file system, and those of malformed bytes, in a user's words. */
function asUnreadable(error: unknown, path: string): unknown {
  if (error instanceof UnreadableError) return error;
  const [message, hint] = reasons[String((error as NodeJS.ErrnoException).code)] ?? [];
  if (message && hint) return new UnreadableError(message, hint);
  const malformed = error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError;
  return malformed ? damaged(`file ${basename(path)}`) : error;
}

/** What the bytes of a file called `name` are. Throws an UnreadableError for all that is no model, or is damaged. */
export function readBytes(bytes: Bytes, name: string): { kind: string; facts: Facts } {
  try {
    const start = Buffer.from(bytes.read(0, 512));
    const known = notModels.some(({ is }) => is(start, bytes));
    const kind = known ? undefined : kinds.find(({ is }) => is(start, bytes));
    if (!kind) throw notAModel(start, bytes, name);
    return { kind: kind.name, facts: kind.read(bytes) };
  } catch (error) {
    throw asUnreadable(error, name);
  }
}

function readFile(file: string, path: string): Model {
  const status = statSync(file);
  if (!status.isFile()) throw new UnreadableError('neither a file nor a folder', 'give the path of the model');
  if (!status.size) throw new UnreadableError('an empty file', 'copy it again from where it was saved');
  if (withFile(file, isArchive)) return readArchive(unpack(file), path);
  const { kind, facts } = withFile(file, (bytes) => readBytes(bytes, file));
  const more = (facts.external ?? []).filter((name) => isBelow(name) && existsSync(join(dirname(file), name)));
  const external = more.map((name) => fileAt(join(dirname(file), name), name));
  const files = [fileAt(file, nameIn(facts) ?? basename(file)), ...external];
  return { ...facts, path, kind, size: sizeOf(files), files, ...(files.length === 1 && { fileName: basename(file) }) };
}

/** The model in an archive; the code that SageMaker's own containers take from there is said to be left. */
function readArchive(folder: string, path: string): Model {
  const model = readFolder(folder, path);
  const code = `The archive also has code/, which is not taken: unpack it, and add --code=code.`;
  const hasCode = existsSync(join(folder, 'code')) && !model.files.some((file) => file.path.startsWith('code/'));
  return hasCode ? { ...model, warnings: [...(model.warnings ?? []), code] } : model;
}

/** Whether a path that a file names stays below its folder. */
const isBelow = (path: string) => !isAbsolute(path) && !/(^|[/\\])\.\.([/\\]|$)/.test(path);

const fileAt = (source: string, path: string): ModelFile => ({
  source: realpathSync(source),
  path,
  size: statSync(source).size,
});
const sizeOf = (files: readonly ModelFile[]) => files.reduce((sum, { size }) => sum + size, 0);

/** Every file below a folder, hidden ones left out. */
function filesBelow(folder: string, names: readonly string[] = readdirSync(folder), path = ''): ModelFile[] {
  return names
    .filter((name) => !isHidden(name))
    .flatMap((name) => {
      const [source, below] = [join(folder, name), path ? `${path}/${name}` : name];
      return statSync(source).isDirectory() ? filesBelow(source, undefined, below) : [fileAt(source, below)];
    });
}

/** The name that the handler looks for; undefined where the file has none to be served by. */
function nameIn({ framework, modelFormat }: Facts): string | undefined {
  const format = framework && entryOf(framework).formats.find(({ name }) => name === modelFormat);
  return format && (format.file ?? `model.${format.name}`);
}

function notAModel(start: Buffer, bytes: Bytes, file: string): UnreadableError {
  const known = notModels.find(({ is }) => is(start, bytes));
  if (known) return new UnreadableError(known.what, known.hint);
  const ending = extname(file);
  return new UnreadableError(
    `a file of no kind that is known${ending && ` (${ending})`}`,
    'what is read: pickle, joblib, skops, XGBoost, LightGBM, CatBoost, Keras, SavedModel, TorchScript, pt2, ONNX, and the folders of Hugging Face and MLflow',
  );
}

const isHidden = (name: string) => /^(\.|__MACOSX$|__pycache__$)/.test(name);

/** Folders that are a model themselves. */
const folderKinds: readonly {
  name: string;
  is: (folder: string) => boolean;
  read: (folder: string, path: string) => Omit<Model, 'path' | 'kind' | 'size'>;
}[] = [
  { name: 'mlflow', is: (folder) => existsSync(join(folder, 'MLmodel')), read: readPacked },
  {
    name: 'saved-model',
    is: (folder) => existsSync(join(folder, 'saved_model.pb')),
    read: (folder) => ({ ...readSavedModel(folder), files: filesBelow(folder) }),
  },
  {
    name: 'hugging-face',
    is: isHuggingFace,
    read: (folder) => ({
      ...readHuggingFace(folder),
      files: filesBelow(folder, filesOfHuggingFace(readdirSync(folder))),
    }),
  },
];

/** The native model of an MLflow folder, with what the folder tells of it; the folder where there is none. */
function readPacked(folder: string, path: string): Omit<Model, 'path' | 'kind' | 'size'> {
  const packed = readMlflow(folder);
  if (packed.place === undefined) return { ...asPyfunc(packed), files: filesBelow(folder) };
  if (!isBelow(relative(folder, packed.place)))
    throw new UnreadableError('an MLmodel that names a file outside', 'copy it again');
  const native = statSync(packed.place).isDirectory() ? readFolder(packed.place, path) : readFile(packed.place, path);
  return { ...native, ...complete(native, packed) };
}

/** The model in a folder: the folder itself, its one model file, or what is in its one folder. */
function readFolder(folder: string, path: string, depth = 0): Model {
  const kind = folderKinds.find(({ is }) => is(folder));
  if (kind) {
    const read = kind.read(folder, path);
    return { ...read, path, kind: kind.name, size: sizeOf(read.files) };
  }
  const names = readdirSync(folder)
    .filter((name) => !isHidden(name))
    .sort();
  const found = names.filter((name) => isModel(join(folder, name)));
  if (found.length > 1)
    throw new UnreadableError(
      `a folder with several models: ${found.join(', ')}`,
      `give the one to serve: ${join(path, found[0] ?? '')}`,
    );
  if (found[0] !== undefined) return readFile(join(folder, found[0]), path);
  const folders = names.filter((name) => name !== 'code' && statSync(join(folder, name)).isDirectory());
  if (folders.length === 1 && depth < 8) return readFolder(join(folder, folders[0] ?? ''), path, depth + 1);
  const has = `${names.slice(0, 6).join(', ')}${names.length > 6 ? ', …' : ''}`;
  const isTokenizer = names.some((name) => /^tokenizer/.test(name));
  throw new UnreadableError(
    isTokenizer ? 'a tokenizer without a model' : `a folder without a model${has && `: it has ${has}`}`,
    isTokenizer
      ? 'save the model into the same folder: model.save_pretrained(folder)'
      : 'give the path of the model file, or of the folder that has it',
  );
}

/** Whether a file is a model of some kind, damaged or not. */
function isModel(file: string): boolean {
  const status = statSync(file);
  if (!status.isFile() || !status.size) return false;
  return withFile(file, (bytes) => {
    if (isArchive(bytes)) return false;
    const start = Buffer.from(bytes.read(0, 512));
    return !notModels.some(({ is }) => is(start, bytes)) && kinds.some(({ is }) => is(start, bytes));
  });
}
