// The changes of an update as a diff that `git apply` accepts.
import { diffIndices } from 'node-diff3';
import type { Change, Write } from './changes.js';
import type { CurrentFile, Find } from './disk.js';
import { linesOf } from './merge.js';

const CONTEXT = 3;

/** The diff of all changes: its bytes as Latin-1. `prefix` is the path of the project in its repository, which git expects. */
export function diffOf(changes: readonly Change[], current: Find, prefix = ''): string {
  return changes
    .flatMap(({ path, writes, removes }) => [
      ...writes.map((write) => fileDiff(prefix + write.path, current(write.path), write)),
      ...(removes ? [fileDiff(prefix + path, current(path), undefined)] : []),
    ])
    .join('');
}

function fileDiff(path: string, before: CurrentFile | undefined, after: Write | undefined): string {
  const name = Buffer.from(path).toString('latin1');
  const [from, to] = [before?.text ?? '', after?.text ?? ''];
  const [old, mode] = [before, after].map((each) => each && (each.mode & 0o111 ? '100755' : '100644'));
  const head = [
    `diff --git a/${name} b/${name}\n`,
    ...(old && mode && old !== mode ? [`old mode ${old}\nnew mode ${mode}\n`] : []),
    ...(!old ? [`new file mode ${mode}\n`] : []),
    ...(!mode ? [`deleted file mode ${old}\n`] : []),
  ];
  if (from === to) return head.join('');
  if (`${from}${to}`.includes('\0')) return `${head.join('')}Binary files differ\n`;
  const names = `--- ${before ? `a/${name}` : '/dev/null'}\n+++ ${after ? `b/${name}` : '/dev/null'}\n`;
  return [...head, names, ...hunksOf(linesOf(from), linesOf(to))].join('');
}

type Range = readonly [number, number];
interface Difference {
  readonly from: Range;
  readonly to: Range;
}

function hunksOf(from: readonly string[], to: readonly string[]): string[] {
  const hunks: Difference[][] = [];
  for (const { buffer1, buffer2 } of diffIndices([...from], [...to])) {
    const last = hunks.at(-1)?.at(-1);
    const difference = { from: buffer1, to: buffer2 };
    if (last && buffer1[0] - (last.from[0] + last.from[1]) <= 2 * CONTEXT) hunks.at(-1)?.push(difference);
    else hunks.push([difference]);
  }
  return hunks.map((hunk) => hunkText(hunk, from, to));
}

function hunkText(hunk: readonly Difference[], from: readonly string[], to: readonly string[]): string {
  const [first, last] = [hunk[0], hunk.at(-1)];
  if (!first || !last) return '';
  const start = Math.max(0, first.from[0] - CONTEXT);
  const end = Math.min(from.length, last.from[0] + last.from[1] + CONTEXT);
  const lines: string[] = [];
  let at = start;
  for (const { from: taken, to: put } of hunk) {
    lines.push(...from.slice(at, taken[0]).map((line) => ` ${line}`));
    lines.push(...from.slice(taken[0], taken[0] + taken[1]).map((line) => `-${line}`));
    lines.push(...to.slice(put[0], put[0] + put[1]).map((line) => `+${line}`));
    at = taken[0] + taken[1];
  }
  lines.push(...from.slice(at, end).map((line) => ` ${line}`));
  const toStart = start + first.to[0] - first.from[0];
  const toCount = end - start + hunk.reduce((sum, each) => sum + each.to[1] - each.from[1], 0);
  const range = (at: number, count: number) => `${count ? at + 1 : at},${count}`;
  const body = lines.map((line) => (line.endsWith('\n') ? line : `${line}\n\\ No newline at end of file\n`));
  return `@@ -${range(start, end - start)} +${range(toStart, toCount)} @@\n${body.join('')}`;
}
