// The report of the results, for the terminal and for docs/benchmarks.md.
import { availableParallelism } from 'node:os';
import { contenders } from './contenders.js';
import { judge, type Verdict } from './goals.js';
import { percent } from './numbers.js';
import type { Options } from './options.js';
import { variants } from './ours.js';
import type { Results } from './results.js';
import {
  columnsSection,
  contentSection,
  frameworksSection,
  manySection,
  stagesSection,
  toMarkdown,
} from './section.js';
import { commandTable, modelsOf, predictTable, serversOf, speedTable, startTable, variantTable } from './tables.js';

const quiet = 0.03; // share of the CPU time that other programs can use without a warning

/** Returns the goals and tables. */
export function findings(results: Results, options: Options): string {
  const sections: string[][] = [
    ...modelsOf(results).map(({ name, title }) => [title, speedTable(results, name)]),
    ['The models alone', predictTable(results)],
    ...(results.variants.length > 0 ? [processes(results, options)] : []),
    ['Cold start', starting(results, options), startTable(results)],
    ...(results.frameworks ? [frameworksSection(results.frameworks, options)] : []),
    ...(results.columns ? [columnsSection(results.columns)] : []),
    ...(results.content ? [contentSection(results.content)] : []),
    ...(results.stages ? [stagesSection(results.stages)] : []),
    ...(results.many ? [manySection(results.many)] : []),
    ...(results.commands ? [['The command', commandTable(results.commands, options)]] : []),
    ['Goals', goals(results, options)],
  ];
  return [...warnings(results), ...sections.map(toMarkdown)].join('\n\n');
}

/** Returns the whole document. */
export const document = (results: Results, options: Options, python: string, picture: boolean): string => `# Benchmarks

Written by \`npm run bench\`, which measures everything here in one run. Quote the ratios; the absolute numbers are from
one machine.${options.quick ? ' **This was a quick run** (`--quick`): its numbers are coarse.' : ''}
${picture ? '\n![Requests/s as a multiple of the common Flask setup](benchmarks.svg)\n' : ''}
## The servers

${servers(results)}

${findings(results, options)}

## How it is measured

${method(results, options, python)}
`;

function goals(results: Results, { part }: Options): string {
  const word = ({ met }: Verdict) => (met === undefined ? 'not measured' : met ? 'met' : 'NOT met');
  const line = (verdict: Verdict) => `- **${word(verdict)}**: ${verdict.goal}${verdict.found && `: ${verdict.found}`}`;
  const verdicts = judge(results).filter(({ met }) => !part || met !== undefined);
  return verdicts.map(line).join('\n') || 'There are none for these servers.';
}

function warnings({ missing, others }: Results): string[] {
  const busy = `**The machine was busy**: other programs used ${percent(others)} of its CPU time, so these numbers are less reliable.`;
  return [
    ...missing.map(({ name, reason }) => `**${name} is missing**: ${reason}.`),
    ...(others > quiet ? [busy] : []),
  ];
}

function processes(results: Results, options: Options): string[] {
  const settings = variants.map(({ name, about }) => `- ${name}: ${about}`).join('\n');
  const text = `Requests/s of \`fastapi\` with other settings. A batch contains the requests that arrived during the previous prediction.
The last two models take the same time per record, batched or not; they differ in whether other threads of the process
can run at the same time.`;
  const why = `Why the default is one process per CPU, with batching: a model that holds Python's GIL uses only one CPU per process,
whatever the settings. A model that releases it, or that predicts many records as fast as one, is served about as well by
several processes as by a single one, which predicts larger batches. The processes are forked after the model is loaded and
share its memory until they write to it. Fewer are started if a copy for each would not fit in memory; \`SM_WORKERS\`
overrides the number.`;
  return ['Processes and batching', text, variantTable(results, options), settings, why];
}

function starting(results: Results, { starts }: Options): string {
  const how = `with the ${modelsOf(results)[0]?.name} model${starts === 1 ? '' : `: the median of ${starts}`}`;
  return `Seconds from the start of the process to the first successful ping, ${how}.`;
}

function servers(results: Results): string {
  const line = (server: string) => `- \`${server}\`: ${contenders.find(({ name }) => name === server)?.about}`;
  return serversOf(results).map(line).join('\n');
}

const method = ({ idle, stolen, others }: Results, { rounds, seconds }: Options, python: string) => `\
All servers get the same models, saved with the same scikit-learn and NumPy, and write their default logs to a file.
Servers on uvicorn have uvloop and httptools, which uvicorn uses if they are installed: without them MLflow took 44 ms for
a single request. With histogram gradient boosting, the other servers run with \`OMP_NUM_THREADS=1\`, which the generated
servers set themselves, because the OpenMP threads of several workers slow each other down.

- Machine: ${availableParallelism()} CPUs for servers and load together, Linux, Python ${python}, Node ${process.versions.node}. While this ran,
  other programs used ${percent(others)} of the CPU time, and steal time was ${percent(stolen)}.
- Load: wrk over loopback, over keep-alive connections if the server supports them. A request is one record of 20
  numbers in the server's JSON format; the load cycles through 16 records.
- All servers of a model run at the same time, but only one at a time is under load: first with 1 connection, finally with
  64, for ${seconds} s each${rounds > 1 ? `, in ${rounds} rounds; the median is reported` : ''}. When idle, all servers
  together use ${percent(idle)} of one CPU.
- Before it is measured, a server must return the model's own predictions for every record, one at a time and many at once.
  A request that fails or returns an error counts as an error, and is shown.
- A cold start is that of the process, with its files in the page cache. Starting a machine and pulling an image add to that.`;
