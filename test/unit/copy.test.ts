import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyFile, isSameFile } from '../../generators/project/copy.js';

describe('a copy of a large file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'copies-'));
  const place = (name: string) => join(folder, name);
  const bytes = randomBytes(20_000_000);
  const copy = { source: place('weights'), path: 'model/weights', size: 2 ** 30 }; // said to be so large that it goes in pieces
  before(() => writeFileSync(copy.source, bytes));
  after(() => rmSync(folder, { recursive: true }));

  it('has the same bytes, and is known as the same', () => {
    copyFile(copy, place('copied'));
    assert.ok(readFileSync(place('copied')).equals(bytes));
    assert.ok(isSameFile(copy.source, place('copied')));
    writeFileSync(place('other'), Buffer.concat([bytes.subarray(0, -1), Buffer.from([(bytes.at(-1) ?? 0) ^ 1])]));
    assert.ok(!isSameFile(copy.source, place('other')));
  });

  it('does not overwrite a file', () => {
    writeFileSync(place('there'), 'mine');
    assert.throws(() => copyFile(copy, place('there')), { code: 'EEXIST' });
    assert.equal(readFileSync(place('there'), 'utf8'), 'mine');
  });
});
