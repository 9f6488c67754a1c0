// Detects the limits of the machine that the generator runs on.
import { existsSync } from 'node:fs';
import type { Machine } from './config/parameters.js';

/** Linux registers its emulators here. Docker Desktop on macOS and Windows includes its own. */
const ARM64_EMULATOR = '/proc/sys/fs/binfmt_misc/qemu-aarch64';

export function thisMachine(): Machine {
  const noArm64 = process.platform === 'linux' && process.arch === 'x64' && !existsSync(ARM64_EMULATOR);
  return { unbuildable: noArm64 ? ['arm64'] : [] };
}
