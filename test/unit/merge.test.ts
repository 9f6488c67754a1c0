// A merge loses none of the user's edits: every edited line is in the result, or inside conflict markers.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { RenderedFile } from '../../generators/project/render.js';
import { type Context, changeOf } from '../../generators/update/changes.js';
import type { CurrentFile } from '../../generators/update/disk.js';
import { hasMarkers, linesOf, mergeThree, mergeTwo } from '../../generators/update/merge.js';
import { mergeAnswers, mergeRequirements } from '../../generators/update/semantic.js';

/** Lines for random texts: few different ones, so that many are the same. */
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
const linesWithoutEnds = (text: string) => linesOf(text).map((each) => each.replace(/\r?\n$/, ''));

/** The lines added in `yours`, each as often as it was added. */
function added(base: string, yours: string): string[] {
  const left = linesWithoutEnds(base);
  return linesWithoutEnds(yours).filter((each) => {
    const at = left.indexOf(each);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** Fails if a line is missing from the result, or occurs less often than it should. */
function assertHas(result: string, lines: readonly string[]): void {
  const left = linesWithoutEnds(result);
  for (const each of lines) {
    const at = left.indexOf(each);
    assert.ok(at >= 0, `${JSON.stringify(each)} is missing from ${JSON.stringify(result)}`);
    left.splice(at, 1);
  }
}

describe('a merge of three texts', () => {
  it('keeps every line that the user added', () =>
    fc.assert(
      fc.property(text, text, text, (base, yours, generated) => {
        const { text: result, conflicts } = mergeThree(base, yours, generated, 'markers');
        for (const each of new Set(added(base, yours))) assertHas(result, [each]);
        assert.equal(conflicts > 0, result.includes('<<<<<<< yours'));
        if (conflicts) assert.ok(hasMarkers(result));
      }),
      { numRuns: 2000 },
    ));

  it('is the other side if one is unchanged, and both sides if they are the same', () =>
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

  it('takes changes in different places from both sides', () => {
    const base = 'one\ntwo\nthree\nfour\n';
    const merged = mergeThree(base, base.replace('one', 'ONE'), base.replace('four', 'FOUR'), 'markers');
    assert.deepEqual(merged, { text: 'ONE\ntwo\nthree\nFOUR\n', conflicts: 0 });
  });

  it('puts markers, on lines of their own, only around lines that differ', () => {
    const { text } = mergeThree('a\nb\nc\n', 'a\nx\nc', 'a\ny\nc\nd', 'markers');
    assert.equal(text, 'a\n<<<<<<< yours\nx\nc\n=======\ny\nc\nd\n>>>>>>> generated\n');
  });

  it('handles texts longer than any generated file', () => {
    const long = Array.from({ length: 2000 }, (_, at) => `${at}\n`).join('');
    assert.equal(mergeThree(long, `${long}x\n`, `y\n${long}`, 'markers').text, `y\n${long}x\n`);
  });
});

describe('a merge of requirements', () => {
  it('has the packages added on both sides, without those removed on either', () => {
    const merged = mergeRequirements('numpy\nfastapi\n', 'numpy\nfastapi\npandas\n', 'numpy\nflask\n');
    assert.equal(merged, 'numpy\nflask\npandas\n');
    assert.equal(mergeRequirements('a\nb\nc\n', 'b\nc\n', 'a\nb\nd\n'), 'b\nd\n');
  });

  it('is undefined if both sides changed the same package', () =>
    assert.equal(mergeRequirements('numpy==1\n', 'numpy==2\n', 'numpy==3\n'), undefined));

  it('keeps every line that the user added', () =>
    fc.assert(
      fc.property(text, text, text, (base, yours, generated) => {
        const merged = mergeRequirements(base, yours, generated);
        const lines = added(base, yours).filter((each) => each.trim() && !linesWithoutEnds(base).includes(each));
        if (merged !== undefined) for (const each of new Set(lines)) assertHas(merged, [each]);
      }),
      { numRuns: 1000 },
    ));
});

describe('stored answers', () => {
  it('are replaced, and everything else is kept', () => {
    const stored = (answers: object, more: object = {}) =>
      JSON.stringify({ ...more, 'generator-ml-container-creator': answers });
    const yours = stored({ framework: 'sklearn', mine: 1 }, { other: { a: 1 } });
    const merged = JSON.parse(mergeAnswers(yours, stored({ framework: 'xgboost' })));
    assert.deepEqual(merged, { other: { a: 1 }, 'generator-ml-container-creator': { framework: 'xgboost', mine: 1 } });
    assert.equal(mergeAnswers(yours, stored({ framework: 'sklearn' })), yours);
  });
});

describe('the change to a file', () => {
  const context: Context = { resolution: 'markers', current: () => undefined, freeName: (name) => name };
  const side = fc.option(fc.record({ text, executable: fc.boolean() }), { nil: undefined });

  it('loses no line of the user, whatever was generated before and now', () =>
    fc.assert(
      fc.property(side, side, fc.option(text, { nil: undefined }), fc.boolean(), (before, now, yours, wasKept) => {
        const named = (one: { text: string; executable: boolean } | undefined): RenderedFile | undefined =>
          one && { path: 'x', text: one.text, executable: one.executable };
        const current: CurrentFile | undefined =
          yours === undefined ? undefined : { text: latin1(yours), mode: 0o644, kind: 'file' };
        const change = changeOf({ path: 'x', base: named(before), generated: named(now), current, wasKept }, context);
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
