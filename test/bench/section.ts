// The sections of the report, and their replacement in an existing document.
import { availableParallelism } from 'node:os';
import type { ColumnTimes } from './columns.js';
import { type ContentTimes, ratiosOf } from './content.js';
import type { FrameworkRow, Frameworks } from './frameworks.js';
import type { Many, ManyRow } from './many.js';
import { percent, show } from './numbers.js';
import type { Options } from './options.js';
import { type StageRow, stages } from './stages.js';
import { table } from './tables.js';

/** Formats a section: its title and its paragraphs. */
export const toMarkdown = ([title, ...parts]: readonly string[]): string => [`## ${title}`, ...parts].join('\n\n');

/** Returns the section on frameworks. */
export function frameworksSection({ rows, images }: Frameworks, { starts, quick }: Options): string[] {
  const cuda = Object.values(images?.built ?? {}).find((image) => image.cuda)?.cuda;
  const head = ['framework', 'format', 'first successful ping, s', 'memory, MB (processes)', 'image, MB'];
  const cells = ({ framework, format, costs }: FrameworkRow) => [
    framework,
    format ?? '-',
    ...(costs ? [show(costs.seconds), `${show(costs.memory)} (${costs.processes})`] : ['failed', 'failed']),
    imageCell(images, framework),
  ];
  const times = starts === 1 ? 'one cold start' : `the median of ${starts} cold starts`;
  const cpus = `(${availableParallelism()} CPUs)`;
  const how = `The sample of each framework in its first format, served by \`fastapi\` with its default settings:
${times}, with all files in the page cache; then the memory of all processes after one request,
with shared memory counted once (Pss). One of the processes supervises the others, which predict. The numbers are those
of one machine ${cpus}.`;
  const footnote = `¹ The index of CPU builds was not reachable: this image has PyPI's build with CUDA ${cuda}.`;
  const found = table(2, head, rows.map(cells));
  return ['Frameworks', `${how}\n${aboutImages(images, quick)}`, found, ...(cuda ? [footnote] : [])];
}

function imageCell(images: Frameworks['images'], framework: string): string {
  if (!images) return '-';
  const image = images.built[framework];
  return image ? `${show(image.size)}${image.cuda ? ' ¹' : ''}` : 'failed';
}

function aboutImages(images: Frameworks['images'], quick: boolean): string {
  if (images)
    return `Of each image ${show(images.base.size)} MB are its base, \`${images.base.name}\`; no model is in it.`;
  return quick ? 'A quick run builds no images.' : 'No images were built: Docker or `BASE_IMAGE` was missing.';
}

/** Returns the section on many models. */
export function manySection({ rows, count, among, alone }: Many): string[] {
  const head = [
    'framework',
    'its own process, MB',
    'object in one process, MB',
    `of ${count} objects left after deleting them`,
  ];
  const cells = ({ framework, own, object, taken, left }: ManyRow) => [
    framework,
    show(own),
    show(object),
    percent(Math.max(0, left) / taken),
  ];
  const how = `The memory of one more model in a container of many: in its own process, as with \`--multi-model\` (shared memory is
counted once), and as an object in a single process; and how much of ${count} such objects the process still holds after they
are deleted, with \`gc.collect()\` and \`malloc_trim\`. When a process ends, nothing is left.`;
  const way = `The overhead of the web server's separate process: at 32 connections, one of many models answers ${show(among)} requests/s, the
same model alone in one process ${show(alone)}: ${percent(among / alone)} (scikit-learn, the sample).`;
  return ['Many models', how, table(1, head, rows.map(cells)), way];
}

/** Returns the section on requests by column. */
export function columnsSection(times: ColumnTimes): string[] {
  const how = `One record from request body to response body, without HTTP, and \`predict()\` of the library alone, run alternately in one
process: a pipeline of 8 numbers and 2 texts on a DataFrame with four request formats, and one of 8 numbers on an array.`;
  const rows = Object.entries(times).map(([form, [answer, predict]]) => [
    form,
    show(answer),
    show(predict),
    show(answer - predict),
  ]);
  return ['Requests by column', how, table(1, ['form', 'answer, ms', 'predict, ms', 'difference, ms'], rows)];
}

/** Returns the section on content types. */
export function contentSection(times: ContentTimes): string[] {
  const how = `From a request body to the model's input, and from an array of the same size to a response body, without HTTP. All types
run alternately in one process: records of 20 numbers with full precision. A ratio of 0.5 is half of JSON's speed.`;
  const rows = Object.entries(times).flatMap(([count, types]) =>
    Object.entries(types).map(([type, [read, write]]) => {
      const [reading, writing] = ratiosOf(times, count, type);
      return [count, type, show(read * 1000), show(reading), show(write * 1000), show(writing)];
    }),
  );
  const head = ['records', 'type', 'read, µs', 'speed to JSON', 'write, µs', 'speed to JSON'];
  return ['Content types', how, table(2, head, rows)];
}

/** Returns the section on the stages of a request. */
export function stagesSection(rows: readonly StageRow[]): string[] {
  const how = `Milliseconds of each stage of a request, medians of the lines that \`fastapi\` logs at \`SM_LOG_LEVEL=DEBUG\`: read, wait
(for the previous prediction), decode, join (with the other requests of the batch), predict, encode, write.`;
  const cells = rows.map(({ what, ms }) => [what, ...stages.map((stage) => show(ms[stage]))]);
  return ['Stages of a request', how, table(1, ['requests', ...stages], cells)];
}

/** Replaces the section with the same title, or inserts it after "Cold start". The rest stays unchanged. */
export function replaceSection(text: string, section: string): string {
  const parts = text.trimEnd().split(/\n+(?=## )/);
  const find = (title: string) => parts.findIndex((part) => part.startsWith(`${title}\n`));
  const position = find(section.slice(0, section.indexOf('\n')));
  if (position >= 0) parts[position] = section;
  else parts.splice(find('## Cold start') + 1 || parts.length, 0, section);
  return `${parts.join('\n\n')}\n`;
}
