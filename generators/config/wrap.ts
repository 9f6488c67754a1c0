// Wraps texts to the width of a terminal.

/** The width that all texts fit: that of the terminal, if it is narrow. */
export const COLUMNS = Math.max(40, Math.min(80, process.stdout.columns || 80));

/**
 * Breaks a text at spaces into lines of up to `width` columns. The lines after the first are indented as far as it is,
 * or by `indent` if that is more. Long words are not split.
 */
export function wrap(text: string, { indent = 0, width = COLUMNS }: { indent?: number; width?: number } = {}): string {
  return text
    .split('\n')
    .map((line) => wrapLine(line, indent, width))
    .join('\n');
}

function wrapLine(line: string, indent: number, width: number): string {
  const start = /^ */.exec(line)?.[0] ?? '';
  const margin = ' '.repeat(Math.max(indent, start.length));
  const lines: string[] = [];
  let current = start;
  for (const word of line.trim().split(/ +/)) {
    const isEmpty = current.trim() === '';
    if (!isEmpty && current.length + 1 + word.length > width) {
      lines.push(current);
      current = margin + word;
    } else current = isEmpty ? current + word : `${current} ${word}`;
  }
  return [...lines, current].join('\n');
}
