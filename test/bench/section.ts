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
  const cpus = `${availableParallelism()} CPUs`;
  const how = `Each framework's sample model in the framework's first format, served by \`fastapi\` with default settings. The table shows
${times}, with all files in the page cache, and the memory of all processes after one request,
with shared memory counted once (PSS). One process supervises the others, which run the model. Measured on one machine
with ${cpus}.`;
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
    'own process, MB',
    'object in shared process, MB',
    `memory not returned after deleting ${count} objects`,
  ];
  const cells = ({ framework, own, object, taken, left }: ManyRow) => [
    framework,
    show(own),
    show(object),
    percent(Math.max(0, left) / taken),
  ];
  const how = `How much memory one more model needs in a container with many models: in its own process, as with \`--multi-model\`
(shared memory is counted once), and as an object in a shared process. The last column shows how much of the memory of
${count} such objects the shared process still holds after they are deleted, even after \`gc.collect()\` and \`malloc_trim\`.
A process that ends returns all of its memory.`;
  const way = `The overhead of the web server's separate process: at 32 connections, one of many models serves ${show(among)} requests/s;
the same model alone, in a single-model server, serves ${show(alone)} (${percent(among / alone)}; the scikit-learn sample).`;
  return ['Many models', how, table(1, head, rows.map(cells)), way];
}

/** Returns the section on requests by column. */
export function columnsSection(times: ColumnTimes): string[] {
  const how = `The time from request body to response body for one record, without HTTP, compared with the library's \`predict()\` alone,
both run alternately in one process. The models are a pipeline on a DataFrame with 8 numeric and 2 text columns, in four
request formats, and one on an array of 8 numbers.`;
  const rows = Object.entries(times).map(([form, [answer, predict]]) => [
    form,
    show(answer),
    show(predict),
    show(answer - predict),
  ]);
  return ['Requests by column', how, table(1, ['format', 'total, ms', '`predict()`, ms', 'overhead, ms'], rows)];
}

/** Returns the section on content types. */
export function contentSection(times: ContentTimes): string[] {
  const how = `The time from a request body to the model's input (read), and from an array of the same size to a response body (write),
without HTTP. All types run alternately in one process, on records of 20 numbers with full precision. A ratio of 0.5 means
half the speed of JSON.`;
  const rows = Object.entries(times).flatMap(([count, types]) =>
    Object.entries(types).map(([type, [read, write]]) => {
      const [reading, writing] = ratiosOf(times, count, type);
      return [
        Number(count).toLocaleString('en-US'),
        type,
        show(read * 1000),
        show(reading),
        show(write * 1000),
        show(writing),
      ];
    }),
  );
  const head = ['records', 'type', 'read, µs', 'speed relative to JSON', 'write, µs', 'speed relative to JSON'];
  return ['Content types', how, table(2, head, rows)];
}

/** Returns the section on the stages of a request. */
export function stagesSection(rows: readonly StageRow[]): string[] {
  const how = `Milliseconds per stage of a request: the medians of the lines that \`fastapi\` logs at \`SM_LOG_LEVEL=DEBUG\`: read, wait
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
