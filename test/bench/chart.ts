// A grouped bar chart as SVG: requests/s as a multiple of the pattern's, on a logarithmic scale.
import { models } from './models.js';
import { countConnections } from './numbers.js';
import { connections } from './options.js';
import { find, type Row } from './results.js';

const base = 'pattern';
const colors: Readonly<Record<string, string>> = {
  fastapi: '#1558b0',
  'fastapi-onnx': '#0b2f66',
  flask: '#5aa0f2',
  mlserver: '#b5541c',
  'mlserver-batching': '#eb9a5b',
  bentoml: '#2e7d4f',
  mlflow: '#86b894',
  mms: '#7b3fa0',
  gevent: '#b99ad0',
  bare: '#9aa0a6',
};
const ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];
const [width, left, right, panelHeight, gap, top] = [960, 64, 24, 230, 62, 130];

type Bar = { server: string; ratio: number };
type Panel = { title: string; groups: { count: number; bars: Bar[] }[] };

/** Returns the chart, or undefined if there is nothing to compare. */
export function chart(rows: readonly Row[]): string | undefined {
  const panels = models.map(({ name, title }) => ({ title, groups: groupsOf(rows, name) }));
  const ratios = panels.flatMap(({ groups }) => groups.flatMap(({ bars }) => bars.map(({ ratio }) => ratio)));
  if (ratios.length === 0) return;
  const low = ticks.findLast((tick) => tick <= Math.min(1, ...ratios)) ?? 0.1;
  const high = ticks.find((tick) => tick >= Math.max(2, ...ratios)) ?? 500;
  const height = top + panels.length * (panelHeight + gap) - 22;
  const drawn = panels.map((panel, number) => draw(panel, top + number * (panelHeight + gap), low, high));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="13" fill="#202124">
<rect width="${width}" height="${height}" rx="8" fill="#ffffff" stroke="#dadce0"/>
${text(left, 32, 'Requests/s as a multiple of the common Flask setup (pattern: Flask, gunicorn, 2 sync workers)', 'font-size="16" font-weight="600"')}
${legend(serversIn(panels))}
${drawn.join('\n')}
</svg>
`;
}

const serversIn = (panels: readonly Panel[]) => [
  ...new Set(panels.flatMap(({ groups }) => groups.flatMap(({ bars }) => bars.map(({ server }) => server)))),
];

function groupsOf(rows: readonly Row[], model: string) {
  return connections.map((count) => {
    const pattern = find(rows, model, count, base);
    const bars = Object.keys(colors).flatMap((server) => {
      const row = find(rows, model, count, server);
      return row && pattern ? [{ server, ratio: row.rate / pattern.rate }] : [];
    });
    return { count, bars };
  });
}

function legend(servers: readonly string[]): string {
  let [x, y] = [left, 48];
  return servers
    .map((server) => {
      const label = server === 'bare' ? 'bare (predicts nothing)' : server;
      const entryWidth = 42 + label.length * 7.5;
      if (x + entryWidth > width) [x, y] = [left, y + 24];
      const entry = `${box(x, y, 12, 12, server)}${text(x + 18, y + 11, label)}`;
      x += entryWidth;
      return entry;
    })
    .join('\n');
}

function draw({ title, groups }: Panel, y: number, low: number, high: number): string {
  const place = (ratio: number) =>
    y + panelHeight * (1 - (Math.log(ratio) - Math.log(low)) / (Math.log(high) - Math.log(low)));
  const grid = ticks.filter((tick) => tick >= low && tick <= high).map((tick) => gridLine(tick, place(tick)));
  const groupWidth = (width - left - right) / groups.length;
  const bars = groups.flatMap(({ count, bars: each }, number) => {
    const start = left + number * groupWidth;
    const barWidth = Math.min(26, (groupWidth - 24) / Math.max(1, each.length));
    const inset = (groupWidth - barWidth * each.length) / 2;
    return [
      ...each.map((bar, place_) => column(bar, start + inset + place_ * barWidth, barWidth, place)),
      text(start + groupWidth / 2, y + panelHeight + 18, countConnections(count), 'text-anchor="middle"'),
    ];
  });
  return [text(left, y - 10, title, 'font-weight="600"'), ...grid, ...bars].join('\n');
}

/** A bar from 1 up if the server is faster than the pattern, or down if it is slower. */
function column({ server, ratio }: Bar, x: number, barWidth: number, place: (ratio: number) => number): string {
  const [from, to] = [place(Math.max(1, ratio)), place(Math.min(1, ratio))];
  const value = ratio.toFixed(ratio < 9.95 ? 1 : 0);
  const label = text(x + barWidth / 2, ratio >= 1 ? from - 4 : to + 11, value, 'text-anchor="middle" font-size="10"');
  return `${box(x + 1, from, barWidth - 2, Math.max(1, to - from), server)}${label}`;
}

function gridLine(tick: number, y: number): string {
  const stroke = tick === 1 ? '#5f6368' : '#e4e6e9';
  const line = `<line x1="${left}" x2="${width - right}" y1="${round(y)}" y2="${round(y)}" stroke="${stroke}"/>`;
  return line + text(left - 8, y + 4, `${tick}×`, 'text-anchor="end" fill="#5f6368"');
}

const round = (value: number) => Number(value.toFixed(1));
const box = (x: number, y: number, w: number, h: number, server: string) =>
  `<rect x="${round(x)}" y="${round(y)}" width="${round(w)}" height="${round(h)}" fill="${colors[server]}"><title>${server}</title></rect>`;
const text = (x: number, y: number, words: string, more = '') =>
  `<text x="${round(x)}" y="${round(y)}"${more && ` ${more}`}>${words}</text>`;
