import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { quoteFor } from '../../generators/project/quote.js';
import { root } from '../support/tools.js';

const text = fc.string({ unit: fc.constantFrom(...'ab \'"$`\\;|&<>*?!#{}()\n\t%~=é€'), maxLength: 30 });

describe('a quoted value', () => {
  it('is one shell word, whatever it contains', () => {
    const quote = quoteFor('a.sh');
    fc.assert(
      fc.property(fc.array(text, { minLength: 20, maxLength: 20 }), (values) => {
        const script = `X=\${X:-}\nprintf '%s\\0' ${values.map(quote).join(' ')}\nfor v in ${values.map((each) => `"\${NONE:-}"${quote(each)}`).join(' ')}; do printf '%s\\0' "$v"; done`;
        const { stdout } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
        assert.deepEqual(stdout.split('\0').slice(0, -1), [...values, ...values]);
      }),
      { numRuns: 20 },
    );
  });

  it('is one string in Python and in JSON', () => {
    const quote = quoteFor('a.py');
    const values = fc.sample(text, 200);
    const script = `import json\nprint(json.dumps([${values.map(quote).join(', ')}]))`;
    assert.deepEqual(JSON.parse(spawnSync('python3', ['-c', script], { encoding: 'utf8' }).stdout), values);
  });

  it('is read back unchanged from settings.env by the deployer; several lines are an error', () => {
    const quote = quoteFor('deploy/settings.env');
    const values = fc.sample(text, 2000);
    const writable = values.filter((value) => !value.includes('\n'));
    for (const value of [...values.filter((each) => !writable.includes(each)), 'a\u2028b'])
      assert.throws(() => quote(value), /cannot be written as NAME=value/, value);
    const file = join(mkdtempSync(join(tmpdir(), 'env-')), 'settings.env');
    writeFileSync(file, writable.map((value, at) => `V${at}=${quote(value)}  # a comment\n`).join(''));
    const script = `import json, sys; from pathlib import Path; from deployer.settings import read_file
names = [f"V{at}" for at in range(int(sys.argv[2]))]
given, wrong = read_file(Path(sys.argv[1]), set(names))
print(json.dumps([[given[name] for name in names], wrong]))`;
    const options = { cwd: join(root, 'templates/deploy'), encoding: 'utf8' } as const;
    const { stdout, stderr } = spawnSync('python3', ['-B', '-c', script, file, `${writable.length}`], options);
    rmSync(dirname(file), { recursive: true });
    assert.ok(writable.length > 100 && stdout, stderr);
    assert.deepEqual(JSON.parse(stdout), [writable, []]);
  });

  it('is unquoted where possible, as are numbers and booleans', () => {
    assert.equal(quoteFor('a.sh')('us-east-1'), 'us-east-1');
    assert.equal(quoteFor('a.sh')(''), "''");
    assert.equal(quoteFor('a.env')(''), '');
    assert.equal(quoteFor('a.env')('us-east-1'), 'us-east-1');
    assert.equal(quoteFor('Dockerfile')('a b$c"'), '"a b\\$c\\""');
    assert.equal(quoteFor('a.json')(3), '3');
    assert.equal(quoteFor('a.py')(false), 'False');
  });

  it('must be defined, and the language of the file must be known', () => {
    assert.throws(() => quoteFor('a.sh')(undefined), /a\.sh: the template uses a value of type undefined/);
    assert.throws(() => quoteFor('a.rb')('x'), /there is no quoting for a\.rb/);
  });
});
