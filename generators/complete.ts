// Completes paths like a shell.
import { readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Removes the quotation marks from a path that was typed or dragged into the terminal, and expands ~. */
export function cleanPath(typed: string): string {
  const text = typed.trim().replace(/^(['"])(.*)\1$/, '$2');
  return text === '~' || text.startsWith('~/') ? join(homedir(), text.slice(1)) : text;
}

/** Completes a path as far as all candidates agree. Returns their names if there are several. */
export function completePath(typed: string, cwd: string): { text: string; candidates: readonly string[] } {
  const at = typed.lastIndexOf('/') + 1;
  const [folder, start] = [typed.slice(0, at), typed.slice(at)];
  const names = namesIn(resolve(cwd, cleanPath(folder || '.'))).filter(
    (name) => name.startsWith(start) && (start.startsWith('.') || !name.startsWith('.')),
  );
  const [only, ...others] = names;
  if (only === undefined) return { text: typed, candidates: [] };
  return { text: folder + names.reduce(commonPrefix), candidates: others.length ? names : [] };
}

/** The names in a folder, with a slash after those of folders. Empty if it cannot be read. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .sort()
      .map((name) => (isFolder(join(folder, name)) ? `${name}/` : name));
  } catch {
    return [];
  }
}

const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

function commonPrefix(one: string, other: string): string {
  const end = [...one].findIndex((letter, at) => letter !== other[at]);
  return end < 0 ? one : one.slice(0, end);
}
