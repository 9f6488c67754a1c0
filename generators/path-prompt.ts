// A prompt for paths with Tab completion, which inquirer's input prompt does not have.
import {
  createPrompt,
  isBackspaceKey,
  isEnterKey,
  isTabKey,
  makeTheme,
  useKeypress,
  usePrefix,
  useState,
} from '@inquirer/core';
import { cleanPath, completePath } from './path-completion.js';

/** The properties of a question that this prompt uses. */
interface PathQuestion {
  message: string;
  default?: string;
  validate?: (answer: string) => true | string | Promise<true | string>;
}

const MAX_CANDIDATES = 15;

export const pathPrompt = createPrompt<string, PathQuestion>((config, done) => {
  const theme = makeTheme({});
  const [status, setStatus] = useState<'idle' | 'loading' | 'done'>('idle');
  const [value, setValue] = useState('');
  const [below, setBelow] = useState('');
  const [standard, setStandard] = useState(config.default);
  const prefix = usePrefix({ status, theme });

  useKeypress(async (key, line) => {
    if (status !== 'idle') return;
    if (isEnterKey(key)) {
      const answer = cleanPath(value) || standard || '';
      setStatus('loading');
      const valid = (await config.validate?.(answer)) ?? true;
      if (valid === true) {
        setValue(answer);
        setStatus('done');
        return done(answer);
      }
      line.write(value); // Enter emptied the line
      setBelow(theme.style.error(valid));
      return setStatus('idle');
    }
    if (isBackspaceKey(key) && !value) setStandard(undefined);
    if (isTabKey(key)) {
      const { text, candidates } = completePath(value, process.cwd());
      line.clearLine(0);
      line.write(text);
      setValue(text);
      return setBelow(listNames(candidates));
    }
    setValue(line.line);
    setBelow('');
  });

  const isDone = status === 'done';
  const shown = isDone ? theme.style.answer(value || 'none') : value;
  const hint = standard && !isDone && !value ? theme.style.defaultAnswer(standard) : undefined;
  const parts = [prefix, theme.style.message(config.message, status), hint, shown];
  return [parts.filter((part) => part !== undefined).join(' '), below];
});

/** The candidates, one per line. */
function listNames(names: readonly string[]): string {
  const more = names.length - MAX_CANDIDATES;
  return [...names.slice(0, MAX_CANDIDATES), ...(more > 0 ? [`… and ${more} more`] : [])]
    .map((name) => `  ${name}`)
    .join('\n');
}
