// Help and prompts fit 80 columns, and use the words that others in the field use.
import assert from 'node:assert/strict';
import { help } from '../../generators/config/describe.js';
import { keys, table } from '../../generators/config/parameters.js';
import { runFlags } from '../../generators/config/sources.js';
import { valuesOf } from '../../generators/config/values.js';
import { wrap } from '../../generators/config/wrap.js';

/** Words that read as a translation, or are ours alone. */
const unwanted =
  /\b(beside|may|of which|the most|the fewest|else|mend|lies|life|story|rooms?|things?|said|told|(is|are) asked|goes on|takes up|made with|gets there|copied in)\b/i;

/** All that the help and the prompts say of a parameter. */
const textsOf = (key: (typeof keys)[number]): string[] => {
  const { about, prompt, rule, standard, labels } = table[key];
  const known = { framework: 'transformers', modelName: 'Qwen/Qwen3-8B', modelServer: 'vllm' } as const;
  const labelled = valuesOf(key).map((value) => labels?.(String(value), known));
  return [about, prompt, rule, standard, ...labelled].filter((text) => text !== undefined);
};

describe('the words of help and prompts', () => {
  it('are those of the field', () => {
    for (const text of [help(), ...keys.flatMap(textsOf), ...Object.values(runFlags)])
      assert.doesNotMatch(text, unwanted);
  });

  it('fit 80 columns, each question on one line', () => {
    for (const line of help().split('\n')) assert.ok(line.length <= 80, `${line.length} columns: ${line}`);
    for (const key of keys) assert.ok(`? ${table[key].prompt ?? table[key].about}: `.length <= 80, key);
  });

  it('are wrapped at spaces, with an indent, and long words stay whole', () => {
    assert.equal(wrap('one two three', { width: 8 }), 'one two\nthree');
    assert.equal(wrap('  one two three', { width: 8, indent: 2 }), '  one\n  two\n  three');
    assert.equal(wrap('a-word-that-is-long b', { width: 8 }), 'a-word-that-is-long\nb');
  });
});
