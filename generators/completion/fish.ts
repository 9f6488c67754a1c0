// The completions of fish: a line for each command and each flag.
import { commandList, type Flag, flags, ownWords, program, shells } from './words.js';

const quote = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`;

/** The options of `complete` for what a flag takes. */
function takes({ takes, values }: Flag): string {
  const words = values.map(({ value, about }) => `${value}${about && `\\t"${about.replace(/[\\"$]/g, '\\$&')}"`}`);
  if (takes === 'nothing') return '';
  if (takes === 'file') return ' -r -F';
  if (takes === 'folder') return " -x -a '(__fish_complete_directories)'";
  if (takes === 'text') return ' -x';
  if (takes === 'list') return ` -x -a '(__fish_append , ${values.map(({ value }) => value).join(' ')})'`;
  return ` -x -a ${quoteWords(words)}`;
}

/** Single quotes around words whose \t and " fish reads itself. */
const quoteWords = (words: readonly string[]) => `'${words.join(' ').replaceAll("'", "\\'")}'`;

const withOwnWords = Object.keys(ownWords).join(' ');

export function fishScript(): string {
  const line = (rest: string) => `complete -c ${program} ${rest}`;
  const first = '-n __fish_use_subcommand';
  const generates = `-n 'not __fish_seen_subcommand_from ${withOwnWords}'`;
  return `# Completions of ${program} for fish. Made by: ${program} completion fish

${line('-f')}
${commandList.map(({ name, about }) => line(`${first} -a ${name} -d ${quote(about)}`)).join('\n')}

${line("-n '__fish_seen_subcommand_from inspect' -F")}
${line("-n '__fish_seen_subcommand_from inspect' -l json -d 'Print one JSON object'")}
${line(`-n '__fish_seen_subcommand_from completion' -a '${shells.join(' ')}'`)}

${flags.map((flag) => line(`${generates} -l ${flag.name.slice(2)}${takes(flag)} -d ${quote(flag.about)}`)).join('\n')}
`;
}
