// Nothing of the user's is lost in a merge: every edited line is in the result, or inside conflict markers.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { RenderedFile } from '../../generators/project/render.js';
import { type Context, changeOf } from '../../generators/update/changes.js';
import type { CurrentFile } from '../../generators/update/disk.js';
import { hasMarkers, linesOf, mergeThree, mergeTwo } from '../../generators/update/merge.js';
import { mergeAnswers, mergeRequirements } from '../../generators/update/semantic.js';

/** Texts of few different lines, so that many are the same; some end without a newline, some as on Windows. */
const line = fc.constantFrom(
  'a',
  'b',
  'c',
  '',
  ' a',
  'numpy==1',
  'numpy==2',
  'pandas',
  '# c',
  '\xe9',
  '=======',
  'constructor',
);
const text = fc
  .tuple(fc.array(line, { maxLength: 12 }), fc.constantFrom('\n', '\n', '\r\n'), fc.boolean())
  .map(([lines, end, closed]) => lines.join(end) + (closed && lines.length ? end : ''));
const words = (text: string) => linesOf(text).map((each) => each.replace(/\r?\n$/, ''));

/** The lines of `yours` that are not in the base, each as often as it was added. */
function added(base: string, yours: string): string[] {
  const left = words(base);
  return words(yours).filter((each) => {
    const at = left.indexOf(each);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** Fails where a line is not in the result as often as it should be. */
function assertHas(result: string, lines: readonly string[]): void {
  const left = words(result);
  for (const each of lines) {
    const at = left.indexOf(each);
    assert.ok(at >= 0, `${JSON.stringify(each)} is lost in ${JSON.stringify(result)}`);
    left.splice(at, 1);
  }
}

describe('a merge of three texts', () => {
  it('has every line that the user added', () =>
    fc.assert(
      fc.property(text, text, text, (base, yours, generated) => {
        const { text: result, conflicts } = mergeThree(base, yours, generated, 'markers');
        for (const each of new Set(added(base, yours))) assertHas(result, [each]);
        assert.equal(conflicts > 0, result.includes('<<<<<<< yours'));
        if (conflicts) assert.ok(hasMarkers(result));
      }),
      { numRuns: 2000 },
    ));

  it('is the other side where one has changed nothing, and what both are where they are the same', () =>
    fc.assert(
      fc.property(text, text, (base, other) => {
        assert.deepEqual(mergeThree(base, base, other, 'markers'), { text: other, conflicts: 0 });
        assert.deepEqual(mergeThree(base, other, base, 'markers'), { text: other, conflicts: 0 });
        assert.deepEqual(mergeThree(base, other, other, 'markers'), { text: other, conflicts: 0 });
        assert.equal(mergeTwo(base, other, 'yours').text, base);
        assert.equal(mergeTwo(base, other, 'generated').text, other);
      }),
      { numRuns: 1000 },
    ));

  it('takes lines at places that are apart from both', () => {
    const base = 'one\ntwo\nthree\nfour\n';
    const merged = mergeThree(base, base.replace('one', 'ONE'), base.replace('four', 'FOUR'), 'markers');
    assert.deepEqual(merged, { text: 'ONE\ntwo\nthree\nFOUR\n', conflicts: 0 });
  });

  it('puts markers around no more than differs, each on a line of its own', () => {
    const { text } = mergeThree('a\nb\nc\n', 'a\nx\nc', 'a\ny\nc\nd', 'markers');
    assert.equal(text, 'a\n<<<<<<< yours\nx\nc\n=======\ny\nc\nd\n>>>>>>> generated\n');
  });

  it('takes what is longer than any file that is generated', () => {
    const long = Array.from({ length: 2000 }, (_, at) => `${at}\n`).join('');
    assert.equal(mergeThree(long, `${long}x\n`, `y\n${long}`, 'markers').text, `y\n${long}x\n`);
  });
});

describe('a merge of requirements', () => {
  it('has what both added, without what one removed', () => {
    const merged = mergeRequirements('numpy\nfastapi\n', 'numpy\nfastapi\npandas\n', 'numpy\nflask\n');
    assert.equal(merged, 'numpy\nflask\npandas\n');
    assert.equal(mergeRequirements('a\nb\nc\n', 'b\nc\n', 'a\nb\nd\n'), 'b\nd\n');
  });

  it('is none where both changed the same package', () =>
    assert.equal(mergeRequirements('numpy==1\n', 'numpy==2\n', 'numpy==3\n'), undefined));

  it('has every line that the user added', () =>
    fc.assert(
      fc.property(text, text, text, (base, yours, generated) => {
        const merged = mergeRequirements(base, yours, generated);
        const lines = added(base, yours).filter((each) => each.trim() && !words(base).includes(each));
        if (merged !== undefined) for (const each of new Set(lines)) assertHas(merged, [each]);
      }),
      { numRuns: 1000 },
    ));
});

describe('stored answers', () => {
  it('are replaced, and all else stays', () => {
    const stored = (answers: object, more: object = {}) =>
      JSON.stringify({ ...more, 'generator-ml-container-creator': answers });
    const yours = stored({ framework: 'sklearn', mine: 1 }, { other: { a: 1 } });
    const merged = JSON.parse(mergeAnswers(yours, stored({ framework: 'xgboost' })));
    assert.deepEqual(merged, { other: { a: 1 }, 'generator-ml-container-creator': { framework: 'xgboost', mine: 1 } });
    assert.equal(mergeAnswers(yours, stored({ framework: 'sklearn' })), yours);
  });
});

describe('what happens to a file', () => {
  const context: Context = { resolution: 'markers', current: () => undefined, freeName: (name) => name };
  const side = fc.option(fc.record({ text, executable: fc.boolean() }), { nil: undefined });

  it('loses no line of the user’s, whatever was generated before and is now', () =>
    fc.assert(
      fc.property(side, side, fc.option(text, { nil: undefined }), fc.boolean(), (before, now, yours, wasLeft) => {
        const named = (one: { text: string; executable: boolean } | undefined): RenderedFile | undefined =>
          one && { path: 'x', text: one.text, executable: one.executable };
        const current: CurrentFile | undefined =
          yours === undefined ? undefined : { text: latin1(yours), mode: 0o644, kind: 'file' };
        const change = changeOf(
          { path: 'x', base: named(before), generated: named(now), current, wasKept: wasLeft },
          context,
        );
        if (yours === undefined || !change) return;
        const mine = added(before?.text ?? '', yours).map(latin1);
        if (change.removes) assert.equal(yours.replaceAll('\r\n', '\n'), before?.text.replaceAll('\r\n', '\n'));
        else
          for (const each of new Set(mine))
            assertHas(change.writes.find(({ path }) => path === 'x')?.text ?? latin1(yours), [each]);
      }),
      { numRuns: 2000 },
    ));

  const latin1 = (text: string) => Buffer.from(text).toString('latin1');
});
