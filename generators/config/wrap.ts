// Texts in lines that fit a terminal.

/** Columns of the narrowest terminal that all texts are made for. */
export const COLUMNS = 80;

/** Breaks a text at spaces into lines of at most `width` columns; all but the first are indented. A long word stays whole. */
export function wrap(text: string, { indent = 0, width = COLUMNS }: { indent?: number; width?: number } = {}): string {
  return text
    .split('\n')
    .map((line) => wrapLine(line, indent, width))
    .join('\n');
}

function wrapLine(line: string, indent: number, width: number): string {
  const margin = ' '.repeat(indent);
  const start = /^ */.exec(line)?.[0] ?? '';
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
