// Archives as SageMaker takes them, model.tar.gz: unpacked into a folder that is removed when the process ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, gunzipSync } from 'node:zlib';
import { extract } from 'tar';
import type { Bytes } from './bytes.js';
import { damaged } from './facts.js';

/** What the first block of a tar archive has at byte 257 (POSIX.1-1988, pax). */
const MAGIC = 'ustar';
/** Bytes of a gzip stream that surely hold that block. */
const START = 4096;

/** Whether a file is a tar archive, as it is or compressed with gzip. */
export function isArchive(bytes: Bytes): boolean {
  const start = Buffer.from(bytes.read(0, START));
  return (start[0] === 0x1f && start[1] === 0x8b ? inflated(start) : start).toString('latin1', 257, 262) === MAGIC;
}

function inflated(start: Buffer): Buffer {
  try {
    return gunzipSync(start, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    return Buffer.alloc(0);
  }
}

/** Unpacks the files and folders of an archive, no links; the folder. Throws an UnreadableError if it is damaged. */
export function unpack(file: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'model-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const taken = (type: string) => ['File', 'OldFile', 'ContiguousFile', 'Directory'].includes(type);
  try {
    extract({
      file,
      cwd: folder,
      sync: true,
      strict: true,
      filter: (_, entry) => 'type' in entry && taken(entry.type),
    });
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOSPC' ? error : damaged('archive');
  }
  return folder;
}
