// Unpacks archives like SageMaker's model.tar.gz into a temporary folder that is removed when the process exits.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, gunzipSync } from 'node:zlib';
import { extract } from 'tar';
import type { Bytes } from './bytes.js';
import { damaged } from './facts.js';

/** At byte 257 of the first block of a tar archive (POSIX.1-1988, pax). */
const MAGIC = 'ustar';
/** Bytes of a gzip stream that are certain to contain that block. */
const START = 4096;

/** Whether a file is a tar archive, plain or compressed with gzip. */
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

/** Unpacks the files and folders, but no links, of an archive. Throws an UnreadableError if it is damaged. */
export function unpack(file: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'model-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const isUnpacked = (type: string) => ['File', 'OldFile', 'ContiguousFile', 'Directory'].includes(type);
  try {
    extract({
      file,
      cwd: folder,
      sync: true,
      strict: true,
      filter: (_, entry) => 'type' in entry && isUnpacked(entry.type),
    });
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOSPC' ? error : damaged('archive');
  }
  return folder;
}
