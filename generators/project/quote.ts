// Quotes a value as one word, literal or string in the language of the file it is written to, whatever it contains.
import { basename, extname } from 'node:path';

type Quote = (value: string) => string;

const bare = /^[\w@%+=:,./-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: every line ending that Python's splitlines() recognizes
const lineBreaks = /[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]/;

const shell: Quote = (value) => (bare.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`);
const dockerfile: Quote = (value) => (bare.test(value) ? value : `"${value.replace(/[\\"$]/g, '\\$&')}"`);
const nginx: Quote = (value) => (bare.test(value) ? value : `"${value.replace(/[\\"$]/g, '\\$&')}"`);
/** For NAME=value as dotenv reads it: single quotes are literal; double quotes need escaped \ and ". */
const env: Quote = (value) => {
  if (value === '' || bare.test(value)) return value;
  if (lineBreaks.test(value))
    throw new TypeError(`a value with several lines cannot be written as NAME=value: ${value}`);
  return /['\\]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `'${value}'`;
};
const json: Quote = (value) => JSON.stringify(value);
/** For text in backquotes or in a sentence: removes the characters that would end either. */
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

/** The quoting function for the file at `path`. It throws a TypeError for an unknown language or type of value. */
export function quoteFor(path: string): (value: unknown) => string {
  const quote = byName[basename(path)] ?? byEnding[extname(path)];
  return (value) => {
    if (!quote) throw new TypeError(`there is no quoting for ${path}`);
    if (typeof value === 'boolean' && path.endsWith('.py')) return value ? 'True' : 'False';
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    if (typeof value !== 'string') throw new TypeError(`${path}: the template uses a value of type ${typeof value}`);
    return quote(value);
  };
}
