// What is in a project's folder now.
import { lstatSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What is at the path of a file. */
export interface CurrentFile {
  /** Its bytes as Latin-1; empty for anything that is not a file. */
  readonly text: string;
  readonly mode: number;
  /** A link's text is that of the file it leads to; `other` is a folder, or a link to nowhere. */
  readonly kind: 'file' | 'link' | 'other';
}

/** Reads what is at a path; undefined where nothing is. */
export function readCurrent(directory: string, path: string): CurrentFile | undefined {
  const target = join(directory, path);
  if (isBelowFile(directory, path)) return { text: '', mode: 0, kind: 'other' };
  const own = lstatSync(target, { throwIfNoEntry: false });
  if (!own) return undefined;
  const { mode } = own;
  if (!statSync(target, { throwIfNoEntry: false })?.isFile()) return { text: '', mode, kind: 'other' };
  return { text: readFileSync(target, 'latin1'), mode, kind: own.isFile() ? 'file' : 'link' };
}

/** Whether a part of a path that should be a folder is a file. */
function isBelowFile(directory: string, path: string): boolean {
  const parts = path.split('/').slice(0, -1);
  for (const depth of parts.keys()) {
    const folder = statSync(join(directory, ...parts.slice(0, depth + 1)), { throwIfNoEntry: false });
    if (!folder) return false;
    if (!folder.isDirectory()) return true;
  }
  return false;
}
