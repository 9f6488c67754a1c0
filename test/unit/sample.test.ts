// A request that fits a model's inputs.
import assert from 'node:assert/strict';
import type { Field } from '../../generators/model/facts.js';
import { leavesOpen, sampleRequest } from '../../generators/model/sample.js';

const field = (name: string, type: string, ...shape: number[]): Field => ({ name, type, shape });
const requestFor = (...inputs: Field[]) => JSON.parse(sampleRequest(inputs) ?? 'null');

describe('a sample request', () => {
  it('has a record of columns, of texts, or of a tensor', () => {
    assert.deepEqual(requestFor(field('age', 'double', -1), field('city', 'string', -1)), {
      instances: [[0, 'a text']],
    });
    assert.deepEqual(requestFor(field('texts', 'string', -1)), { instances: ['a text'] });
    assert.deepEqual(requestFor(field('x', 'float', -1, 2, -1)), { instances: [[[0], [0]]] });
    assert.deepEqual(requestFor(field('x', 'float', -1, 2), field('n', 'long')), { inputs: { x: [[0, 0]], n: 0 } });
  });

  it('is not guessed where the shape of a tensor is not known, and not written where no one would read it', () => {
    assert.equal(requestFor(field('ids', 'Tensor', -1), field('x', 'float', -1, 2)), null);
    assert.equal(requestFor(field('x', 'float', -1, 1000, 1000)), null);
    assert.equal(requestFor(), null);
  });

  it('has 1 for sizes that are left open', () => {
    assert.ok(leavesOpen([field('x', 'float', -1, 3, -1)]));
    assert.ok(!leavesOpen([field('x', 'float', -1, 3), field('y', 'float', -1)]));
  });
});
