// Copies the user's files without loading them into memory, and shows progress for large ones.
import { closeSync, constants, copyFileSync, openSync, readSync, realpathSync, statSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import type { ModelFile } from '../model/read.js';

const CHUNK = 1 << 23;
/** Size in bytes from which progress is shown. */
const LARGE = 2 ** 29;

/** Copies a file. Throws file system errors. */
export function copyFile({ source, size }: ModelFile, target: string): void {
  if (size < LARGE) copyFileSync(source, target, constants.COPYFILE_FICLONE);
  else copyInPieces(source, target, size, process.stderr.isTTY ? '\r' : '\n');
}

function copyInPieces(source: string, target: string, size: number, end: string): void {
  const [from, to] = [openSync(source, 'r'), openSync(target, 'wx')];
  const buffer = Buffer.alloc(CHUNK);
  let [copied, shown] = [0, -1];
  try {
    for (let read = readSync(from, buffer); read; read = readSync(from, buffer)) {
      for (let written = 0; written < read; ) written += writeSync(to, buffer, written, read - written);
      copied += read;
      const tenths = Math.floor((10 * copied) / size);
      if (tenths > shown) process.stderr.write(`Copying ${basename(source)}: ${tenths * 10} %${end}`);
      shown = Math.max(shown, tenths);
    }
    if (end === '\r') process.stderr.write('\n');
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

/** Whether two paths lead to the same file, or to files with the same bytes. */
export function isSameFile(one: string, other: string): boolean {
  if (realpathSync(one) === realpathSync(other)) return true;
  if (statSync(one).size !== statSync(other).size) return false;
  const files = [openSync(one, 'r'), openSync(other, 'r')] as const;
  const buffers = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)] as const;
  try {
    for (;;) {
      const read = readSync(files[0], buffers[0]);
      if (readSync(files[1], buffers[1]) !== read || buffers[0].compare(buffers[1], 0, read, 0, read)) return false;
      if (!read) return true;
    }
  } finally {
    for (const file of files) closeSync(file);
  }
}
