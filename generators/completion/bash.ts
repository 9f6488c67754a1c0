// The completions of bash, 3.2 or newer. bash splits a word at = and :, so words are taken from the line as typed.
import { commandList, flags, ownWords, program } from './words.js';

/** One branch of a case statement for each group of flags. */
function branches(takes: readonly string[], body: (names: string[]) => string): string {
  const names = flags.filter((flag) => takes.includes(flag.takes)).map(({ name }) => name);
  return names.length ? `    ${names.join(' | ')}) ${body(names)} ;;` : '';
}

const choices = flags
  .filter(({ values }) => values.length > 0)
  .map(({ name, values }) => `    ${name}) words='${values.map(({ value }) => value).join(' ')}' ;;`);

const words = flags.map(({ name, takes }) => (takes === 'nothing' ? name : `${name}=`)).join(' ');
const after = Object.entries(ownWords).map(([name, { words: own }]) => `    ${name}) words='${own.join(' ')}' ;;`);

/** What a list already has stands before each of the words offered. */
const split = `if [[ $value == *,* ]]; then start=$start\${value%,*}, value=\${value##*,}; fi`;

export const bashScript = (): string => `# Completions of ${program} for bash. Made by: ${program} completion bash

# Sets words to the values of a flag; fails for a flag that takes none or any text.
_ml_container_creator_values() {
  case $1 in
${choices.join('\n')}
    *) return 1 ;;
  esac
}

_ml_container_creator() {
  local line=\${COMP_LINE:0:COMP_POINT} word flag='' value words='' start='' each
  COMPREPLY=()
  word=\${line##*[[:space:]]}
  if [[ $word == --*=* ]]; then
    flag=\${word%%=*} value=\${word#*=}
    [[ $COMP_WORDBREAKS == *=* ]] || start=$flag=
  else
    line=\${line%"$word"}
    line=\${line%"\${line##*[![:space:]]}"}
    flag=\${line##*[[:space:]]} value=$word
    if [[ $word == -* ]]; then flag=''; fi
  fi
  case $flag in
${branches(['file', 'folder', 'text'], () => 'return')}
${branches(['list'], () => split)}
  esac
  if ! _ml_container_creator_values "$flag"; then
    value=$word start=''
    case \${COMP_WORDS[1]} in
${after.join('\n').replaceAll(/^ {4}/gm, '      ')}
      *)
        words='${words}'
        if ((COMP_CWORD == 1)); then words='${commandList.map(({ name }) => name).join(' ')} '$words; fi
        ;;
    esac
  fi
  while read -r each; do
    [[ -n $each ]] || continue
    case $each in
      *=) COMPREPLY+=("$start$each") ;;
      *) COMPREPLY+=("$start$each ") ;;
    esac
  done < <(compgen -W "$words" -- "$value")
}

# Where nothing is found, bash completes the name of a file.
complete -o nospace -o default -F _ml_container_creator ${program}
`;
