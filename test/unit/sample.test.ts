// The sample request for a model's inputs.
import assert from 'node:assert/strict';
import type { Field } from '../../generators/model/facts.js';
import { leavesOpen, sampleRequest } from '../../generators/model/sample.js';

const field = (name: string, type: string, ...shape: number[]): Field => ({ name, type, shape });
const requestFor = (...inputs: Field[]) => JSON.parse(sampleRequest(inputs) ?? 'null');

describe('a sample request', () => {
  it('has one record of columns, texts or a tensor', () => {
    assert.deepEqual(requestFor(field('age', 'double', -1), field('city', 'string', -1)), {
      instances: [[0, 'a text']],
    });
    assert.deepEqual(requestFor(field('texts', 'string', -1)), { instances: ['a text'] });
    assert.deepEqual(requestFor(field('x', 'float', -1, 2, -1)), { instances: [[[0], [0]]] });
    assert.deepEqual(requestFor(field('x', 'float', -1, 2), field('n', 'long')), { inputs: { x: [[0, 0]], n: 0 } });
  });

  it('is omitted if the shape of a tensor is unknown, or if a record is too large to read', () => {
    assert.equal(requestFor(field('ids', 'Tensor', -1), field('x', 'float', -1, 2)), null);
    assert.equal(requestFor(field('x', 'float', -1, 1000, 1000)), null);
    assert.equal(requestFor(), null);
  });

  it('uses 1 for an axis of any length', () => {
    assert.ok(leavesOpen([field('x', 'float', -1, 3, -1)]));
    assert.ok(!leavesOpen([field('x', 'float', -1, 3), field('y', 'float', -1)]));
  });
});
