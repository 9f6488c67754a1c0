// Draws a terminal as an SVG: prompts, what was typed, and what was printed. Light or dark, as the reader's system is.

/** A command as it was typed, and all that it printed. */
export interface Typed {
  readonly command: string;
  readonly output: string;
}

type Kind = 'typed' | 'output' | 'hint' | 'warning' | 'answer';

const COLUMNS = 98;
const LINE = 19;
const SIDE = 24;
const TOP = 52;
const WIDTH = 840;

const style = `
  .window { fill: #ffffff; stroke: #d0d7de } .title { fill: #57606a } text { fill: #24292f }
  .typed { font-weight: 600 } .prompt, .answer { fill: #116329 } .hint { fill: #0550ae } .warning { fill: #7d4e00 }
  @media (prefers-color-scheme: dark) {
    .window { fill: #0d1117; stroke: #30363d } .title { fill: #9198a1 } text { fill: #e6edf3 }
    .prompt, .answer { fill: #56d364 } .hint { fill: #79c0ff } .warning { fill: #e3b341 }
  }`;

const xml = (text: string) =>
  text.replace(/[&<>]/g, (each) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[each] ?? '');

/** Runs of spaces, which XML would make one, as no-break spaces. */
const spaced = (text: string) => text.replace(/^ | {2,}/g, (spaces) => '\u00a0'.repeat(spaces.length));

// biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's escape sequences
const escapes = /\u001b\[[\d;?]*[A-Za-z]/g;

/** A line as a terminal of this width wraps it; without colours, and with the last part of what was rewritten. */
function wrap(line: string): string[] {
  const plain = line.replace(escapes, '').split('\r').at(-1) ?? '';
  return plain.match(new RegExp(`.{1,${COLUMNS}}`, 'gu')) ?? [''];
}

function kindOf(line: string): Kind {
  if (/^\{".*\}$/.test(line)) return 'answer';
  if (/^Warning: /.test(line)) return 'warning';
  return /^ {2}(ml-container-creator|cd) /.test(line) ? 'hint' : 'output';
}

function linesOf({ command, output }: Typed): { text: string; kind: Kind }[] {
  const printed = output.trimEnd().split('\n');
  return [
    ...wrap(command).map((text) => ({ text, kind: 'typed' as const })),
    ...printed.flatMap((line) => wrap(line).map((text) => ({ text, kind: kindOf(line) }))),
    { text: '', kind: 'output' },
  ];
}

/** The picture. `title` stands on top; `about` is what a screen reader says. */
export function drawTerminal(session: readonly Typed[], title: string, about: string): string {
  const lines = session.flatMap(linesOf).slice(0, -1);
  const height = TOP + lines.length * LINE + 12;
  const rows = lines.flatMap(({ text, kind }, at) => {
    const y = TOP + LINE * (at + 0.7);
    const prompt = kind === 'typed' ? `<tspan class="prompt">$ </tspan>` : '';
    return text ? [`<text x="${SIDE}" y="${y.toFixed(0)}" class="${kind}">${prompt}${spaced(xml(text))}</text>`] : [];
  });
  const dots = ['#ff5f57', '#febc2e', '#28c840'].map(
    (fill, at) => `<circle cx="${SIDE + 6 + at * 20}" cy="22" r="6" fill="${fill}"/>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13">
<!-- Made by npm run recording, from a real run. -->
<title>${xml(about)}</title>
<style>${style}
</style>
<rect class="window" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>
${dots.join('')}
<text class="title" x="${WIDTH / 2}" y="27" text-anchor="middle">${xml(title)}</text>
${rows.join('\n')}
</svg>
`;
}
