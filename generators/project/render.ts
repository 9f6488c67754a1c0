// Renders what the manifest lists. Templates named *.ejs are rendered, with <%= %> quoting for the file's language;
// all others are copied as they stand.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import ejs from 'ejs';
import type { FileSpec } from './manifest.js';
import type { Project } from './project.js';
import { quoteFor } from './quote.js';

/** A file as it will be written: the path is relative to the project's folder, with slashes. */
export interface RenderedFile {
  readonly path: string;
  readonly text: string;
  readonly executable: boolean;
}

const { resolve } = createRequire(import.meta.url);
const templates = new Map<string, string>();

/** A template's text with \n line ends, whatever the checkout made of them. */
function template(name: string): string {
  const known = templates.get(name);
  if (known !== undefined) return known;
  const text = readFileSync(resolve(`#templates/${name}`), 'utf8').replaceAll('\r\n', '\n');
  templates.set(name, text);
  return text;
}

export function render(specs: readonly FileSpec[], project: Project): RenderedFile[] {
  return specs.map((spec) => ({ path: spec.path, text: textOf(spec, project), executable: spec.executable ?? false }));
}

function textOf(spec: FileSpec, project: Project): string {
  if ('text' in spec) return spec.text;
  if ('merge' in spec) return merge(spec.merge.map(template));
  if ('statements' in spec) return policy(spec.statements.map(template));
  const parts = 'parts' in spec ? spec.parts : [spec.template];
  return parts.map((name) => fill(name, spec.path, project)).join('\n');
}

function fill(name: string, path: string, project: Project): string {
  if (!name.endsWith('.ejs')) return template(name);
  const options = { strict: true, destructuredLocals: ['project'], escape: quoteFor(path), filename: name };
  return ejs.render(template(name), { project }, options);
}

const nameOf = (pin: string) => pin.split('==', 1)[0] ?? '';
const byName = (one: string, other: string) => (nameOf(one) < nameOf(other) ? -1 : 1);

/** An IAM policy of the statements that each of `lists`, JSON arrays, holds. */
function policy(lists: readonly string[]): string {
  const Statement = lists.flatMap((list) => JSON.parse(list));
  return `${JSON.stringify({ Version: '2012-10-17', Statement }, null, 2)}\n`;
}

/** Requirement sets as one: comments first, then each pin once, by name. Throws where two sets pin a package differently. */
function merge(sets: readonly string[]): string {
  const lines = [...new Set(sets.flatMap((set) => set.split('\n')))].filter((line) => line.trim() !== '');
  const isComment = (line: string) => line.startsWith('#');
  const pins = lines.filter((line) => !isComment(line)).sort(byName);
  const twice = pins.find((pin, at) => at > 0 && nameOf(pin) === nameOf(pins[at - 1] ?? ''));
  if (twice) throw new TypeError(`requirement sets disagree on ${nameOf(twice)}`);
  return `${[...lines.filter(isComment), ...pins].join('\n')}\n`;
}
