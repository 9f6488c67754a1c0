// The pages for readers, and the commands in them: those of code blocks in their order, and those in a sentence.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './tools.js';

export interface Page {
  readonly path: string;
  readonly text: string;
}

/** A command of a page. */
export interface Command {
  readonly page: string;
  readonly text: string;
  /** The block that it stands in, counted in its page; undefined in a sentence. */
  readonly block?: number;
  readonly language: string;
}

/** The README and all of docs/, and what stands with them in the root. */
export const pages: readonly Page[] = [
  ...['README.md', 'CHANGELOG.md', 'SECURITY.md', 'CODE_OF_CONDUCT.md'],
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
].map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

const programs =
  'ml-container-creator npm npx yo node pip python python3 docker aws cdk curl uv git source eval cd bash apt-get'.split(
    ' ',
  );
const isCommand = (text: string) => {
  const [first = ''] = withoutVariables(text).split(' ');
  if (/^(\.\/|(deploy|train|test|tools|sample_model)\/)[\w/]+\.(sh|py)$/.test(first)) return true;
  return programs.includes(first) && (text.includes(' ') || first === 'ml-container-creator');
};

/** A command without the NAME=value in front of it. */
export const withoutVariables = (text: string) => text.replace(/^(\w+=('[^']*'|"[^"]*"|\S*) +)+/, '');

const withoutComment = (line: string) => line.replace(/(^|\s\s)#\s.*$/, '').trim();

/** The commands of a page. */
export function commandsIn({ path: page, text }: Page): Command[] {
  const found: Command[] = [];
  const fence = /^```([^\n]*)\n([\s\S]*?)^```$/gm;
  let block = 0;
  let end = 0;
  const prose = (part: string) => {
    for (const [, code = ''] of part.matchAll(/`([^`\n]+)`/g))
      if (isCommand(code)) found.push({ page, text: code, language: 'sentence' });
  };
  for (const match of text.matchAll(fence)) {
    const [whole, language = '', body = ''] = match;
    prose(text.slice(end, match.index));
    end = match.index + whole.length;
    block += 1;
    if (!/^(bash|sh|console|powershell)$/.test(language)) continue;
    const lines = body.replaceAll('\\\n', ' ').split('\n').map(withoutComment).filter(Boolean);
    for (const line of lines)
      for (const each of line.split(' && ')) found.push({ page, text: each.trim(), block, language });
  }
  prose(text.slice(end));
  return found;
}
