// What the machine that the generator runs on can do.
import { existsSync } from 'node:fs';
import type { Machine } from './config/parameters.js';

/** Linux registers its emulators here. Docker Desktop on macOS and Windows brings its own. */
const ARM64_EMULATOR = '/proc/sys/fs/binfmt_misc/qemu-aarch64';

/** The facts that the core is given. */
export function thisMachine(): Machine {
  const cannot = process.platform === 'linux' && process.arch === 'x64' && !existsSync(ARM64_EMULATOR);
  return { unbuildable: cannot ? ['arm64'] : [] };
}
