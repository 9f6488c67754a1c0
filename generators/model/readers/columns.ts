// The DataFrame columns that a scikit-learn model was trained on, with the types that follow from its steps.
// templates/container/code/serving/estimators.py does the same for the loaded model.
import type { Field } from '../facts.js';
import { elementsOf, fieldsOf, itemsOf } from '../numpy-array.js';
import type { Value } from '../pickle.js';
import { classOf, isInstance, stepsOf } from './pickle.js';
import { columnsIn } from './xgboost.js';

type Known = Map<string, Pick<Field, 'type' | 'example'>>;

const vectorizer = /^(Count|Tfidf|Hashing)Vectorizer$/;
const MAX_DEPTH = 20;

/** The type of a column whose type is unknown. */
export const ANY = 'any';

/** The columns with these names. Their type is a number unless the steps imply another. */
export function columnsOf(model: Value, names: readonly string[]): Field[] {
  const known: Known = new Map();
  findTypes(model, names, known, 0);
  return names.map((name) => ({ name, type: 'double', shape: [-1], ...known.get(name) }));
}

/** Whether a model needs a DataFrame: it selects columns by name, or has columns that are not numbers. */
export const needsFrame = (model: Value, columns: readonly Field[]) =>
  columns.some(({ type, example }) => type === ANY || example !== undefined) || selectsColumns(model, 0);

function selectsColumns(model: Value, depth: number): boolean {
  if (depth > MAX_DEPTH) return false;
  return partsOf(model, []).length > 0 || innerEstimators(model).some((part) => selectsColumns(part, depth + 1));
}

/** The estimators inside a search, pipeline, union, voting estimator or the like. */
const innerEstimators = (model: Value): Value[] =>
  [...fittedIn(model), ...stepsOf(model), ...unionOf(model)].filter(isInstance);

const unionOf = (model: Value) => itemsOf(fieldsOf(model).get('transformer_list')).map((part) => itemsOf(part)[1]);

/** The estimators that another one has fitted, in its attributes with a trailing underscore or inside a calibration. */
const fittedIn = (model: Value): Value[] =>
  [...fieldsOf(model)]
    .filter(([name]) => name.endsWith('_') && !name.startsWith('_'))
    .flatMap(([, value]) => (isInstance(value) ? [value] : itemsOf(value).filter(isInstance)))
    .map((each) => fieldsOf(each).get('estimator') ?? each)
    .filter((each) => isInstance(each) && (fieldsOf(each).has('feature_names_in_') || stepsOf(each).length > 0));

/** The parts of a ColumnTransformer, or the preprocessor of gradient boosting, each with the names of its columns. */
function partsOf(model: Value, names: readonly string[]): [part: Value, own: readonly string[]][] {
  const fields = fieldsOf(model);
  const before = fields.get('_preprocessor');
  if (isInstance(before)) return [[before, names]];
  if (classOf(model)?.name !== 'ColumnTransformer') return [];
  const parts = itemsOf(fields.get('transformers_')).map(itemsOf);
  return parts.map(([, part, choice]) => {
    const chosen = typeof choice === 'string' ? [choice] : (elementsOf(choice) ?? itemsOf(choice));
    if (chosen.length && chosen.every((each) => typeof each === 'boolean'))
      return [part, names.filter((_, at) => chosen[at])];
    return [part, chosen.map((each) => (typeof each === 'number' ? (names[each] ?? '') : String(each)))];
  });
}

/** Adds the column types that follow from a model's steps to `known`. */
function findTypes(model: Value, names: readonly string[], known: Known, depth: number): void {
  if (!isInstance(model) || depth > MAX_DEPTH) return;
  const parts = partsOf(model, names);
  for (const [part, own] of parts) findTypes(part, own, known, depth + 1);
  if (isInstance(fieldsOf(model).get('_preprocessor')))
    for (const name of names) if (known.get(name)?.type === ANY) known.delete(name); // the trees take numbers
  if (parts.length) return;
  const first = stepsOf(model).find(isInstance);
  const inside = first ? [first] : [...fittedIn(model), ...unionOf(model)];
  for (const each of inside) findTypes(each, names, known, depth + 1);
  if (inside.length) return;
  const values = valuesByColumn(model);
  for (const [at, name] of names.entries()) {
    const example = values?.[at]?.find((value) => typeof value === 'string');
    if (example !== undefined) known.set(name, { type: 'string', example });
    else if (vectorizer.test(classOf(model)?.name ?? '')) known.set(name, { type: 'string' });
    else if (hidesTypes(model)) known.set(name, { type: ANY });
  }
}

/** Known values of each column: an encoder's categories, or the value that an imputer derived from the column. */
function valuesByColumn(model: Value) {
  const fields = fieldsOf(model);
  if (fields.has('categories_')) return itemsOf(fields.get('categories_')).map(elementsOf);
  return fields.get('strategy') === 'constant'
    ? undefined
    : elementsOf(fields.get('statistics_'))?.map((each) => [each]);
}

/** Whether a step says nothing about its input types: a function, a custom class, or an imputer of a constant. */
function hidesTypes(model: Value): boolean {
  const { module = '', name = '' } = classOf(model) ?? {};
  if (fieldsOf(model).get('strategy') === 'constant') return true;
  if (name === 'FunctionTransformer') return Boolean(fieldsOf(model).get('func')); // without one it changes nothing
  return !/^(sklearn|lightgbm|xgboost|catboost)\b/.test(module);
}

/** The columns of an LGBMModel or XGBModel, which are stored in its booster. */
export function columnsOfBooster(model: Value): Field[] | undefined {
  const booster = fieldsOf(fieldsOf(model).get('_Booster'));
  const handle = booster.get('handle') ?? booster.get('_handle');
  if (typeof handle === 'string') return columnsOfLightgbm(handle, booster.get('pandas_categorical'));
  const bytes = isInstance(handle) ? itemsOf(handle.args)[0] : handle; // bytearray(bytes)
  return typeof bytes === 'object' && bytes?.is === 'bytes' ? columnsIn(bytes.start) : undefined;
}

/** The columns in the header of a model as text. `categories` has a list for each categorical column. */
function columnsOfLightgbm(text: string, categories: Value): Field[] | undefined {
  const line = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1]?.split(' ') ?? [];
  const [names, kinds, lists] = [line('feature_names'), line('feature_infos'), [...itemsOf(categories)]];
  if (!names.length || names.every((name, at) => name === `Column_${at}`)) return undefined;
  return names.map((name, at) => {
    const example = /^-?\d+(:|$)/.test(kinds[at] ?? '') ? itemsOf(lists.shift())[0] : undefined;
    const field = { name, type: typeof example === 'string' ? 'string' : 'double', shape: [-1] };
    return typeof example === 'string' || typeof example === 'number' ? { ...field, example } : field;
  });
}
