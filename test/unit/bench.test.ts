// The benchmark's goals and options.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { judge } from '../bench/goals.js';
import { models } from '../bench/models.js';
import { connections, readOptions } from '../bench/options.js';
import type { Results, Row } from '../bench/results.js';
import { root } from '../support/tools.js';

const names = models.map(({ name }) => name);

/** A row in which all requests take equally long. */
const row = (server: string, model: string, count: number, rate: number): Row => {
  const p50 = (1000 * count) / rate;
  return { server, model, connections: count, rate, p50, p99: p50, errors: 0 };
};

/** Whether the goals that match are met if servers handle `rates` requests/s with every model. */
function judged(pattern: RegExp, rates: Record<string, number>, more: Partial<Results> = {}): (boolean | undefined)[] {
  const rows = Object.entries(rates).flatMap(([server, rate]) =>
    names.flatMap((name) => connections.map((count) => row(server, name, count, rate))),
  );
  const results = { rows, predict: {}, starts: {}, ...more } as Results;
  return judge(results)
    .filter(({ goal }) => pattern.test(goal))
    .map(({ met }) => met);
}

describe('the goals of the benchmark', () => {
  it('are multiples of the pattern’s requests/s', () => {
    const goal = /^fastapi: at least 45 times .*\(forest, 32 connections\)/;
    assert.deepEqual(judged(goal, { pattern: 100, fastapi: 4500 }), [true]);
    assert.deepEqual(judged(goal, { pattern: 100, fastapi: 4499 }), [false]);
    assert.deepEqual(judged(goal, { fastapi: 4500 }), [undefined]);
  });

  it('compare the slowest requests with the pattern’s median', () => {
    const goal = /^fastapi: p99 below the p50 .*\(boosting/;
    assert.deepEqual(judged(goal, { pattern: 100, fastapi: 101 }), [true]);
    assert.deepEqual(judged(goal, { pattern: 100, fastapi: 99 }), [false]);
  });

  it('allow 0.3 ms more than the library itself', () => {
    const goal = /^fastapi: at 1 connection, p50 at most 0\.3 ms above .*\(forest/;
    const found = [0.8, 0.6].map((forest) => judged(goal, { fastapi: 1000 }, { predict: { forest } }));
    assert.deepEqual(found, [[true], [false]]);
  });

  it('require a lead over another server in every row, if it was measured in every row', () => {
    const goal = /^fastapi: ahead of mms/;
    assert.deepEqual(judged(goal, { fastapi: 101, mms: 100 }), [true]);
    const slow = row('fastapi', 'forest', 1, 99);
    const rows = (count: number) =>
      names.flatMap((name) => connections.map((each) => row('mms', name, each, 100))).slice(0, count);
    const own = names.flatMap((name) => connections.map((each) => row('fastapi', name, each, 101)));
    const all = names.length * connections.length;
    assert.deepEqual(judged(goal, {}, { rows: [slow, ...own, ...rows(all)] }), [false]);
    assert.deepEqual(judged(goal, {}, { rows: [...own, ...rows(all - 1)] }), [undefined]);
  });

  it('require 60 % of a single model’s throughput from one model among many', () => {
    const many = { rows: [], count: 20, alone: 1000 };
    const found = [600, 599].map((among) => judged(/^many models/, {}, { many: { ...many, among } }));
    assert.deepEqual(found, [[true], [false]]);
  });

  it('require three quarters of JSON’s speed for reading csv, and a third for writing', () => {
    const content = (read: number, write: number) => ({
      100: { 'application/json': [3, 1], 'text/csv': [read, write] } as const,
    });
    const goal = /^text\/csv, 100 /;
    const found = [content(4, 3), content(4.1, 3), content(4, 3.1)].map((each) => judged(goal, {}, { content: each }));
    assert.deepEqual(found, [[true], [false], [false]]);
  });

  it('allow every image to be 12 % larger than its base and packages', () => {
    const sizes = (size: number) => ({ rows: [], images: { base: { name: 'base', size: 200 }, built: built(size) } });
    const built = (size: number) => ({ onnx: { size: 250, packages: 200 }, sklearn: { size, packages: 300 } });
    const found = [559, 561].map((size) => judged(/^images/, {}, { frameworks: sizes(size) }));
    assert.deepEqual(found, [[true], [false]]);
    assert.deepEqual(judged(/^images/, {}), [undefined]);
  });
});

describe('npm run bench', () => {
  it('measures only the given servers and models, and does not write the document', () => {
    const options = readOptions(['--servers=fastapi,flask', '--models=forest'], ['fastapi', 'flask'], names);
    assert.deepEqual([options.servers, options.models, options.part], [['fastapi', 'flask'], ['forest'], true]);
    assert.equal(options.out, join(root, '.bench'));
    assert.equal(readOptions([], [], names).part, false);
  });

  it('measures only one section', () => {
    assert.equal(readOptions(['--stages'], [], names).section, 'stages');
  });

  it('rejects an unknown model and lists the known ones', () => {
    const args = ['--import', 'tsx', 'test/bench.ts', '--models=forrest'];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
    assert.equal(status, 2);
    assert.match(stderr, /^--models: unknown forrest; known are regression, forest, boosting\n/);
  });
});
