// Identifies a model file or folder without running any of its code.
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

/** A file of the model: its location on this machine, and its path below model/. */
export interface ModelFile {
  readonly source: string;
  readonly path: string;
  /** In bytes. */
  readonly size: number;
}

/** A model found on this machine. */
export interface Model extends Facts {
  /** The path that the user gave. */
  readonly path: string;
  /** The name of its kind, from `kinds` or `folderKinds`. */
  readonly kind: string;
  /** In bytes. */
  readonly size: number;
  /** The files for model/, under the names that the handler expects. */
  readonly files: readonly ModelFile[];
  /** For a single file: its original name. */
  readonly fileName?: string;
}

/** Reads a model file, or a folder that contains one. Throws an UnreadableError for anything else. */
export function readModel(path: string): Model {
  try {
    return statSync(path).isDirectory() ? readFolder(path, path) : readFile(path, path);
  } catch (error) {
    throw asUnreadable(error, path);
  }
}

const reasons: Readonly<Record<string, [string, string]>> = {
  ENOENT: ['no such file or folder', 'check the path'],
  EACCES: ['permission denied', 'run: chmod u+r FILE; or copy it to a folder that you can read'],
  EPERM: ['permission denied', 'copy it to a folder that you can read'],
  ENOSPC: ['no space left to unpack it', 'free some disk space, or set TMPDIR to a folder on a larger disk'],
  ELOOP: ['a symbolic link that points to itself', 'pass the path of the file itself'],
};

/** Turns file system errors, and errors that malformed bytes cause, into an UnreadableError. */
function asUnreadable(error: unknown, path: string): unknown {
  if (error instanceof UnreadableError) return error;
  const [message, hint] = reasons[String((error as NodeJS.ErrnoException).code)] ?? [];
  if (message && hint) return new UnreadableError(message, hint);
  const malformed = error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError;
  return malformed ? damaged(`file ${basename(path)}`) : error;
}

/** Identifies the bytes of a file called `name`. Throws an UnreadableError if they are not a model, or damaged. */
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
  if (!status.isFile()) throw new UnreadableError('neither a file nor a folder', 'pass the path of the model');
  if (!status.size) throw new UnreadableError('an empty file', 'copy it again from where it was saved');
  if (withFile(file, isArchive)) return readArchive(unpack(file), path);
  const { kind, facts } = withFile(file, (bytes) => readBytes(bytes, file));
  const more = (facts.external ?? []).filter((name) => isInside(name) && existsSync(join(dirname(file), name)));
  const external = more.map((name) => fileAt(join(dirname(file), name), name));
  const files = [fileAt(file, nameIn(facts) ?? basename(file)), ...external];
  return { ...facts, path, kind, size: sizeOf(files), files, ...(files.length === 1 && { fileName: basename(file) }) };
}

/** Reads the model in an archive; warns that code/, which SageMaker's own containers would use, is ignored. */
function readArchive(folder: string, path: string): Model {
  const model = readFolder(folder, path);
  const code = `The archive also contains code/, which is ignored. To use it, unpack the archive and add --code=code.`;
  const hasCode = existsSync(join(folder, 'code')) && !model.files.some((file) => file.path.startsWith('code/'));
  return hasCode ? { ...model, warnings: [...(model.warnings ?? []), code] } : model;
}

/** Whether a relative path stays inside its folder. */
const isInside = (path: string) => !isAbsolute(path) && !/(^|[/\\])\.\.([/\\]|$)/.test(path);

const fileAt = (source: string, path: string): ModelFile => ({
  source: realpathSync(source),
  path,
  size: statSync(source).size,
});
const sizeOf = (files: readonly ModelFile[]) => files.reduce((sum, { size }) => sum + size, 0);

/** All files below a folder, except hidden ones. */
function filesBelow(folder: string, names: readonly string[] = readdirSync(folder), path = ''): ModelFile[] {
  return names
    .filter((name) => !isHidden(name))
    .flatMap((name) => {
      const [source, below] = [join(folder, name), path ? `${path}/${name}` : name];
      return statSync(source).isDirectory() ? filesBelow(source, undefined, below) : [fileAt(source, below)];
    });
}

/** The file name that the handler expects; undefined if the format cannot be served. */
function nameIn({ framework, modelFormat }: Facts): string | undefined {
  const format = framework && entryOf(framework).formats.find(({ name }) => name === modelFormat);
  return format && (format.file ?? `model.${format.name}`);
}

function notAModel(start: Buffer, bytes: Bytes, file: string): UnreadableError {
  const known = notModels.find(({ is }) => is(start, bytes));
  if (known) return new UnreadableError(known.what, known.hint);
  const ending = extname(file);
  return new UnreadableError(
    `not in a supported model format${ending && ` (${ending})`}`,
    'supported formats: pickle, joblib, skops, XGBoost, LightGBM, CatBoost, Keras, SavedModel, TorchScript, pt2, ONNX, and Hugging Face and MLflow folders',
  );
}

const isHidden = (name: string) => /^(\.|__MACOSX$|__pycache__$)/.test(name);

/** Kinds of folders that are a model as a whole. */
const folderKinds: readonly {
  name: string;
  is: (folder: string) => boolean;
  read: (folder: string, path: string) => Omit<Model, 'path' | 'kind' | 'size'>;
}[] = [
  { name: 'mlflow', is: (folder) => existsSync(join(folder, 'MLmodel')), read: readMlflowFolder },
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

/** Reads the native model in an MLflow folder, with the facts that the folder adds; without one, the folder itself. */
function readMlflowFolder(folder: string, path: string): Omit<Model, 'path' | 'kind' | 'size'> {
  const mlflow = readMlflow(folder);
  const { nativePath } = mlflow;
  if (nativePath === undefined) return { ...asPyfunc(mlflow), files: filesBelow(folder) };
  if (!isInside(relative(folder, nativePath)))
    throw new UnreadableError('an MLflow model whose MLmodel names a file outside the folder', 'copy it again');
  const native = statSync(nativePath).isDirectory() ? readFolder(nativePath, path) : readFile(nativePath, path);
  return { ...native, ...complete(native, mlflow) };
}

/** Reads the model in a folder: the folder itself, its only model file, or the model in its only subfolder. */
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
      `pass the one to serve: ${join(path, found[0] ?? '')}`,
    );
  if (found[0] !== undefined) return readFile(join(folder, found[0]), path);
  const folders = names.filter((name) => name !== 'code' && statSync(join(folder, name)).isDirectory());
  if (folders.length === 1 && depth < 8) return readFolder(join(folder, folders[0] ?? ''), path, depth + 1);
  const has = `${names.slice(0, 6).join(', ')}${names.length > 6 ? ', …' : ''}`;
  const isTokenizer = names.some((name) => /^tokenizer/.test(name));
  throw new UnreadableError(
    isTokenizer ? 'a tokenizer without a model' : `a folder without a model${has && `: it contains ${has}`}`,
    isTokenizer
      ? 'save the model into the same folder: model.save_pretrained(folder)'
      : 'pass the path of the model file, or of the folder that contains it',
  );
}

/** Whether a file looks like a model, damaged or not. */
function isModel(file: string): boolean {
  const status = statSync(file);
  if (!status.isFile() || !status.size) return false;
  return withFile(file, (bytes) => {
    if (isArchive(bytes)) return false;
    const start = Buffer.from(bytes.read(0, 512));
    return !notModels.some(({ is }) => is(start, bytes)) && kinds.some(({ is }) => is(start, bytes));
  });
}
