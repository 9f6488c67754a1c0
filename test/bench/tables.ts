// The results as Markdown tables.
import { models, variantModels } from './models.js';
import { show } from './numbers.js';
import { connections, type Options } from './options.js';
import { variants } from './ours.js';
import { find, type Results, type Row } from './results.js';

type Cells = readonly string[];

/** A table whose first `words` columns are text and the others numbers. */
export function table(words: number, head: Cells, rows: readonly Cells[]): string {
  const line = (cells: Cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column < words ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/** A rate with its errors, so that the rate of a faulty run is not quoted. */
const rate = ({ rate, errors }: Row) => (errors > 0 ? `${show(rate)} (${errors} errors)` : show(rate));

/** The models that were measured. */
export const modelsOf = ({ predict }: Results) => models.filter(({ name }) => name in predict);

/** The servers that were measured. */
export const serversOf = ({ rows }: Results): string[] => [...new Set(rows.map(({ server }) => server))];

/** All servers with one model. */
export function speedTable(results: Results, model: string): string {
  const rows = connections.flatMap((count) => {
    const base = find(results.rows, model, count, 'pattern');
    return serversOf(results).flatMap((server) => {
      const row = find(results.rows, model, count, server);
      const ratio = row && base ? show(row.rate / base.rate) : '';
      return row ? [[`${count}`, server, rate(row), ratio, show(row.p50), show(row.p99)]] : [];
    });
  });
  return table(2, ['connections', 'server', 'requests/s', 'relative to pattern', 'p50 ms', 'p99 ms'], rows);
}

/** The generated server with different settings. */
export function variantTable({ variants: rows }: Results, { variantConnections }: Options): string {
  const cell = (model: string, count: number, variant: string) => {
    const row = find(rows, model, count, variant);
    return row ? rate(row) : 'missing';
  };
  const lines = variantModels.flatMap(({ name, title }) =>
    variantConnections.map((count) => [title, `${count}`, ...variants.map((each) => cell(name, count, each.name))]),
  );
  return table(2, ['model', 'connections', ...variants.map(({ name }) => name)], lines);
}

/** How long servers take to start. */
export const startTable = ({ starts }: Results): string =>
  table(
    1,
    ['server', 'seconds'],
    Object.entries(starts).map(([server, seconds]) => [server, show(seconds)]),
  );

/** How long the command takes. */
export function commandTable(commands: Readonly<Record<string, number>>, { commandRounds }: Options): string {
  const base = Object.values(commands)[0] ?? Number.NaN;
  const rows = Object.entries(commands).map(([name, seconds]) => [
    name,
    `${(seconds * 1000).toFixed(0)} ms`,
    (seconds / base).toFixed(1),
  ]);
  return table(1, ['command', `median of ${commandRounds} runs`, 'relative to node -e 0'], rows);
}

/** The prediction times of the models alone. */
export const predictTable = (results: Results): string =>
  table(
    1,
    ['model', '`predict()` of one record, ms'],
    modelsOf(results).map(({ name, title }) => [title, show(results.predict[name] ?? Number.NaN)]),
  );
