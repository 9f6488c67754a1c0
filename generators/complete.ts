// Tab completion of a path, as a shell does it.
import { readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** A path as it was typed or dragged into the terminal: without quotation marks, and with ~ expanded. */
export function cleanPath(typed: string): string {
  const text = typed.trim().replace(/^(['"])(.*)\1$/, '$2');
  return text === '~' || text.startsWith('~/') ? join(homedir(), text.slice(1)) : text;
}

/** What Tab makes of a path: as much as all candidates share, and their names where there are several. */
export function completePath(typed: string, cwd: string): { text: string; candidates: readonly string[] } {
  const at = typed.lastIndexOf('/') + 1;
  const [folder, start] = [typed.slice(0, at), typed.slice(at)];
  const names = namesIn(resolve(cwd, cleanPath(folder || '.'))).filter(
    (name) => name.startsWith(start) && (start.startsWith('.') || !name.startsWith('.')),
  );
  const [only, ...others] = names;
  if (only === undefined) return { text: typed, candidates: [] };
  return { text: folder + names.reduce(sharedStart), candidates: others.length ? names : [] };
}

/** The names in a folder, those of folders with a slash; none where it cannot be read. */
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

function sharedStart(one: string, other: string): string {
  const differs = [...one].findIndex((letter, at) => letter !== other[at]);
  return differs < 0 ? one : one.slice(0, differs);
}
