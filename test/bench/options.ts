// The command line of npm run bench, and its durations.
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../support/tools.js';

export const connections = [1, 8, 32, 64] as const;

/** Sections that can be measured alone and replaced in the document. */
export const sections = ['frameworks', 'many', 'columns', 'content', 'stages'] as const;
export type Section = (typeof sections)[number];

/** The options of one benchmark run. */
export interface Options {
  seconds: number; // of load per table cell
  rounds: number; // over all contenders; the median is reported
  starts: number; // of each contender, to time its first successful ping
  variantConnections: readonly number[];
  variantSeconds: number;
  commandRounds: number;
  servers: readonly string[] | undefined; // contenders to measure; undefined: all
  models: readonly string[] | undefined; // models to measure; undefined: all
  part: boolean; // only some contenders or models, and no other sections
  section: Section | undefined; // only this section
  out: string; // the folder for benchmarks.md and benchmarks.svg
  quick: boolean;
}

const usage = `npm run bench -- [flags]

  --quick         measure briefly, in one round: a first look in about 10 minutes
  --servers=A,B   measure only these contenders
  --models=A,B    measure only contenders, with these models
  --frameworks    measure only the frameworks, and replace their section in the existing benchmarks.md
  --many          the same for many models
  --columns       the same for requests by column
  --content       the same for content types
  --stages        the same for the stages of a request
  --out=FOLDER    folder for benchmarks.md and benchmarks.svg (default: docs; with --quick, --servers or --models: .bench)
`;

/** Parses the command line. Prints the usage and exits for --help or an unknown flag. */
export function readOptions(args: readonly string[], contenders: readonly string[], known: readonly string[]): Options {
  const flags = {
    quick: { type: 'boolean' },
    servers: { type: 'string' },
    models: { type: 'string' },
    frameworks: { type: 'boolean' },
    many: { type: 'boolean' },
    columns: { type: 'boolean' },
    content: { type: 'boolean' },
    stages: { type: 'boolean' },
    out: { type: 'string' },
  } as const;
  try {
    const { values } = parseArgs({ args: [...args], options: { ...flags, help: { type: 'boolean' } } });
    if (values.help) return end(0, usage);
    const servers = readNames('servers', values.servers, contenders);
    const models = readNames('models', values.models, known);
    const { quick = false } = values;
    const chosen = sections.filter((section) => values[section]);
    const part = servers !== undefined || models !== undefined;
    if (chosen.length > (part ? 0 : 1)) {
      const flags = sections.map((section) => `--${section}`).join(', ');
      throw new Error(`pass only one of ${flags}, or --servers and --models`);
    }
    const out = values.out ? resolve(values.out) : join(root, quick || part ? '.bench' : 'docs');
    return { ...(quick ? short : long), servers, models, part, section: chosen[0], out, quick };
  } catch (error) {
    return end(2, `${error instanceof Error ? error.message : error}\n\n${usage}`);
  }
}

/** Returns the names in a flag, if it was given. Throws if one is unknown. */
function readNames(flag: string, value: string | undefined, known: readonly string[]): string[] | undefined {
  const names = value?.split(',');
  const unknown = names?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0) throw new Error(`--${flag}: unknown ${unknown.join(', ')}; known are ${known.join(', ')}`);
  return names;
}

const long = { seconds: 3, rounds: 3, starts: 3, variantConnections: [8, 32], variantSeconds: 2, commandRounds: 15 };
const short = { seconds: 1, rounds: 1, starts: 1, variantConnections: [32], variantSeconds: 1, commandRounds: 3 };

function end(status: number, text: string): never {
  (status === 0 ? console.log : console.error)(text.trimEnd());
  process.exit(status);
}
