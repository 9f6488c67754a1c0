// The base: a compressed copy of the generated files in the project. With it, `update` recognizes the user's edits.
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { gzipSync } from 'fflate';
import { z } from 'zod';
import { currentFormat, packText, unpackText } from './dictionary.js';
import type { RenderedFile } from './render.js';

/** The path of the base in a project. */
export const baseFile = '.ml-container-creator.base.gz';

/** The files that were generated. */
export interface Base {
  /** The generator's version. */
  readonly version: string;
  readonly files: readonly RenderedFile[];
  /** The files derived from the model at first generation. Written to the project only if its answers call for them. */
  readonly fromModel: readonly RenderedFile[];
  /** Files that are no longer generated, but are still in the project because the user edited them. */
  readonly kept: readonly RenderedFile[];
}

/** The base cannot be read. */
export class UnreadableBaseError extends Error {}

/** The base was written by a newer generator, and can have another format. */
export class NewerBaseError extends Error {
  constructor(readonly version: string) {
    super(`written by version ${version}`);
  }
}

const MAX_BYTES = 64 << 20;

/** A relative path with slashes that stays below the project's folder. */
const isBelow = (path: string) => !/^[/\\]|^[A-Za-z]:|\\|\0/.test(path) && !path.split('/').includes('..');
const packedFile = z.object({
  path: z.string().min(1).refine(isBelow),
  executable: z.boolean().optional(),
  lines: z.array(z.union([z.string(), z.tuple([z.int(), z.int()])])),
});
const head = z.object({ format: z.int().min(1), version: z.string() });
const body = head.extend({
  check: z.string(),
  files: z.array(packedFile),
  fromModel: z.array(packedFile),
  kept: z.array(packedFile),
});

/** Encodes a base. The bytes are the same on every machine. */
export function encodeBase(base: Base): Uint8Array {
  const pack = (files: readonly RenderedFile[]) =>
    [...files]
      .sort((one, other) => (one.path < other.path ? -1 : 1))
      .map(({ path, text, executable }) => ({ path, ...(executable && { executable }), lines: packText(text) }));
  const { version, files, fromModel, kept } = base;
  const object = {
    about: 'The generated files, for ml-container-creator update. Keep this file in version control.',
    ...{ format: currentFormat, version, check: checkOf(base) },
    ...{ files: pack(files), fromModel: pack(fromModel), kept: pack(kept) },
  };
  // The output of node:zlib depends on the processor.
  return gzipSync(Buffer.from(`${JSON.stringify(object)}\n`), { level: 9, mtime: 0 });
}

/** Decodes a base. Throws an UnreadableBaseError if it is damaged or was edited, or a NewerBaseError. */
export function decodeBase(bytes: Uint8Array, version: string): Base {
  const object = parse(bytes);
  const parsedHead = head.safeParse(object);
  if (!parsedHead.success) throw new UnreadableBaseError('its format is not recognized');
  if (parsedHead.data.format > currentFormat || isNewer(parsedHead.data.version, version))
    throw new NewerBaseError(parsedHead.data.version);
  const parsedBody = body.safeParse(object);
  if (!parsedBody.success) throw new UnreadableBaseError('its format is not recognized');
  const { format, check } = parsedBody.data;
  const unpack = (files: readonly z.infer<typeof packedFile>[]) =>
    files.map(({ path, executable = false, lines }) => ({ path, executable, text: unpackText(lines, format) }));
  let base: Base;
  try {
    const { files, fromModel, kept } = parsedBody.data;
    base = { version: parsedHead.data.version, files: unpack(files), fromModel: unpack(fromModel), kept: unpack(kept) };
  } catch (error) {
    if (error instanceof RangeError) throw new UnreadableBaseError('it is damaged');
    throw error;
  }
  if (checkOf(base) !== check) throw new UnreadableBaseError('it was edited: its checksum does not match its contents');
  return base;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(gunzipSync(bytes, { maxOutputLength: MAX_BYTES }).toString('utf8'));
  } catch {
    throw new UnreadableBaseError('it is damaged');
  }
}

/** A digest of the content of a base. */
function checkOf({ version, files, fromModel, kept }: Base): string {
  const digest = createHash('sha256').update(version);
  for (const list of [files, fromModel, kept])
    for (const { path, text, executable } of [...list].sort((one, other) => (one.path < other.path ? -1 : 1)))
      digest.update(JSON.stringify([path, text, executable]));
  return digest.digest('hex');
}

/** Whether a version such as 1.2.0 is newer than another. */
export function isNewer(one: string, other: string): boolean {
  const [a, b] = [one, other].map((each) => each.split(/[.+-]/).slice(0, 3).map(Number));
  const at = [0, 1, 2].find((place) => a?.[place] !== b?.[place]);
  return at !== undefined && (a?.[at] ?? 0) > (b?.[at] ?? 0);
}
