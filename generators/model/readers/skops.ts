// skops: a zip archive with a tree of objects in JSON, and arrays in separate files. Source: skops/io/_persist.py.
import { packagesBeyondSklearn } from '../../catalog/packages.js';
import type { Bytes } from '../bytes.js';
import { type Facts, type Field, UnreadableError } from '../facts.js';
import { guarded } from '../guard.js';
import { listOf, numberOf, objectOf, parseJson, textOf, valueAt } from '../json.js';
import { readNpy } from '../npy.js';
import { type Member, members, readMember } from '../zip.js';

const WHAT = 'skops file';
const SCHEMA = 'schema.json';
const MAX_SCHEMA = 16 << 20;
const MAX_ARRAY = 1 << 20;
/** Attributes of scikit-learn objects with the version, inputs and classes. */
const WANTED = ['_sklearn_version', 'n_features_in_', 'feature_names_in_', 'classes_'] as const;
/** Text vectorizers: the feature counts of later steps are those of its output, not of the model's input. */
const TEXT_MODULE = 'sklearn.feature_extraction.text';
const FRAME_MODULES = /^sklearn\.(compose\._column_transformer|preprocessing\._encoders)$/;
const TEXTS: readonly Field[] = [{ name: 'texts', type: 'string', shape: [-1] }];
type Wanted = (typeof WANTED)[number];

/** Reads a scikit-learn model saved with skops. */
export function readSkops(bytes: Bytes): Facts {
  const all = members(bytes);
  const schema = all.find(({ name }) => name === SCHEMA);
  if (!schema)
    throw new UnreadableError(`the zip archive has no ${SCHEMA}`, 'save the model with skops.io.dump(model, path)');
  return guarded(WHAT, () => {
    const root = objectOf(parseJson(readMember(bytes, schema, MAX_SCHEMA)));
    const { modules, found } = walk(root);
    const attribute = (name: Wanted) => decode(found.get(name), bytes, all);
    const version = textOf(attribute('_sklearn_version'));
    const classes = listOf(attribute('classes_')).filter(isLabel);
    const columns = listOf(attribute('feature_names_in_'));
    const takesTexts = !columns.length && modules.has(TEXT_MODULE);
    const takesFrame = columns.length > 0 && [...modules.keys()].some((name) => FRAME_MODULES.test(name));
    const packages = [...packagesBeyondSklearn(modules.keys()), ...(takesFrame ? ['pandas'] : [])];
    const inputs = takesTexts ? TEXTS : inputsOf(columns, numberOf(oneOf(attribute('n_features_in_'))), takesFrame);
    return {
      what: `skops file of ${textOf(root.__class__) ?? 'an object'}`,
      framework: 'sklearn',
      modelFormat: 'skops',
      ...(version && { frameworkVersion: version }),
      savedBy: `skops ${textOf(root._skops_version) ?? ''}`.trim(),
      modules,
      ...(packages.length && { packages }),
      ...(inputs.length && { inputs }),
      ...(columns.length && { byName: true }),
      ...(classes.length && { classes }),
    };
  });
}

const isLabel = (value: unknown): value is string | number | boolean =>
  ['string', 'number', 'boolean'].includes(typeof value);
const oneOf = (value: unknown) => (Array.isArray(value) ? value[0] : value);

function inputsOf(names: readonly unknown[], count: number | undefined, takesFrame: boolean): readonly Field[] {
  const type = takesFrame ? 'any' : 'double'; // the steps could tell the type, but are not read
  if (names.length) return names.map((name) => ({ name: String(name), type, shape: [-1] }));
  return count === undefined ? [] : [{ name: 'inputs', type: 'double', shape: [-1, count] }];
}

interface Found {
  readonly modules: Map<string, Set<string>>;
  /** The first occurrence of each attribute, breadth first: a pipeline's own before those of its steps. */
  readonly found: Map<string, unknown>;
}

/** Walks the tree level by level. Each object has a class and a module; dicts have their entries in `content`. */
function walk(root: unknown): Found {
  const seen: Found = { modules: new Map(), found: new Map() };
  for (let level: unknown[] = [root]; level.length; ) {
    const next: unknown[] = [];
    for (const value of level) {
      if (typeof value !== 'object' || value === null) continue;
      if (!Array.isArray(value)) note(seen, objectOf(value));
      for (const each of Object.values(value)) next.push(each);
    }
    level = next;
  }
  return seen;
}

function note({ modules, found }: Found, object: Readonly<Record<string, unknown>>): void {
  const [module, name] = [textOf(object.__module__), textOf(object.__class__)];
  if (module && name && module !== 'builtins') modules.set(module, (modules.get(module) ?? new Set()).add(name));
  for (const wanted of WANTED)
    if (!found.has(wanted) && valueAt(object, wanted, '__loader__')) found.set(wanted, object[wanted]);
}

/** The value of a node, which is stored as JSON, as a list of nodes, or as an array in a separate file. */
function decode(node: unknown, bytes: Bytes, all: readonly Member[]): unknown {
  const content = valueAt(node, 'content');
  if (valueAt(node, '__loader__') === 'JsonNode') return parseJson(Buffer.from(textOf(content) ?? 'null'));
  if (Array.isArray(content))
    return content.map((each) => parseJson(Buffer.from(textOf(valueAt(each, 'content')) ?? 'null')));
  const file = all.find(({ name }) => name === valueAt(node, 'file'));
  return file && file.size <= MAX_ARRAY ? readNpy(readMember(bytes, file, MAX_ARRAY)) : undefined;
}
