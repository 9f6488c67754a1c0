// From sources to answers: for each parameter the strongest value that is given, checked; else its default.
import { type Answers, flagOf, type Key, type Known, keys, type Machine, table } from './parameters.js';
import { didYouMean, type Problem, show } from './problems.js';
import type { Given, Source } from './sources.js';
import { valuesOf } from './values.js';

/** What the sources come to: the answers, where each came from, what is still open, and what is wrong. */
export interface Settled {
  answers: Answers;
  origins: Readonly<Partial<Record<Key, string>>>;
  /** Parameters that apply and that no source gives a value for. */
  open: readonly Key[];
  problems: readonly Problem[];
  warnings: readonly string[];
}

type Candidate = Given & { source: Source };

/**
 * Settles every parameter, in the table's order. Sources come strongest first. A value that does not fit the others is a
 * problem, unless its source was overruled elsewhere: then it is a leftover, and gives way with a warning.
 */
export function settle(sources: readonly Source[]): Settled {
  const answers: Record<string, unknown> = {};
  const origins: Partial<Record<Key, string>> = {};
  const open: Key[] = [];
  const problems = sources.flatMap((source) => source.problems);
  const warnings = sources.flatMap((source) => source.warnings);
  const overruled = new Set<Source>();
  for (const key of keys) {
    const candidates = sources.flatMap((source) =>
      source.values.filter((given) => given.key === key).map((given) => ({ ...given, source })),
    );
    const chosen = choose(key, candidates, answers, overruled, { problems, warnings });
    if (chosen) {
      answers[key] = chosen.value;
      origins[key] = chosen.from;
      for (const other of candidates) if (show(other.value) !== show(chosen.value)) overruled.add(other.source);
    } else if (chosen === undefined && applies(key, answers)) {
      open.push(key);
      answers[key] = table[key].default?.(answers);
      if (answers[key] !== undefined) origins[key] = 'default';
    }
  }
  for (const [key, value] of Object.entries(answers)) if (value === undefined) delete answers[key];
  return { answers, origins, open, problems, warnings };
}

/** The strongest candidate that fits; null where the strongest is wrong, undefined where there is none. */
function choose(
  key: Key,
  candidates: readonly Candidate[],
  known: Known,
  overruled: ReadonlySet<Source>,
  into: { problems: Problem[]; warnings: string[] },
): Candidate | null | undefined {
  for (const candidate of candidates) {
    const bad = malformed(candidate);
    const misfit = bad ? undefined : (doesNotFit(candidate, known) ?? isLeftover(candidate, known));
    if (!bad && !misfit) return candidate;
    if (misfit && overruled.has(candidate.source)) {
      into.warnings.push(`${key} ${show(candidate.value)} from ${candidate.from} gives way: ${misfit.message}`);
      continue;
    }
    into.problems.push((bad ?? misfit) as Problem);
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

/** The values that a prompt offers; none where any text may be one. */
export function offersFor(key: Key, known: Known, machine?: Machine): readonly unknown[] {
  const { choices, offers } = table[key];
  return offers?.(known, machine) ?? choices?.(known) ?? valuesOf(key);
}

/** What is wrong with a value by itself. */
export function malformed({ key, value, from }: Given): Problem | undefined {
  const { schema, rule } = table[key];
  if (schema.safeParse(value).success) return undefined;
  const known = valuesOf(key).map(String);
  const wanted = rule ? `valid: ${rule}` : known.length ? `one of ${known.join(', ')}` : 'true or false';
  const near = (Array.isArray(value) ? value : [value]).map((each) => didYouMean(String(each), known)).find(Boolean);
  const hint = near ?? suggestName(key, value);
  return { key, from, message: `${show(value)} is not ${wanted}`, ...(hint && { hint }) };
}

/** What is wrong with a value, given the answers it depends on. */
function doesNotFit({ key, value, from }: Given, known: Known): Problem | undefined {
  const { onlyFor, choices, more } = table[key];
  if (onlyFor?.when(known) === false) {
    return { key, from, message: `${key} is only for ${onlyFor.why}`, hint: `leave ${flagOf(key)} out` };
  }
  const fitting = choices?.(known);
  if (!fitting || fitting.includes(value)) return undefined;
  const whose = known.framework ? ` with ${known.framework}` : '';
  const list = choicesFor(key, known).join(', ');
  if (more && choices?.({ ...known, ...more.with })?.includes(value))
    return { key, from, message: `${show(value)} is for ${more.only} only`, hint: `${more.flag}, or one of ${list}` };
  return { key, from, message: `${show(value)} does not work${whose}`, hint: `what works: ${list}` };
}

/** What is wrong with a value that was given for another answer, such as the version of another framework. */
function isLeftover({ key, value, from, source }: Candidate, known: Known): Problem | undefined {
  const owner = table[key].belongsTo;
  const given = owner && source.values.find((each) => each.key === owner);
  if (!given || given.value === known[owner]) return undefined;
  return { key, from, message: `${show(value)} is of ${String(given.value)}` };
}

/** A legal project name near a text: My_Model → my-model; empty where there is none. */
export const projectNameFrom = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[-0-9]+/, '')
    .slice(0, 40)
    .replace(/-$/, '');

function suggestName(key: Key, value: unknown): string | undefined {
  if (key !== 'projectName' || typeof value !== 'string') return undefined;
  const name = projectNameFrom(value);
  return name && `try ${name}`;
}
