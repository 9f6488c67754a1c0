// The results in words, for the terminal and for docs/benchmarks.md.
import { availableParallelism } from 'node:os';
import { contenders } from './contenders.js';
import { judge, type Verdict } from './goals.js';
import { percent } from './numbers.js';
import type { Options } from './options.js';
import { variants } from './ours.js';
import type { Results } from './results.js';
import { columnsSection, frameworksSection, inWords, manySection } from './section.js';
import { commandTable, modelsOf, predictTable, serversOf, speedTable, startTable, variantTable } from './tables.js';

const quiet = 0.03; // share of the CPU time that other programs may take before it is said

/** What was found: goals and tables. */
export function findings(results: Results, options: Options): string {
  const sections: string[][] = [
    ['Goals', goals(results, options)],
    ...modelsOf(results).map(({ name, title }) => [title, speedTable(results, name)]),
    ['The models alone', predictTable(results)],
    ...(results.variants.length > 0 ? [processes(results, options)] : []),
    ['Cold start', starting(results, options), startTable(results)],
    ...(results.frameworks ? [frameworksSection(results.frameworks, options)] : []),
    ...(results.columns ? [columnsSection(results.columns)] : []),
    ...(results.many ? [manySection(results.many)] : []),
    ...(results.commands ? [['The command', commandTable(results.commands, options)]] : []),
  ];
  return [...warnings(results), ...sections.map(inWords)].join('\n\n');
}

/** The whole document. */
export const document = (results: Results, options: Options, python: string, picture: boolean): string => `# Benchmarks

Written by \`npm run bench\`, which measures everything here side by side in one run. Quote the ratios: the numbers stand
for one machine.${options.quick ? ' **This was a quick run** (`--quick`): its numbers are coarse.' : ''}
${picture ? '\n![Requests/s as a multiple of the pattern everybody copies](benchmarks.svg)\n' : ''}
${findings(results, options)}

## How it is measured

${servers(results)}

${method(results, options, python)}
`;

function goals(results: Results, { part }: Options): string {
  const word = ({ met }: Verdict) => (met === undefined ? 'not measured' : met ? 'met' : 'NOT met');
  const line = (verdict: Verdict) => `- **${word(verdict)}**: ${verdict.goal}${verdict.found && `: ${verdict.found}`}`;
  const verdicts = judge(results).filter(({ met }) => !part || met !== undefined);
  return verdicts.map(line).join('\n') || 'There are none for these servers.';
}

function warnings({ missing, others }: Results): string[] {
  const busy = `**The machine was busy**: other programs took ${percent(others)} of its CPU time. Run this again.`;
  return [
    ...missing.map(({ name, reason }) => `**${name} is missing**: ${reason}.`),
    ...(others > quiet ? [busy] : []),
  ];
}

function processes(results: Results, options: Options): string[] {
  const settings = variants.map(({ name, about }) => `- ${name}: ${about}`).join('\n');
  const text = `Requests/s of \`fastapi\` with other settings. A batch is what came in while the prediction before it ran. The last
two models take the same time for each record, in a batch or alone, and differ in whether other threads of the process
get on meanwhile.`;
  const why = `Why the default is one process for each CPU, with batching: a model that holds Python's interpreter lock gets one CPU
out of one process, whatever the settings; a model that releases it, or whose predictions take the same time for many records
as for one, is served about as well by several processes as by one, which predicts more records together. The processes are
forked after the model is loaded and share its memory until they write to it. Fewer are started where memory does not
hold a copy for each; \`SM_WORKERS\` decides otherwise.`;
  return ['Processes and batching', text, variantTable(results, options), settings, why];
}

function starting(results: Results, { starts }: Options): string {
  const how = `with the ${modelsOf(results)[0]?.name} model${starts === 1 ? '' : `: the median of ${starts}`}`;
  return `Seconds from the start of the process to the first good ping, ${how}.`;
}

function servers(results: Results): string {
  const line = (server: string) => `- \`${server}\`: ${contenders.find(({ name }) => name === server)?.about}`;
  return serversOf(results).map(line).join('\n');
}

const method = ({ idle, stolen, others }: Results, { rounds, seconds }: Options, python: string) => `\
All get the same models, saved with the same scikit-learn and NumPy, and write their logs, as many as they do by default,
to a file. What uvicorn serves has uvloop and httptools, which it takes up where they are installed: without them MLflow
took 44 ms for a request that was alone. With histogram gradient boosting the others get \`OMP_NUM_THREADS=1\`,
which the generated servers set themselves: the OpenMP threads of several workers slow each other down.

- Machine: ${availableParallelism()} CPUs for servers and load together, Linux, Python ${python}, Node ${process.versions.node}. While this ran,
  other programs took ${percent(others)} of the CPU time and the machine's host gave ${percent(stolen)} to others.
- Load: wrk over loopback, on connections that stay open where the server allows it. A request is one record of 20
  numbers in the server's own JSON; 16 records take turns.
- All servers with a model are up at a time, and one is asked at a time: with 1 connection first and with 64 last,
  each for ${seconds} s in turn${rounds > 1 ? `, in ${rounds} rounds, of which the median counts` : ''}. While nobody asks them they
  all together use ${percent(idle)} of one CPU.
- Before it is measured, a server has to answer every record as the model does, one by one and many at a time. A request
  that fails or gets an error counts as an error, and is shown.
- A cold start is that of the process, with its files in the page cache; images and machines take their time besides.`;
