// Completes paths like a shell.
import { readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Reads a path that was typed, or dragged into the terminal: without quotation marks or backslashes before special
 * characters, with ~ expanded, and from a file:// address.
 */
export function cleanPath(typed: string): string {
  const trimmed = typed.trim();
  const quoted = /^(['"])(.*)\1$/.exec(trimmed)?.[2];
  const text = quoted ?? (process.platform === 'win32' ? trimmed : trimmed.replace(/\\(.)/g, '$1'));
  if (/^file:\/\/\//.test(text)) return pathOf(text);
  return text === '~' || text.startsWith('~/') ? join(homedir(), text.slice(1)) : text;
}

function pathOf(address: string): string {
  try {
    return fileURLToPath(address);
  } catch {
    return address;
  }
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
