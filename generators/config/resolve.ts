// Turns sources into answers, or lists all problems at once. Never throws for bad input.
import { doubts } from './doubts.js';
import { type Answers, flagOf, type Key, type Machine, table, variableOf } from './parameters.js';
import { noSource, type Problem } from './problems.js';
import { conflicts } from './rules.js';
import { type Settled, settle } from './settle.js';
import { type Source, withInstanceImplied } from './sources.js';
import { valuesOf } from './values.js';

/** Merges the sources, highest precedence first, and checks the result. */
export function resolve(sources: readonly Source[], machine: Machine = {}): Settled {
  const settled = settle(sources.map(withInstanceImplied));
  const { answers, origins, open } = settled;
  const unread = settled.problems.some(({ key }) => key === 'model'); // it would have set the framework
  const expected = open.filter((key) => !(unread && key === 'framework'));
  const problems = [...settled.problems, ...missing(expected, answers), ...conflicts(answers, origins)];
  const warnings = [...settled.warnings, ...(problems.length ? [] : doubts(answers, machine))];
  return { ...settled, problems, warnings };
}

function missing(open: readonly Key[], answers: Answers): Problem[] {
  const absent = open.filter((key) => table[key].required && answers[key] === undefined);
  return absent.map((key) => {
    const values = valuesOf(key).join(', ') || table[key].rule;
    const passModel = key === 'framework' && !answers.model ? 'pass your model with --model=PATH, or ' : '';
    const hint = `${passModel}set ${flagOf(key)}=…, ${variableOf(key)}, or "${key}" in a config file${values && `: ${values}`}`;
    return { key, from: noSource, message: `${key} is required`, hint };
  });
}
