// What npm run bench takes on its command line, and how long it measures.
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../support/tools.js';

export const connections = [1, 8, 32, 64] as const;

/** What can be measured alone, and be replaced in the document. */
export const sections = ['frameworks', 'many', 'columns', 'content', 'stages'] as const;
export type Section = (typeof sections)[number];

/** How one run of the benchmark goes. */
export interface Options {
  seconds: number; // of load in each cell of a table
  rounds: number; // of every contender in turn; the median counts
  starts: number; // of every contender, for the time to its first good ping
  variantConnections: readonly number[];
  variantSeconds: number;
  commandRounds: number;
  servers: readonly string[] | undefined; // the contenders, if not all
  models: readonly string[] | undefined; // the same of the models
  part: boolean; // nothing but contenders: some of them, or some models
  section: Section | undefined; // nothing but this one
  out: string; // the folder for benchmarks.md and benchmarks.svg
  quick: boolean;
}

const usage = `npm run bench -- [flags]

  --quick         short cells, one round: for a first look, about 10 minutes
  --servers=A,B   nothing but these contenders
  --models=A,B    nothing but contenders, with these models
  --frameworks    the section on the frameworks only, replaced in the benchmarks.md that is there
  --many          the same with that on many models
  --columns       the same with that on requests by column
  --content       the same with that on content types
  --stages        the same with that on the stages of a request
  --out=FOLDER    where benchmarks.md and benchmarks.svg go (default: docs; with --quick, --servers or --models: .bench)
`;

/** The options of a command line. Prints the usage and ends where that is asked for, or where a flag is unknown. */
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
      throw new Error(`only one of --servers and --models, ${flags} can be given`);
    }
    const out = values.out ? resolve(values.out) : join(root, quick || part ? '.bench' : 'docs');
    return { ...(quick ? short : long), servers, models, part, section: chosen[0], out, quick };
  } catch (error) {
    return end(2, `${error instanceof Error ? error.message : error}\n\n${usage}`);
  }
}

/** The names of a flag, if it is there. Throws where one is unknown. */
function readNames(flag: string, value: string | undefined, known: readonly string[]): string[] | undefined {
  const names = value?.split(',');
  const unknown = names?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0) throw new Error(`--${flag} has no ${unknown.join(', ')}: there are ${known.join(', ')}`);
  return names;
}

const long = { seconds: 3, rounds: 3, starts: 3, variantConnections: [8, 32], variantSeconds: 2, commandRounds: 15 };
const short = { seconds: 1, rounds: 1, starts: 1, variantConnections: [32], variantSeconds: 1, commandRounds: 3 };

function end(status: number, text: string): never {
  (status === 0 ? console.log : console.error)(text.trimEnd());
  process.exit(status);
}
