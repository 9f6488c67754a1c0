// Prints where the time went, from the rows written by support/times.ts: tsx test/times.ts FILE
import { readFileSync } from 'node:fs';

const [file = ''] = process.argv.slice(2);
const rows = readFileSync(file, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => line.split('\t'))
  .map(([kind = '', seconds = '', ...names]) => ({ kind, seconds: Number(seconds), names }));
const of = (wanted: string) => rows.filter(({ kind }) => kind === wanted);

const files = new Map<string, number>();
for (const { seconds, names } of of('test')) files.set(names[0] ?? '', (files.get(names[0] ?? '') ?? 0) + seconds);

const tables = {
  'suites and their preparation': of('suite'),
  'slowest files': [...files].map(([name, seconds]) => ({ seconds, names: [name] })),
  'slowest Docker builds': of('build'),
  'slowest tests and hooks': of('test'),
};
for (const [title, table] of Object.entries(tables)) {
  const max = title.startsWith('slowest') ? 20 : table.length;
  const lines = [...table].sort((one, other) => other.seconds - one.seconds).slice(0, max);
  console.log(`\nSeconds: ${title}`);
  for (const { seconds, names } of lines) console.log(`${seconds.toFixed(1).padStart(8)}  ${names.join(': ')}`);
}
