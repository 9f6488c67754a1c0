// Performance goals of the generated servers, and whether they are met.
import { ratiosOf } from './content.js';
import { models } from './models.js';
import { countConnections, percent, show } from './numbers.js';
import { connections } from './options.js';
import { find, type Results } from './results.js';

export interface Verdict {
  goal: string;
  found: string;
  met: boolean | undefined; // undefined: not measured
}

type Judge = (results: Results) => Omit<Verdict, 'goal'> | undefined;
type Goal = readonly [goal: string, judge: Judge];

const base = 'pattern';
const peers = [['mlserver', 'mlserver-batching'], ['bentoml'], ['mlflow'], ['mms'], ['gevent']];
const names = models.map(({ name }) => name);

/** By server and model: the required multiple of the pattern's requests/s, at 1 and at 32 connections. */
const ratios = {
  fastapi: { regression: [2, 10], forest: [14, 45], boosting: [4, 12] },
  'fastapi-onnx': { regression: [3.5, 10], forest: [17, 48] },
  flask: { regression: [1, 2.5], forest: [8, 15] },
} as const;

/** A server is at least `min` times as fast as the pattern. */
const times = (server: string, model: string, count: number, min: number): Goal => [
  `${server}: at least ${min === 1 ? 'as many requests/s as' : `${min} times the requests/s of`} ${base} (${model}, ${countConnections(count)})`,
  ({ rows }) => {
    const [own, other] = [find(rows, model, count, server), find(rows, model, count, base)];
    if (!own || !other) return;
    const ratio = own.rate / other.rate;
    return { found: `${show(ratio)} times`, met: ratio >= min };
  },
];

/** The slowest requests of a server are faster than half of those of the pattern. */
const lower = (server: string, model: string): Goal => [
  `${server}: p99 below the p50 of ${base} (${model}, 32 connections)`,
  ({ rows }) => {
    const [own, other] = [find(rows, model, 32, server), find(rows, model, 32, base)];
    return own && other && { found: `${show(own.p99)} ms and ${show(other.p50)} ms`, met: own.p99 < other.p50 };
  },
];

/** The server's overhead over the library's own time, for a single client. */
const added = (server: string, model: string): Goal => [
  `${server}: at 1 connection, p50 at most 0.3 ms above \`predict()\` (${model})`,
  ({ rows, predict }) => {
    const [own, alone] = [find(rows, model, 1, server), predict[model]];
    if (!own || alone === undefined) return;
    return { found: `${show(own.p50)} ms, \`predict()\` ${show(alone)} ms`, met: own.p50 <= alone + 0.3 };
  },
];

/** A server answers more requests than others for every model and number of connections. */
const ahead = (server: string, others: readonly string[]): Goal => [
  `${server}: ahead of ${others.join(' and ')} in every row`,
  ({ rows }) => {
    const pairs = names.flatMap((name) =>
      connections.flatMap((count) => {
        const own = find(rows, name, count, server);
        const theirs = others.map((other) => find(rows, name, count, other)).filter((row) => row !== undefined);
        return own ? theirs.map((row) => ({ row, ratio: own.rate / row.rate })) : [];
      }),
    );
    if (pairs.length < names.length * connections.length * others.length) return;
    const closest = pairs.reduce((slowest, each) => (each.ratio < slowest.ratio ? each : slowest));
    const { model, connections: count } = closest.row;
    return {
      found: `${show(closest.ratio)} times or more (lowest: ${model}, ${countConnections(count)})`,
      met: closest.ratio > 1,
    };
  },
];

/** A server reaches at least this share of the speed of one that predicts nothing. */
const near = (server: string, model: string, min: number): Goal => [
  `${server}: at least ${percent(min)} of the requests/s of bare (${model}, 32 connections)`,
  ({ rows }) => {
    const [own, limit] = [find(rows, model, 32, server), find(rows, model, 32, 'bare')];
    return own && limit && { found: `${show((own.rate / limit.rate) * 100)} %`, met: own.rate / limit.rate >= min };
  },
];

/** One of many models reaches at least this share of the requests/s of the same model alone. */
const shared = (min: number): Goal => [
  `many models: at least ${percent(min)} of the requests/s of one model's server (32 connections)`,
  ({ many }) => many && { found: `${show((many.among / many.alone) * 100)} %`, met: many.among / many.alone >= min },
];

/** A content type is read and written at these shares of JSON's speed. */
const content = (type: string, count: string): Goal => [
  `${type}, ${Number(count).toLocaleString('en-US')} ${count === '1' ? 'record' : 'records'}: at least 0.75 × JSON's speed when reading and 0.33 × when writing`,
  ({ content }) => {
    if (!content) return;
    const [read, write] = ratiosOf(content, count, type);
    return { found: `${show(read)} and ${show(write)}`, met: read >= 0.75 && write >= 0.33 };
  },
];

const starts = (server: string, max: number): Goal => [
  `${server}: a successful ping within ${max} s of its start`,
  ({ starts }) => {
    const seconds = starts[server];
    return seconds === undefined ? undefined : { found: `${show(seconds)} s`, met: seconds <= max };
  },
];

/** Images are hardly larger than their base and packages. */
const small = (max: number): Goal => [
  `images: at most ${percent(max)} larger than their base and packages`,
  ({ frameworks }) => {
    const { base, built = {} } = frameworks?.images ?? {};
    if (!base || Object.keys(built).length === 0) return;
    const largest = Math.max(...Object.values(built).map(({ size, packages }) => size / (base.size + packages) - 1));
    return { found: percent(largest), met: largest <= max };
  },
];

const answers = (server: string): Goal => [
  `${server}: all responses have status 200`,
  ({ rows }) => {
    const own = rows.filter((row) => row.server === server);
    const errors = own.reduce((sum, row) => sum + row.errors, 0);
    return own.length === 0 ? undefined : { found: `${errors} errors`, met: errors === 0 };
  },
];

const goals: readonly Goal[] = [
  ...Object.entries(ratios).flatMap(([server, byModel]) =>
    Object.entries(byModel).flatMap(([model, [one, many]]) => [
      times(server, model, 1, one),
      times(server, model, 32, many),
    ]),
  ),
  ...Object.entries({ fastapi: 0.3, 'fastapi-onnx': 0.45 }).flatMap(([server, share]) => [
    ...names.map((name) => added(server, name)),
    ...names.map((name) => lower(server, name)),
    ...names.map((name) => near(server, name, share)),
    ...peers.map((others) => ahead(server, others)),
  ]),
  shared(0.6),
  ...['1', '100', '10000'].map((count) => content('text/csv', count)),
  starts('fastapi', 1),
  starts('flask', 1),
  starts('fastapi-onnx', 0.4),
  small(0.12),
  ...Object.keys(ratios).map(answers),
];

/** Returns every goal with its result. */
export const judge = (results: Results): Verdict[] =>
  goals.map(([goal, measured]) => ({ goal, ...(measured(results) ?? { found: '', met: undefined }) }));
