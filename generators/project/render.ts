// Renders the files in the manifest. Templates named *.ejs are rendered, and <%= %> quotes for the file's language;
// all others are copied as they are.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import ejs from 'ejs';
import type { FileSpec } from './manifest.js';
import type { Project } from './project.js';
import { quoteFor } from './quote.js';
import { additionOf, inputOf, lockOf, type Requirements } from './requirements.js';

/** A file to write. The path is relative to the project's folder, with forward slashes. */
export interface RenderedFile {
  readonly path: string;
  readonly text: string;
  readonly executable: boolean;
}

/** A file that is not text. */
export interface BinaryFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

const { resolve } = createRequire(import.meta.url);
const templates = new Map<string, string>();

/** The text of a template, with \n line endings even if the checkout has others. */
function template(name: string): string {
  const known = templates.get(name);
  if (known !== undefined) return known;
  const text = readFileSync(resolve(`#templates/${name}`), 'utf8').replaceAll('\r\n', '\n');
  templates.set(name, text);
  return text;
}

export function render(specs: readonly FileSpec[], project: Project): RenderedFile[] {
  return specs.flatMap((spec) => {
    const text = textOf(spec, project);
    return text === undefined ? [] : [{ path: spec.path, text, executable: spec.executable ?? false }];
  });
}

/** The text of a file; undefined for a lock that only lock.sh can make. */
function textOf(spec: FileSpec, project: Project): string | undefined {
  if ('text' in spec) return spec.text;
  if ('requirements' in spec) return inputOf(spec.requirements, setOf(spec.requirements));
  if ('lock' in spec) return lockOf(spec.lock, setOf(spec.lock));
  if ('additions' in spec) {
    const more = spec.from === undefined ? [] : [template(`requirements/${spec.from}.txt`)];
    return additionOf(project.requirements, spec.additions, setOf(project.requirements), more);
  }
  if ('statements' in spec) return policy(spec.statements.map(template));
  if ('template' in spec) return fill(spec.template, spec.path, project);
  return `${spec.chapters.map((name) => fill(name, spec.path, project).trim()).join('\n\n')}\n`;
}

const setOf = ({ set }: Requirements) => template(`requirements/${set}.txt`);

function fill(name: string, path: string, project: Project): string {
  if (!name.endsWith('.ejs')) return template(name);
  const includer = (included: string) => ({ template: template(included) });
  const options = { strict: true, destructuredLocals: ['project'], escape: quoteFor(path), filename: name, includer };
  return ejs.render(template(name), { project }, options);
}

/** An IAM policy with the statements from `lists`, each a JSON array. */
function policy(lists: readonly string[]): string {
  const statements = lists.flatMap((list): object[] => JSON.parse(list)).map((each) => `    ${compact(each, 4)}`);
  return `{\n  "Version": "2012-10-17",\n  "Statement": [\n${statements.join(',\n')}\n  ]\n}\n`;
}

/** Formats JSON with each value on one line if it fits. */
function compact(value: unknown, indent: number, column = indent): string {
  const line = JSON.stringify(value, null, 1)
    .replace(/\n */g, ' ')
    .replace(/\[ (.*?) \]/g, '[$1]');
  if (typeof value !== 'object' || value === null || column + line.length < 118) return line;
  const inner = ' '.repeat(indent + 2);
  const parts = Array.isArray(value)
    ? value.map((each) => `${inner}${compact(each, indent + 2)}`)
    : Object.entries(value).map(
        ([key, each]) => `${inner}${JSON.stringify(key)}: ${compact(each, indent + 2, indent + 2 + key.length)}`,
      );
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return `${open}\n${parts.join(',\n')}\n${' '.repeat(indent)}${close}`;
}
