import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyFile, isSameFile } from '../../generators/project/copy.js';

describe('a copy of a large file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'copies-'));
  const pathOf = (name: string) => join(folder, name);
  const bytes = randomBytes(20_000_000);
  const copy = { source: pathOf('weights'), path: 'model/weights', size: 2 ** 30 }; // large enough to be copied in pieces
  before(() => writeFileSync(copy.source, bytes));
  after(() => rmSync(folder, { recursive: true }));

  it('has the same bytes, and counts as the same file', () => {
    copyFile(copy, pathOf('copied'));
    assert.ok(readFileSync(pathOf('copied')).equals(bytes));
    assert.ok(isSameFile(copy.source, pathOf('copied')));
    writeFileSync(pathOf('other'), Buffer.concat([bytes.subarray(0, -1), Buffer.from([(bytes.at(-1) ?? 0) ^ 1])]));
    assert.ok(!isSameFile(copy.source, pathOf('other')));
  });

  it('does not overwrite a file', () => {
    writeFileSync(pathOf('there'), 'mine');
    assert.throws(() => copyFile(copy, pathOf('there')), { code: 'EEXIST' });
    assert.equal(readFileSync(pathOf('there'), 'utf8'), 'mine');
  });
});
