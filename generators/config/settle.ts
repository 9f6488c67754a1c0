// Merges sources into answers: each parameter gets its valid value of highest precedence, or its default.
import { entryOf } from '../catalog/frameworks.js';
import { type Answers, type Key, type Known, keys, type Machine, table } from './parameters.js';
import { didYouMean, type Problem, show } from './problems.js';
import type { Given, Source } from './sources.js';
import { valuesOf } from './values.js';

/** The merged sources: the answers, their origins, the open parameters, and the problems. */
export interface Settled {
  answers: Answers;
  origins: Readonly<Partial<Record<Key, string>>>;
  /** Parameters that apply but have no value in any source. */
  open: readonly Key[];
  problems: readonly Problem[];
  warnings: readonly string[];
}

type Candidate = Given & { source: Source };

/**
 * Decides every parameter, in the order of the table. The source of highest precedence comes first. A value that does
 * not fit the others is a problem; if another value of its source was overridden, only a warning, and it is ignored.
 */
export function settle(sources: readonly Source[]): Settled {
  const answers: Record<string, unknown> = {};
  const origins: Partial<Record<Key, string>> = {};
  const open: Key[] = [];
  const problems = sources.flatMap((source) => source.problems);
  const warnings = sources.flatMap((source) => source.warnings);
  const overridden = new Set<Source>();
  for (const key of keys) {
    const candidates = sources.flatMap((source) =>
      source.values.filter((given) => given.key === key).map((given) => ({ ...given, source })),
    );
    const chosen = choose(key, candidates, answers, overridden, { problems, warnings });
    if (chosen) {
      answers[key] = chosen.value;
      origins[key] = chosen.from;
      for (const other of candidates) if (show(other.value) !== show(chosen.value)) overridden.add(other.source);
    } else if (chosen === undefined && applies(key, answers)) {
      open.push(key);
      answers[key] = table[key].default?.(answers);
      if (answers[key] !== undefined) origins[key] = 'default';
    }
  }
  for (const [key, value] of Object.entries(answers)) if (value === undefined) delete answers[key];
  return { answers, origins, open, problems, warnings };
}

/** The first candidate that fits; null if it is invalid, undefined if there is none. */
function choose(
  key: Key,
  candidates: readonly Candidate[],
  known: Known,
  overridden: ReadonlySet<Source>,
  into: { problems: Problem[]; warnings: string[] },
): Candidate | null | undefined {
  for (const candidate of candidates) {
    const invalid = malformed(candidate);
    const misfit = invalid ? undefined : (doesNotFit(candidate, known) ?? isLeftover(candidate, known));
    if (!invalid && !misfit) return candidate;
    if (misfit && overridden.has(candidate.source)) {
      into.warnings.push(`${key} ${show(candidate.value)} (from ${candidate.from}) is ignored: ${misfit.message}`);
      continue;
    }
    into.problems.push((invalid ?? misfit) as Problem);
    return null;
  }
  return undefined;
}

function applies(key: Key, known: Known): boolean {
  const { onlyFor } = table[key];
  return !onlyFor || onlyFor.when(known) === true;
}

/** The values that fit the answers so far. */
export function choicesFor(key: Key, known: Known): readonly unknown[] {
  const { choices, offers } = table[key];
  return (choices ?? offers)?.(known) ?? valuesOf(key);
}

/** The values that a prompt offers; empty if any text can be valid. */
export function offersFor(key: Key, known: Known, machine?: Machine): readonly unknown[] {
  const { choices, offers } = table[key];
  return offers?.(known, machine) ?? choices?.(known) ?? valuesOf(key);
}

/** What is wrong with a value by itself. */
export function malformed({ key, value, from }: Given): Problem | undefined {
  const { schema, rule } = table[key];
  if (schema.safeParse(value).success) return undefined;
  const known = valuesOf(key).map(String);
  const wanted = rule ? `valid; expected ${rule}` : known.length ? `one of ${known.join(', ')}` : 'true or false';
  const near = (Array.isArray(value) ? value : [value]).map((each) => didYouMean(String(each), known)).find(Boolean);
  const hint = suggestValue(key, value) ?? near;
  if (Array.isArray(value) && !value.length) return { key, from, message: `no value: choose ${rule}` };
  const invalid = Array.isArray(value) ? value.find((each) => !schema.safeParse([each]).success) : value;
  return { key, from, message: `${show(invalid)} is not ${wanted}`, ...(hint && { hint }) };
}

/** What is wrong with a value, given the answers it depends on. */
function doesNotFit({ key, value, from }: Given, known: Known): Problem | undefined {
  const { onlyFor, choices, more } = table[key];
  if (onlyFor?.when(known) === false) {
    return { key, from, message: `${key} applies only to ${onlyFor.why}`, hint: 'leave it out' };
  }
  const fitting = choices?.(known);
  if (!fitting || fitting.includes(value)) return undefined;
  const library = known.framework && (decidingLibrary(key, known) ?? known.framework);
  const list = choicesFor(key, known).join(', ');
  if (more && choices?.({ ...known, ...more.with })?.includes(value))
    return {
      key,
      from,
      message: `${show(value)} supports only ${more.only}`,
      hint: `add ${more.flag}, or use one of: ${list}`,
    };
  const message = library ? `${library} does not support ${show(value)}` : `${show(value)} does not work`;
  return { key, from, message, hint: `use one of: ${list}` };
}

/** The library whose version decides which values fit: that of the Python version. */
function decidingLibrary(key: Key, { framework, frameworkVersion, runtime }: Known): string | undefined {
  if (key !== 'pythonVersion' || !framework) return undefined;
  return runtime === 'onnx' ? 'ONNX Runtime' : frameworkVersion && `${entryOf(framework).label} ${frameworkVersion}`;
}

/** What is wrong with a value that belongs to another answer, such as the version of another framework. */
function isLeftover({ key, value, from, source }: Candidate, known: Known): Problem | undefined {
  const owner = table[key].belongsTo;
  const given = owner && source.values.find((each) => each.key === owner);
  if (!given || known[owner] === undefined || given.value === known[owner]) return undefined;
  return { key, from, message: `${show(value)} is a version of ${String(given.value)}` };
}

/** Derives a valid project name from a text: My_Model → my-model. Empty if that is not possible. */
export const projectNameFrom = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[-0-9]+/, '')
    .slice(0, 40)
    .replace(/-$/, '');

/** Values that the user probably meant, by key. */
const corrections: Partial<Record<Key, (text: string) => string[]>> = {
  projectName: (text) => [projectNameFrom(text)],
  instanceType: (text) => (text.startsWith('ml.') ? [] : [`ml.${text}`]),
  customInstanceType: (text) => (text.startsWith('ml.') ? [] : [`ml.${text}`]),
  frameworkVersion: (text) => text.match(/\d+\.\d+(\.\d+)?/)?.slice(0, 1) ?? [],
  modelName: (text) => [`${text}/`, text.replace(/^https:\/\/(www\.)?huggingface\.co\//, '').replace(/\/$/, '')],
};

/** What to do instead of giving a value that users often try. */
const advice: Partial<Record<Key, readonly [RegExp, string]>> = {
  frameworkVersion: [/^(latest|newest)$/i, 'leave it out for the newest version'],
  packages: [/[<>~!]|[^=]=[^=]/, 'give the name alone, or the exact version'],
};

function suggestValue(key: Key, value: unknown): string | undefined {
  const [pattern, text] = advice[key] ?? [];
  if (pattern?.test(String(value))) return text;
  if (typeof value !== 'string') return undefined;
  const found = corrections[key]?.(value).find((each) => table[key].schema.safeParse(each).success);
  return found && `try ${found}`;
}
