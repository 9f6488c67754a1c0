// The section on the frameworks in words, and how it is put into a document that is there already.
import { availableParallelism } from 'node:os';
import type { ColumnTimes } from './columns.js';
import type { FrameworkRow, Frameworks } from './frameworks.js';
import type { Many, ManyRow } from './many.js';
import { percent, show } from './numbers.js';
import type { Options } from './options.js';
import { table } from './tables.js';

/** A section: its title and its paragraphs. */
export const inWords = ([title, ...parts]: readonly string[]): string => [`## ${title}`, ...parts].join('\n\n');

/** What is said of the frameworks. */
export function frameworksSection({ rows, images }: Frameworks, { starts, quick }: Options): string[] {
  const cuda = Object.values(images?.built ?? {}).find((image) => image.cuda)?.cuda;
  const head = ['framework', 'format', 'first good ping, s', 'memory, MB (processes)', 'image, MB'];
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
where what they share counts once (Pss). One of the processes watches over the others, which predict. The numbers stand
for one machine ${cpus}.`;
  const footnote = `¹ The index of builds for CPUs was not reachable: this image holds PyPI's build with CUDA ${cuda}.`;
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
  return quick ? 'A quick run builds no images.' : 'No images were built: Docker was not there, or no `BASE_IMAGE`.';
}

/** What is said of many models. */
export function manySection({ rows, count, among, alone }: Many): string[] {
  const head = [
    'framework',
    'its own process, MB',
    'object in one process, MB',
    `of ${count} objects left after dropping them`,
  ];
  const cells = ({ framework, own, object, taken, left }: ManyRow) => [
    framework,
    show(own),
    show(object),
    percent(Math.max(0, left) / taken),
  ];
  const how = `What one more model takes in a container of many, in the process of its own that \`--multi-model\` gives it (what it
shares with others counts once), and what it would take as an object in one process; and how much of ${count} such objects a
process still holds when they are dropped, after \`gc.collect()\` and \`malloc_trim\`. The end of a process leaves nothing.`;
  const way = `The way through the web server's process: at 32 connections a model among many answers ${show(among)} requests/s,
the same one alone in one process ${show(alone)}: ${percent(among / alone)} (scikit-learn, the sample).`;
  return ['Many models', how, table(1, head, rows.map(cells)), way];
}

/** What is said of requests by column. */
export function columnsSection(times: ColumnTimes): string[] {
  const how = `One record from the body to the answer, without HTTP, and \`predict()\` of the library alone, taking turns in one
process: a pipeline of 8 numbers and 2 texts on a DataFrame in four forms of a request, and one of 8 numbers on an array.`;
  const rows = Object.entries(times).map(([form, [answer, predict]]) => [
    form,
    show(answer),
    show(predict),
    show(answer - predict),
  ]);
  return ['Requests by column', how, table(1, ['form', 'answer, ms', 'predict, ms', 'difference, ms'], rows)];
}

/** Puts a section in the place of the one with its title, or behind "Cold start"; all else stays as it is. */
export function replaceSection(text: string, section: string): string {
  const parts = text.trimEnd().split(/\n+(?=## )/);
  const find = (title: string) => parts.findIndex((part) => part.startsWith(`${title}\n`));
  const there = find(section.slice(0, section.indexOf('\n')));
  if (there >= 0) parts[there] = section;
  else parts.splice(find('## Cold start') + 1 || parts.length, 0, section);
  return `${parts.join('\n\n')}\n`;
}
