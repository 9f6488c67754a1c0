// Quoting: a value becomes one word, literal or string of the language of the file it lands in, whatever it holds.
import { basename, extname } from 'node:path';

type Quote = (value: string) => string;

const bare = /^[\w@%+=:,./-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: all at which Python's splitlines() ends a line
const lineEnds = /[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]/;

const shell: Quote = (value) => (bare.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`);
const dockerfile: Quote = (value) => (bare.test(value) ? value : `"${value.replace(/[\\"$]/g, '\\$&')}"`);
const nginx: Quote = (value) => (bare.test(value) ? value : `"${value.replace(/[\\"$]/g, '\\$&')}"`);
/** NAME=value, as dotenv reads it: in single quotes as it is; in double ones, quotes and backslashes are escaped. */
const env: Quote = (value) => {
  if (value === '' || bare.test(value)) return value;
  if (lineEnds.test(value))
    throw new TypeError(`a value of more than one line cannot be written as NAME=value: ${value}`);
  return /['\\]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `'${value}'`;
};
const json: Quote = (value) => JSON.stringify(value);
/** Text between backquotes or in a sentence: what would end either is taken out. */
const markdown: Quote = (value) => value.replace(/[`<>|\r\n]/g, '');

const byEnding: Readonly<Record<string, Quote>> = {
  '.sh': shell,
  '.env': env,
  '.py': json, // a JSON string is a Python string
  '.json': json,
  '.yaml': json, // and a YAML one
  '.yml': json,
  '.conf': nginx,
  '.md': markdown,
};
const byName: Readonly<Record<string, Quote>> = { Dockerfile: dockerfile, '.dockerignore': dockerfile };

/** How values are quoted in the file at `path`. Throws a TypeError for a language without quoting, and for what is no value. */
export function quoteFor(path: string): (value: unknown) => string {
  const quote = byName[basename(path)] ?? byEnding[extname(path)];
  return (value) => {
    if (!quote) throw new TypeError(`no quoting is known for ${path}`);
    if (typeof value === 'boolean' && path.endsWith('.py')) return value ? 'True' : 'False';
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    if (typeof value !== 'string') throw new TypeError(`${path}: a template asks for a value that is ${typeof value}`);
    return quote(value);
  };
}
