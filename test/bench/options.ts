// What npm run bench takes on its command line, and how long it measures.
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../support/tools.js';

export const connections = [1, 8, 32, 64] as const;

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
  frameworks: boolean; // nothing but the section on them
  many: boolean; // nothing but the section on many models
  columns: boolean; // nothing but the section on requests by column
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
    out: { type: 'string' },
  } as const;
  try {
    const { values } = parseArgs({ args: [...args], options: { ...flags, help: { type: 'boolean' } } });
    if (values.help) return end(0, usage);
    const servers = readNames('servers', values.servers, contenders);
    const models = readNames('models', values.models, known);
    const { quick = false, frameworks = false, many = false, columns = false } = values;
    const part = servers !== undefined || models !== undefined;
    if ([part, frameworks, many, columns].filter(Boolean).length > 1)
      throw new Error('--servers and --models, --frameworks, --many and --columns do not go together');
    const out = values.out ? resolve(values.out) : join(root, quick || part ? '.bench' : 'docs');
    return { ...(quick ? short : long), servers, models, part, frameworks, many, columns, out, quick };
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
