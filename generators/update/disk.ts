// Reads the current files of a project.
import { lstatSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The current state of a path. */
export interface CurrentFile {
  /** Its bytes as Latin-1; empty for anything that is not a file. */
  readonly text: string;
  readonly mode: number;
  /** For a link, `text` is that of its target. `other` is a folder or a broken link. */
  readonly kind: 'file' | 'link' | 'other';
}

/** Finds the current state of a path. */
export type Find = (path: string) => CurrentFile | undefined;

/** Reads a path; undefined if nothing is there. */
export function readCurrent(directory: string, path: string): CurrentFile | undefined {
  const target = join(directory, path);
  if (isBelowFile(directory, path)) return { text: '', mode: 0, kind: 'other' };
  const own = lstatSync(target, { throwIfNoEntry: false });
  if (!own) return undefined;
  const { mode } = own;
  if (!statSync(target, { throwIfNoEntry: false })?.isFile()) return { text: '', mode, kind: 'other' };
  return { text: readFileSync(target, 'latin1'), mode, kind: own.isFile() ? 'file' : 'link' };
}

/** Whether a parent of the path is a file instead of a folder. */
function isBelowFile(directory: string, path: string): boolean {
  const parts = path.split('/').slice(0, -1);
  for (const depth of parts.keys()) {
    const folder = statSync(join(directory, ...parts.slice(0, depth + 1)), { throwIfNoEntry: false });
    if (!folder) return false;
    if (!folder.isDirectory()) return true;
  }
  return false;
}
