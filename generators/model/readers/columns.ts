// The columns of a DataFrame that a model of scikit-learn was trained on, with the types that its steps tell.
// templates/container/code/serving/estimators.py asks the loaded model the same.
import type { Field } from '../facts.js';
import { elementsOf, fieldsOf, itemsOf } from '../numpy-array.js';
import type { Value } from '../pickle.js';
import { classOf, isInstance, stepsOf } from './pickle.js';

type Known = Map<string, Pick<Field, 'type' | 'example'>>;

const vectorizer = /^(Count|Tfidf|Hashing)Vectorizer$/;
const MAX_DEPTH = 20;

/** The columns with these names; those of which the steps tell nothing are numbers. */
export function columnsOf(model: Value, names: readonly string[]): Field[] {
  const known: Known = new Map();
  learn(model, names, known, 0);
  return names.map((name) => ({ name, type: 'double', shape: [-1], ...known.get(name) }));
}

/** Whether a model picks columns by name, or takes other than numbers: it needs a DataFrame. */
export const needsFrame = (model: Value, columns: readonly Field[]) =>
  columns.some(({ example }) => example !== undefined) || picks(model, 0);

function picks(model: Value, depth: number): boolean {
  if (depth > MAX_DEPTH) return false;
  return partsOf(model, []).length > 0 || insideOf(model).some((part) => picks(part, depth + 1));
}

/** The estimators in a search, a pipeline or a union. */
function insideOf(model: Value): Value[] {
  const fields = fieldsOf(model);
  const union = itemsOf(fields.get('transformer_list')).map((part) => itemsOf(part)[1]);
  return [fields.get('best_estimator_'), ...stepsOf(model), ...union].filter(isInstance);
}

/** The parts of a ColumnTransformer, with the names of their columns. */
function partsOf(model: Value, names: readonly string[]): [part: Value, own: readonly string[]][] {
  if (classOf(model)?.name !== 'ColumnTransformer') return [];
  const parts = itemsOf(fieldsOf(model).get('transformers_')).map(itemsOf);
  return parts.map(([, part, choice]) => {
    const chosen = typeof choice === 'string' ? [choice] : (elementsOf(choice) ?? itemsOf(choice));
    return [part, chosen.map((each) => (typeof each === 'number' ? (names[each] ?? '') : String(each)))];
  });
}

function learn(model: Value, names: readonly string[], known: Known, depth: number): void {
  if (!isInstance(model) || depth > MAX_DEPTH) return;
  const parts = partsOf(model, names);
  for (const [part, own] of parts) learn(part, own, known, depth + 1);
  if (parts.length) return;
  const fields = fieldsOf(model);
  const union = itemsOf(fields.get('transformer_list')).map((part) => itemsOf(part)[1]);
  const first = fields.get('best_estimator_') ?? stepsOf(model).find(isInstance);
  for (const each of first ? [first] : union) learn(each, names, known, depth + 1);
  if (vectorizer.test(classOf(model)?.name ?? '')) for (const name of names) known.set(name, { type: 'string' });
  const categories = itemsOf(fields.get('categories_'));
  for (const [at, name] of names.entries()) {
    const example = elementsOf(categories[at])?.find((value) => typeof value === 'string');
    if (example !== undefined) known.set(name, { type: 'string', example });
  }
}
