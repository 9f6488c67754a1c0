// Merges texts line by line. The texts are bytes read as Latin-1, so that every encoding survives.
import { diff3MergeRegions, diffComm } from 'node-diff3';

/** How to resolve lines changed on both sides: with one side, or with conflict markers for the user to resolve. */
export type Resolution = 'markers' | 'yours' | 'generated';

export interface Merged {
  readonly text: string;
  /** The number of places that the sides changed differently. */
  readonly conflicts: number;
}

type Piece = { readonly lines: readonly string[] } | { readonly yours: string[]; readonly generated: string[] };

export const markerOf = { yours: '<<<<<<< yours', middle: '=======', generated: '>>>>>>> generated' } as const;
const unresolved = /^<{7} [^\n]*\n(?:[^\n]*\n)*?={7}\r?\n(?:[^\n]*\n)*?>{7} /m;

/** Whether a text contains conflict markers. */
export const hasMarkers = (text: string): boolean => text.includes('<<<<<<< ') && unresolved.test(text);

/** The lines of a text, with their line endings. */
export const linesOf = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** Limit for the steps of a comparison, so that it takes no more than about a second. */
const MAX_STEPS = 2e8;

/** Whether two texts can be merged: not if one is binary, or if too many of their lines are the same. */
export function isMergeable(yours: string, other: string): boolean {
  if (yours.includes('\0')) return false;
  const [lines, others] = [linesOf(yours), linesOf(other)];
  const counts = new Map<string, number>();
  for (const line of others) counts.set(line, (counts.get(line) ?? 0) + 1);
  const pairs = lines.reduce((sum, line) => sum + (counts.get(line) ?? 0), lines.length);
  return pairs * Math.max(lines.length, others.length) <= MAX_STEPS;
}

/** Merges the changes from `base` to `yours` and those from `base` to `generated`. */
export function mergeThree(base: string, yours: string, generated: string, resolution: Resolution): Merged {
  const regions = diff3MergeRegions(linesOf(yours), linesOf(base), linesOf(generated));
  return join(
    regions.map((region) =>
      region.stable ? { lines: region.bufferContent } : { yours: region.aContent, generated: region.bContent },
    ),
    resolution,
  );
}

/** Merges two texts without a common base: every difference is a conflict. */
export function mergeTwo(yours: string, generated: string, resolution: Resolution): Merged {
  const pieces = diffComm(linesOf(yours), linesOf(generated));
  return join(
    pieces.map((piece) =>
      piece.common ? { lines: piece.common } : { yours: piece.buffer1, generated: piece.buffer2 },
    ),
    resolution,
  );
}

function join(pieces: readonly Piece[], resolution: Resolution): Merged {
  let conflicts = 0;
  const texts = pieces.map((piece) => {
    if ('lines' in piece) return piece.lines.join('');
    const { before, yours, generated, after } = trimmed(piece.yours, piece.generated);
    if (!yours.length && !generated.length) return before.join('');
    conflicts += 1;
    const between = resolution === 'markers' ? marked(yours, generated) : { yours, generated }[resolution].join('');
    return [...before, between, ...after].join('');
  });
  return { text: texts.join(''), conflicts };
}

/** Splits off the lines that both sides of a conflict share at its start and end. */
function trimmed(yours: readonly string[], generated: readonly string[]) {
  const max = Math.min(yours.length, generated.length);
  let [first, last] = [0, 0];
  while (first < max && yours[first] === generated[first]) first += 1;
  while (last < max - first && yours.at(-1 - last) === generated.at(-1 - last)) last += 1;
  return {
    before: yours.slice(0, first),
    yours: yours.slice(first, yours.length - last),
    generated: generated.slice(first, generated.length - last),
    after: yours.slice(yours.length - last),
  };
}

/** Both sides between markers, with the same line endings. */
function marked(yours: readonly string[], generated: readonly string[]): string {
  const end = [...yours, ...generated].some((line) => line.endsWith('\r\n')) ? '\r\n' : '\n';
  const closed = (lines: readonly string[]) => lines.map((line) => (line.endsWith('\n') ? line : `${line}${end}`));
  const { yours: open, middle, generated: close } = markerOf;
  return [`${open}${end}`, ...closed(yours), `${middle}${end}`, ...closed(generated), `${close}${end}`].join('');
}
