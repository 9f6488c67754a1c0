// What the generated servers are meant to reach, and whether they did.
import { models } from './models.js';
import { show } from './numbers.js';
import { connections } from './options.js';
import { find, type Results, type Row } from './results.js';

export interface Verdict {
  goal: string;
  found: string;
  met: boolean | undefined; // undefined: not measured
}

type Judge = (results: Results) => Omit<Verdict, 'goal'> | undefined;

/** A server is so many times as fast as another. */
const times = (server: string, other: string, model: string, count: number, least: number): [string, Judge] => [
  `${server}: at least ${least} times the requests/s of ${other} (${model}, ${count} connections)`,
  ({ rows }) => {
    const [own, base] = [find(rows, model, count, server), find(rows, model, count, other)];
    if (!own || !base) return;
    const ratio = own.rate / base.rate;
    return { found: `${show(ratio)} times`, met: ratio >= least };
  },
];

/** The slowest requests of a server are faster than those of another. */
const lower = (server: string, other: string, model: string, count: number): [string, Judge] => [
  `${server}: a lower p99 than ${other} (${model}, ${count} connections)`,
  ({ rows }) => {
    const [own, base] = [find(rows, model, count, server), find(rows, model, count, other)];
    return own && base && { found: `${show(own.p99)} beside ${show(base.p99)} ms`, met: own.p99 < base.p99 };
  },
];

/** What the server adds to the model's own time, for a client that is alone. */
const added = (server: string, model: string, most: number): [string, Judge] => [
  `${server}: at 1 connection no slower than predict plus ${most} ms (${model}, p50)`,
  ({ rows, predict }) => {
    const [own, alone] = [find(rows, model, 1, server), predict[model]];
    if (!own || alone === undefined) return;
    return { found: `${show(own.p50)} ms, predict ${show(alone)} ms`, met: own.p50 <= alone + most };
  },
];

/** A server answers more requests than others, however many connections there are, whichever the model. */
const ahead = (server: string, others: readonly string[]): [string, Judge] => [
  `${server}: ahead of ${others.join(' and ')} in every row`,
  ({ rows }) => {
    const pairs = models.flatMap(({ name }) =>
      connections.flatMap((count) => {
        const own = find(rows, name, count, server);
        const theirs = others.map((other) => find(rows, name, count, other)).filter((row) => row !== undefined);
        return own ? theirs.map((row) => ({ row, ratio: own.rate / row.rate })) : [];
      }),
    );
    if (pairs.length < models.length * connections.length * others.length) return;
    const closest = pairs.reduce((least, each) => (each.ratio < least.ratio ? each : least));
    const { model, connections: count } = closest.row;
    return { found: `${show(closest.ratio)} times or more (least: ${model}, ${count})`, met: closest.ratio > 1 };
  },
];

/** A server comes so near to one that predicts nothing. */
const near = (server: string, limit: string, model: string, count: number, least: number): [string, Judge] => [
  `${server}: at least ${least * 100} % of the requests/s of ${limit} (${model}, ${count} connections)`,
  ({ rows }) => {
    const [own, base] = [find(rows, model, count, server), find(rows, model, count, limit)];
    return own && base && { found: `${show((own.rate / base.rate) * 100)} %`, met: own.rate / base.rate >= least };
  },
];

const starts = (server: string, most: number): [string, Judge] => [
  `${server}: a good ping within ${most} s of its start`,
  ({ starts }) => {
    const seconds = starts[server];
    return seconds === undefined ? undefined : { found: `${show(seconds)} s`, met: seconds <= most };
  },
];

const answers = (server: string): [string, Judge] => [
  `${server}: every request answered with 200`,
  ({ rows }) => {
    const own = rows.filter((row: Row) => row.server === server);
    const errors = own.reduce((sum, row) => sum + row.errors, 0);
    return own.length === 0 ? undefined : { found: `${errors} errors`, met: errors === 0 };
  },
];

const goals: readonly [string, Judge][] = [
  times('fastapi', 'pattern', 'forest', 32, 10),
  times('fastapi', 'pattern', 'regression', 32, 7),
  lower('fastapi', 'pattern', 'forest', 32),
  lower('fastapi', 'pattern', 'regression', 32),
  times('fastapi', 'pattern', 'forest', 64, 13),
  times('fastapi', 'pattern', 'regression', 64, 8),
  added('fastapi', 'regression', 0.4),
  added('fastapi', 'forest', 0.4),
  times('flask', 'pattern', 'forest', 32, 6),
  times('flask', 'pattern', 'regression', 32, 1.3),
  ahead('fastapi', ['mlserver', 'mlserver-batching']),
  ahead('fastapi', ['bentoml']),
  ahead('fastapi', ['mlflow']),
  near('fastapi', 'bare', 'regression', 32, 0.35),
  starts('fastapi', 1.2),
  starts('flask', 1.2),
  answers('fastapi'),
  answers('flask'),
];

/** Every goal with what was found. */
export const judge = (results: Results): Verdict[] =>
  goals.map(([goal, measured]) => ({ goal, ...(measured(results) ?? { found: '', met: undefined }) }));
