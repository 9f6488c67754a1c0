// Pickles and joblib files: their classes, the scikit-learn version that saved them, and their inputs and outputs.
import { packagesBeyondSklearn } from '../../catalog/packages.js';
import type { Bytes } from '../bytes.js';
import { type Cursor, cursorAt, inflatedCursor, uncompressed } from '../cursor.js';
import { type Facts, type Field, UnreadableError } from '../facts.js';
import { elementsOf, fieldsOf, itemsOf } from '../numpy-array.js';
import { type Global, type Instance, type Pickle, readPickle, type Value } from '../pickle.js';
import { ANY, columnsOf, columnsOfBooster, needsFrame } from './columns.js';

/** Unsupported compressions, by their first bytes. */
const unsupportedCompressions: readonly [start: string, name: string][] = [
  ['425a68', 'bz2'],
  ['fd377a585a00', 'xz'],
  ['5d0000', 'lzma'],
  ['04224d18', 'lz4'],
  ['28b52ffd', 'zstd'],
];

/** Whether a file starts like a pickle, or like a compressed file that can contain one. */
export function looksLikePickle(start: Buffer): boolean {
  return isPlain(start) || formOf(start) !== undefined || compressionOf(start) !== undefined;
}

const isPlain = (start: Buffer) =>
  (start[0] === 0x80 && (start[1] ?? 9) <= 5) || PROTOCOL_0.test(start.toString('latin1'));
/** The start of an object, a list or a dict in protocol 0. */
const PROTOCOL_0 = /^(\(*c[\w.]+\n[\w.]+\n|\(i[\w.]+\n|\([dl]p\d|[\]}]q)/;

function formOf(start: Buffer): 'gzip' | 'zlib' | undefined {
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip';
  return start[0] === 0x78 && start.length > 1 && start.readUInt16BE() % 31 === 0 ? 'zlib' : undefined;
}

const compressionOf = (start: Buffer) =>
  unsupportedCompressions.find(([bytes]) => start.toString('hex').startsWith(bytes))?.[1];

/** Opens a file and decompresses it if needed. Throws an UnreadableError if the compression is unsupported. */
function open(bytes: Bytes): Cursor {
  const start = bytes.read(0, 16);
  const compression = isPlain(start) ? undefined : compressionOf(start);
  if (compression)
    throw new UnreadableError(`a file compressed with ${compression}, which is not supported`, uncompressed);
  const form = formOf(start);
  return form ? inflatedCursor(bytes, form, 'pickle') : cursorAt(bytes, 'pickle');
}

/** Reads a pickle or joblib file. Throws an UnreadableError if it is damaged. */
export function readPickleFile(bytes: Bytes): Facts {
  const pickle = readPickle(open(bytes));
  const isJoblib = pickle.globals.some(
    ({ module, name }) => module.startsWith('joblib') && name === 'NumpyArrayWrapper',
  );
  return factsOf(pickle, isJoblib || formOf(bytes.read(0, 16)) === 'zlib' ? 'joblib' : 'pkl');
}

/** Derives facts from the values in a pickle. */
export function factsOf({ value, globals, callsResults }: Pickle, modelFormat: 'joblib' | 'pkl'): Facts {
  const kind = modelFormat === 'joblib' ? 'joblib file' : 'pickle';
  const modules = modulesOf(globals);
  const main = classOf(value);
  const common = { what: `${kind} of ${describe(value)}`, modules, ...(callsResults && { callsResults }) };
  const obstacle = obstacleOf(value, main);
  if (obstacle) return { ...common, obstacle };
  const found = survey(value);
  const estimator = innermost(value);
  const version = found.sklearn;
  const { warnings = [], ...inputFacts } = findInputs(value);
  const takesFrame = needsFrame(value, inputFacts.inputs ?? []);
  return {
    ...common,
    framework: 'sklearn',
    modelFormat,
    ...(version && { frameworkVersion: version, savedBy: `scikit-learn ${version}` }),
    ...optional('packages', [...new Set([...packagesOf(globals, found), ...(takesFrame ? ['pandas'] : [])])]),
    ...inputFacts,
    ...optional('classes', elementsOf(fieldsOf(estimator).get('classes_'))),
    ...outputsOf(estimator),
    ...optional('warnings', [...warnings, ...warningsOf(globals)]),
  };
}

const optional = <K extends string, T>(key: K, value: T | undefined) =>
  (value === undefined || (Array.isArray(value) && !value.length) ? {} : { [key]: value }) as { [key in K]?: T };

function modulesOf(globals: readonly Global[]): Map<string, Set<string>> {
  const modules = new Map<string, Set<string>>();
  for (const { module, name } of globals) modules.set(module, (modules.get(module) ?? new Set()).add(name));
  return new Map([...modules].sort(([a], [b]) => (a < b ? -1 : 1)));
}

export const isInstance = (value: Value): value is Instance => typeof value === 'object' && value?.is === 'instance';
const isGlobal = (value: Value): value is Global => typeof value === 'object' && value?.is === 'global';

/** The class of an instance. If a copyreg function creates it, the class is that function's first argument. */
export function classOf(value: Value): Global | undefined {
  if (!isInstance(value)) return undefined;
  if (!isGlobal(value.of)) return undefined;
  const first = itemsOf(value.args)[0];
  return /^copy_?reg$/.test(value.of.module) && isGlobal(first) ? first : value.of;
}

/** Describes the saved object in a few words. */
function describe(value: Value): string {
  const main = classOf(value);
  if (main) return main.name;
  if (value === null || typeof value !== 'object') return value === null ? 'None' : `a ${typeof value}`;
  if (value.is === 'dict') {
    const keys = value.entries.map(([key]) => String(key)).filter((key) => key.length < 40);
    return `a dict with the keys ${list(keys)}`;
  }
  if (value.is === 'instance') return 'an object whose class is defined in the file';
  if ('items' in value)
    return `a ${value.is} of ${value.items.length} item${value.items.length === 1 ? '' : 's'} (${list(value.items.map((each) => classOf(each)?.name ?? typeof each))})`;
  return value.is === 'global' ? `the function or class ${value.module}.${value.name}` : value.is;
}

const list = (words: readonly string[]) => `${words.slice(0, 6).join(', ')}${words.length > 6 ? ', …' : ''}`;

const exportModule = '. Export it where its class is defined: torch.jit.script(model.eval()).save("model.pt")';

/** Classes that the scikit-learn handler cannot serve, and what to do with them. */
const unservable: readonly [RegExp, string][] = [
  [/^xgboost\.core\.Booster$/, '. Save it in XGBoost\'s own format: booster.save_model("model.json")'],
  [/^(tf_)?keras\.|^tensorflow\./, '. Save it in Keras\'s own format: model.save("model.keras")'],
  [/^torch\./, exportModule],
  [/^(collections|pandas|numpy|scipy)\./, ', not a model. Save the model itself'],
];

/** Why the saved object cannot be served as it is; undefined if it can. */
function obstacleOf(value: Value, main: Global | undefined): string | undefined {
  if (!main && isInstance(value)) return undefined;
  if (!main) return 'That is not a model: save the model itself, joblib.dump(model, "model.joblib").';
  const name = `${main.module}.${main.name}`;
  const isModule = ['_parameters', '_modules'].every((field) => fieldsOf(value).has(field)); // torch.nn.Module
  const hint = isModule ? `, a PyTorch module${exportModule}` : unservable.find(([pattern]) => pattern.test(name))?.[1];
  return hint && `It contains ${name}${hint}.`;
}

/** Yields the values in an object graph, each once, breadth first, up to `maxCount`. */
function* walk(root: Value, maxCount = 300_000): Generator<Exclude<Value, null | undefined> & object> {
  const seen = new Set<unknown>();
  const queue: Value[] = [root];
  for (let at = 0; at < queue.length && seen.size < maxCount; at++) {
    const value = queue[at];
    if (typeof value !== 'object' || !value || seen.has(value)) continue;
    seen.add(value);
    yield value;
    if ('items' in value) for (const item of value.items) queue.push(item);
    if ('entries' in value) for (const entry of value.entries) queue.push(...entry);
    if (value.is === 'instance')
      queue.push(value.of, value.args, value.state, Buffer.isBuffer(value.raw) ? null : value.raw);
  }
}

interface Found {
  /** The version of scikit-learn that saved the outermost estimator. */
  sklearn?: string;
  /** The versions of boosters inside it. */
  xgboost?: string;
  lightgbm?: string;
}

function survey(root: Value): Found {
  const found: Found = {};
  for (const value of walk(root)) {
    if (value.is === 'bytes') {
      const version = xgboostVersion(value.end);
      if (version) found.xgboost ??= version;
    }
    if (value.is !== 'instance') continue;
    const text = fieldsOf(value).get('handle') ?? fieldsOf(value).get('_handle');
    if (typeof text === 'string' && text.startsWith('tree\nversion=v3')) found.lightgbm ??= '3.3.5';
    const version = fieldsOf(value).get('_sklearn_version');
    if (typeof version === 'string') found.sklearn ??= version;
  }
  return found;
}

/** The version at the end of a booster in JSON or UBJSON. */
function xgboostVersion(end: Buffer): string | undefined {
  const text = end.toString('latin1');
  const json = /"version":\[(\d+),(\d+),(\d+)/.exec(text);
  if (json) return json.slice(1, 4).join('.');
  const binary = /version\[#L.{8}[iU](.)[iU](.)[iU](.)/s.exec(text);
  return binary
    ?.slice(1, 4)
    .map((each) => each.charCodeAt(0))
    .join('.');
}

const isBooster = (name: string): name is 'xgboost' | 'lightgbm' => name === 'xgboost' || name === 'lightgbm';

function packagesOf(globals: readonly Global[], found: Found): string[] {
  const names = packagesBeyondSklearn(globals.map(({ module }) => module));
  return names.map((name) => (isBooster(name) && found[name] ? `${name}==${found[name]}` : name));
}

/** The estimator that makes the predictions: the best one of a search, the last step of a pipeline. */
function innermost(value: Value, depth = 0): Value {
  const fields = fieldsOf(value);
  const inner = fields.get('best_estimator_') ?? stepsOf(value).at(-1);
  return isInstance(inner) && depth < 20 ? innermost(inner, depth + 1) : value;
}

/** The estimators in a pipeline, in order. */
export const stepsOf = (value: Value): Value[] => itemsOf(fieldsOf(value).get('steps')).map((step) => itemsOf(step)[1]);

const vectorizer = /^(Count|Tfidf|Hashing)Vectorizer$/;

/** The model's inputs: named columns, texts, or a matrix of numbers; undefined if unknown. */
function inputsOf(value: Value, depth = 0): { inputs: Field[]; byName?: true } | undefined {
  const fields = fieldsOf(value);
  const names = elementsOf(fields.get('feature_names_in_'));
  const count = fields.get('n_features_in_');
  const columns = names?.length ? columnsOf(value, names.map(String)) : columnsOfBooster(value);
  if (columns) return { inputs: columns, byName: true };
  if (vectorizer.test(classOf(value)?.name ?? '')) return { inputs: [{ name: 'texts', type: 'string', shape: [-1] }] };
  if (typeof count === 'number') return { inputs: [{ name: 'inputs', type: 'double', shape: [-1, count] }] };
  const first = fields.get('best_estimator_') ?? stepsOf(value).find((step) => isInstance(step));
  return first && depth < 20 ? inputsOf(first, depth + 1) : undefined;
}

/** The inputs; if the first step of a pipeline does not define them, a guess from the first later step that does. */
function findInputs(value: Value): Pick<Facts, 'inputs' | 'byName' | 'likelyInputs' | 'warnings'> {
  const taken = inputsOf(value);
  if (taken) return { ...taken, ...optional('warnings', warningsOfTypes(taken.inputs)) };
  const [first, ...others] = stepsOf(fieldsOf(value).get('best_estimator_') ?? value);
  for (const step of others) {
    const likelyInputs = inputsOf(step)?.inputs;
    const [one, other] = [first, step].map((each) => classOf(each)?.name);
    const guess = `${one} does not define its inputs, so the sample request has the inputs of a later step, ${other}: change it to what ${one} accepts.`;
    if (likelyInputs) return { likelyInputs, warnings: [guess] };
  }
  return {};
}

/** Warns about columns of unknown type, because a custom function or class processes them first. */
function warningsOfTypes(inputs: readonly Field[]): string[] {
  const names = inputs.filter(({ type }) => type === ANY).map(({ name }) => name);
  if (!names.length) return [];
  const columns = `column${names.length > 1 ? 's' : ''} ${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`;
  return [`The type of ${columns} is unknown: run tools/describe_model.py in the project.`];
}

const typeOfLabel: Readonly<Record<string, string>> = { string: 'string', number: 'long', boolean: 'boolean' };

function outputsOf(estimator: Value): { outputs?: Field[] } {
  const fields = fieldsOf(estimator);
  const classes = elementsOf(fields.get('classes_'));
  if (classes?.length)
    return { outputs: [{ name: 'predictions', type: typeOfLabel[typeof classes[0]] ?? 'long', shape: [-1] }] };
  return /Regress|Ridge|Lasso|SVR/.test(classOf(estimator)?.name ?? '')
    ? { outputs: [{ name: 'predictions', type: 'double', shape: [-1] }] }
    : {};
}

/** Warns about functions stored as bytecode, which works with one version of Python only. */
function warningsOf(globals: readonly Global[]): string[] {
  const code = globals.some(({ module, name }) => /^(cloudpickle|dill)/.test(module) || name === 'CodeType');
  return code
    ? [
        'It contains functions as bytecode, which runs only on the Python version that saved it: pass that version with --python-version.',
      ]
    : [];
}
