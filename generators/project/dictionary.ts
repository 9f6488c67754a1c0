// The dictionaries that compress the base of a project. Most lines of a project are also in the dictionary, and are
// stored as a range of it. Never change a dictionary after its release: the bases that use it would become unreadable.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gunzipSync } from 'node:zlib';

/** The dictionary for new bases, written by `npm run dictionary`. Its number is the format of the base. */
export const currentFormat = 1;

/** Packed lines: each entry is a range of the dictionary, [first, count], or a line of text. */
export type Packed = readonly (string | readonly [number, number])[];

/** For lines that occur often in the dictionary, such as empty ones, only the first places are tried. */
const MAX_PLACES = 40;

const { resolve } = createRequire(import.meta.url);
const loaded = new Map<number, readonly string[]>();

/** The lines of a dictionary. */
function dictionary(format: number): readonly string[] {
  const known = loaded.get(format);
  if (known) return known;
  const lines = gunzipSync(readFileSync(resolve(`#templates/dictionaries/${format}.txt.gz`)))
    .toString('utf8')
    .split('\n');
  loaded.set(format, lines);
  return lines;
}

let places: Map<string, number[]> | undefined;

/** The places of a line in the current dictionary. */
function placesOf(line: string): readonly number[] {
  if (!places) {
    places = new Map();
    for (const [at, each] of dictionary(currentFormat).entries()) {
      const known = places.get(each);
      if (!known) places.set(each, [at]);
      else if (known.length < MAX_PLACES) known.push(at);
    }
  }
  return places.get(line) ?? [];
}

/** Packs a text with the current dictionary. */
export function packText(text: string): Packed {
  const lines = text.split('\n');
  const known = dictionary(currentFormat);
  const packed: (string | readonly [number, number])[] = [];
  for (let at = 0; at < lines.length; ) {
    let [first, count] = [0, 0];
    for (const place of placesOf(lines[at] ?? '')) {
      let length = 1;
      while (at + length < lines.length && known[place + length] === lines[at + length]) length += 1;
      if (length > count) [first, count] = [place, length];
    }
    packed.push(count ? [first, count] : (lines[at] ?? ''));
    at += count || 1;
  }
  return packed;
}

/** Unpacks a text. Throws a RangeError for a range outside the dictionary. */
export function unpackText(packed: Packed, format: number): string {
  const known = dictionary(format);
  const lines = packed.flatMap((each) => {
    if (typeof each === 'string') return [each];
    const [first, count] = each;
    if (!(first >= 0 && count > 0 && first + count <= known.length)) throw new RangeError('outside the dictionary');
    return known.slice(first, first + count);
  });
  return lines.join('\n');
}
