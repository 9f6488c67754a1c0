import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { quoteFor } from '../../generators/project/quote.js';

const text = fc.string({ unit: fc.constantFrom(...'ab \'"$`\\;|&<>*?!#{}()\n\t%~=é€'), maxLength: 30 });

describe('a value', () => {
  it('is one word of a shell, whatever it holds', () => {
    const quote = quoteFor('deploy/settings.sh');
    fc.assert(
      fc.property(fc.array(text, { minLength: 20, maxLength: 20 }), (values) => {
        const script = `X=\${X:-}\nprintf '%s\\0' ${values.map(quote).join(' ')}\nfor v in ${values.map((each) => `"\${NONE:-}"${quote(each)}`).join(' ')}; do printf '%s\\0' "$v"; done`;
        const { stdout } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
        assert.deepEqual(stdout.split('\0').slice(0, -1), [...values, ...values]);
      }),
      { numRuns: 20 },
    );
  });

  it('is one string of Python and of JSON', () => {
    const quote = quoteFor('a.py');
    const values = fc.sample(text, 200);
    const script = `import json\nprint(json.dumps([${values.map(quote).join(', ')}]))`;
    assert.deepEqual(JSON.parse(spawnSync('python3', ['-c', script], { encoding: 'utf8' }).stdout), values);
  });

  it('is bare where it can be, and numbers and switches are as they are', () => {
    assert.equal(quoteFor('a.sh')('us-east-1'), 'us-east-1');
    assert.equal(quoteFor('a.sh')(''), "''");
    assert.equal(quoteFor('Dockerfile')('a b$c"'), '"a b\\$c\\""');
    assert.equal(quoteFor('a.json')(3), '3');
    assert.equal(quoteFor('a.py')(false), 'False');
  });

  it('that is missing is an error, and so is a language without quoting', () => {
    assert.throws(() => quoteFor('a.sh')(undefined), /a\.sh: a template asks for a value that is undefined/);
    assert.throws(() => quoteFor('a.rb')('x'), /no quoting is known for a\.rb/);
  });
});
