// The completions of zsh: a function for _arguments, to be autoloaded from $fpath or to be sourced.
import { commandList, type Flag, flags, ownWords, program, shells } from './words.js';

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const escaped = (text: string) => text.replace(/[\\[\]:]/g, '\\$&');
const label = (text: string) => text.replace(/[\\"$`]/g, '\\$&').replaceAll(':', '\\:');

/** What completes a flag's value. */
function action({ name, takes, values }: Flag): string {
  const message = name.slice(2).replaceAll('-', ' ');
  if (takes === 'file') return `:${message}:_files`;
  if (takes === 'folder') return `:${message}:_files -/`;
  if (takes === 'text') return `:${message}: `;
  const each = values.map(({ value, about }) => `${escaped(value)}${about && `\\:"${label(about)}"`}`);
  if (takes === 'list')
    return `:${message}:_values -s , ${message.replaceAll(' ', '-')} ${values.map(({ value }) => value).join(' ')}`;
  return `:${message}:((${each.join(' ')}))`;
}

function specification(flag: Flag): string {
  const { name, about, takes } = flag;
  const named = takes === 'nothing' ? name : `${takes === 'list' ? '*' : ''}${name}=`;
  return quote(`${named}[${escaped(about)}]${takes === 'nothing' ? '' : action(flag)}`);
}

const described = commandList.map(({ name, about }) => quote(`${name}:${about.replaceAll(':', '\\:')}`));
const inspect = (ownWords.inspect?.words ?? []).map((word) => quote(`${word}[print one JSON object]`));

export const zshScript = (): string => `#compdef ${program}
# Completions of ${program} for zsh. Made by: ${program} completion zsh

_${program}() {
  local -a commands flags
  commands=(
    ${described.join('\n    ')}
  )
  flags=(
    ${flags.map(specification).join('\n    ')}
  )
  case \${words[2]} in
    inspect) _arguments ${inspect.join(' ')} '2:model:_files' ;;
    schema) _message 'no more arguments' ;;
    completion) _arguments '2:shell:(${shells.join(' ')})' ;;
    configure) _arguments $flags '2:project name: ' ;;
    *) _arguments $flags "1:command or project name:{_describe command commands}" ;;
  esac
}

if [[ \${funcstack[1]} == _${program} ]]; then
  _${program} "$@"
else
  compdef _${program} ${program}
fi
`;
