// The columns of a DataFrame that a model of scikit-learn was trained on, with the types that its steps tell.
// templates/container/code/serving/estimators.py asks the loaded model the same.
import type { Field } from '../facts.js';
import { elementsOf, fieldsOf, itemsOf } from '../numpy-array.js';
import type { Value } from '../pickle.js';
import { classOf, isInstance, stepsOf } from './pickle.js';
import { columnsIn } from './xgboost.js';

type Known = Map<string, Pick<Field, 'type' | 'example'>>;

const vectorizer = /^(Count|Tfidf|Hashing)Vectorizer$/;
const MAX_DEPTH = 20;

/** The type of a column that the model does not tell. */
export const ANY = 'any';

/** The columns with these names; numbers, where the steps do not tell. */
export function columnsOf(model: Value, names: readonly string[]): Field[] {
  const known: Known = new Map();
  learn(model, names, known, 0);
  return names.map((name) => ({ name, type: 'double', shape: [-1], ...known.get(name) }));
}

/** Whether a model picks columns by name, or takes other than numbers: it needs a DataFrame. */
export const needsFrame = (model: Value, columns: readonly Field[]) =>
  columns.some(({ type, example }) => type === ANY || example !== undefined) || picks(model, 0);

function picks(model: Value, depth: number): boolean {
  if (depth > MAX_DEPTH) return false;
  return partsOf(model, []).length > 0 || insideOf(model).some((part) => picks(part, depth + 1));
}

/** The estimators in a search, a pipeline, a union, a vote or the like. */
const insideOf = (model: Value): Value[] =>
  [...fittedIn(model), ...stepsOf(model), ...unionOf(model)].filter(isInstance);

const unionOf = (model: Value) => itemsOf(fieldsOf(model).get('transformer_list')).map((part) => itemsOf(part)[1]);

/** The estimators that another one has trained, in its fields that end in an underscore; of a calibration those inside. */
const fittedIn = (model: Value): Value[] =>
  [...fieldsOf(model)]
    .filter(([name]) => name.endsWith('_') && !name.startsWith('_'))
    .flatMap(([, value]) => (isInstance(value) ? [value] : itemsOf(value).filter(isInstance)))
    .map((each) => fieldsOf(each).get('estimator') ?? each)
    .filter((each) => isInstance(each) && (fieldsOf(each).has('feature_names_in_') || stepsOf(each).length > 0));

/** The parts of a ColumnTransformer, with the names of their columns; of gradient boosting the step before its trees. */
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

function learn(model: Value, names: readonly string[], known: Known, depth: number): void {
  if (!isInstance(model) || depth > MAX_DEPTH) return;
  const parts = partsOf(model, names);
  for (const [part, own] of parts) learn(part, own, known, depth + 1);
  if (isInstance(fieldsOf(model).get('_preprocessor')))
    for (const name of names) if (known.get(name)?.type === ANY) known.delete(name); // trees take numbers
  if (parts.length) return;
  const first = stepsOf(model).find(isInstance);
  const inside = first ? [first] : [...fittedIn(model), ...unionOf(model)];
  for (const each of inside) learn(each, names, known, depth + 1);
  if (inside.length) return;
  const lists = listsOf(model);
  for (const [at, name] of names.entries()) {
    const example = lists?.[at]?.find((value) => typeof value === 'string');
    if (example !== undefined) known.set(name, { type: 'string', example });
    else if (vectorizer.test(classOf(model)?.name ?? '')) known.set(name, { type: 'string' });
    else if (tellsNothing(model)) known.set(name, { type: ANY });
  }
}

/** Values of each column: an encoder's categories, or what an imputer fills in where that is of the column. */
function listsOf(model: Value) {
  const fields = fieldsOf(model);
  if (fields.has('categories_')) return itemsOf(fields.get('categories_')).map(elementsOf);
  return fields.get('strategy') === 'constant'
    ? undefined
    : elementsOf(fields.get('statistics_'))?.map((each) => [each]);
}

/** Whether a step is a function, a class of the user's own, or fills in a constant. */
function tellsNothing(model: Value): boolean {
  const { module = '', name = '' } = classOf(model) ?? {};
  if (fieldsOf(model).get('strategy') === 'constant') return true;
  if (name === 'FunctionTransformer') return Boolean(fieldsOf(model).get('func')); // without one it passes all through
  return !/^(sklearn|lightgbm|xgboost|catboost)\b/.test(module);
}

/** The columns of scikit-learn's interface to LightGBM or XGBoost, which the booster inside knows. */
export function columnsOfBooster(model: Value): Field[] | undefined {
  const booster = fieldsOf(fieldsOf(model).get('_Booster'));
  const handle = booster.get('handle') ?? booster.get('_handle');
  if (typeof handle === 'string') return columnsOfLightgbm(handle, booster.get('pandas_categorical'));
  const bytes = isInstance(handle) ? itemsOf(handle.args)[0] : handle; // a bytearray of bytes
  return typeof bytes === 'object' && bytes?.is === 'bytes' ? columnsIn(bytes.start) : undefined;
}

/** Those of a model as text: its first part is enough. The lists of categories are those of its categorical columns. */
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
