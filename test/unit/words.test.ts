// The help and the prompts fit 80 columns, and use the usual terms of the field.
import assert from 'node:assert/strict';
import { frameworkNames } from '../../generators/catalog/frameworks.js';
import { help } from '../../generators/config/describe.js';
import { keys, table } from '../../generators/config/parameters.js';
import { promptOf } from '../../generators/config/prompts.js';
import { runFlags } from '../../generators/config/sources.js';
import { valuesOf } from '../../generators/config/values.js';
import { wrap } from '../../generators/config/wrap.js';

/** Words that do not belong in technical English. */
const unwanted =
  /\b(beside|may|of which|the most|the fewest|else|mend|lies|life|story|rooms?|things?|said|told|(is|are) asked|goes on|takes up|made with|gets there|copied in)\b/i;

/** All texts about a parameter in the help and the prompts. */
const textsOf = (key: (typeof keys)[number]): string[] => {
  const { about, rule, defaultText, labels } = table[key];
  const known = { framework: 'transformers', modelName: 'Qwen/Qwen3-8B', modelServer: 'vllm' } as const;
  const labelled = valuesOf(key).map((value) => labels?.(String(value), known));
  return [about, promptOf(key, known), rule, defaultText, ...labelled].filter((text) => text !== undefined);
};

describe('the help and the prompts', () => {
  it('use plain technical English', () => {
    for (const text of [help(), ...keys.flatMap(textsOf), ...Object.values(runFlags)])
      assert.doesNotMatch(text, unwanted);
  });

  it('fit 80 columns, each question on one line', () => {
    for (const line of help().split('\n')) assert.ok(line.length <= 80, `${line.length} columns: ${line}`);
    for (const framework of frameworkNames)
      for (const key of keys) assert.ok(`? ${promptOf(key, { framework })}: `.length <= 80, key);
  });

  it('are wrapped at spaces, with an indent, without splitting long words', () => {
    assert.equal(wrap('one two three', { width: 8 }), 'one two\nthree');
    assert.equal(wrap('  one two three', { width: 8, indent: 2 }), '  one\n  two\n  three');
    assert.equal(wrap('a-word-that-is-long b', { width: 8 }), 'a-word-that-is-long\nb');
  });
});
