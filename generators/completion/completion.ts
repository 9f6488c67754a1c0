// `ml-container-creator completion bash|zsh|fish`: prints the completion script of a shell.
import { didYouMean, RequestError, show } from '../config/problems.js';
import { fail } from '../report.js';
import { bashScript } from './bash.js';
import { fishScript } from './fish.js';
import { program, type Shell, shells } from './words.js';
import { zshScript } from './zsh.js';

const scripts: Readonly<Record<Shell, () => string>> = { bash: bashScript, zsh: zshScript, fish: fishScript };

const isShell = (word: string): word is Shell => Object.hasOwn(scripts, word);

/** Runs the command. Returns the exit status: 0, or 2 for an unknown shell. */
export function completion(argv: readonly string[]): number {
  const [shell = '', ...more] = argv;
  if (isShell(shell) && more.length === 0) {
    process.stdout.write(scripts[shell]());
    return 0;
  }
  const wrong = isShell(shell) ? more[0] : shell;
  const message = wrong ? `unexpected argument ${show(wrong)}` : 'completion needs the name of a shell';
  const usage = `run: ${program} completion ${shells.join('|')}`;
  const hint = (wrong && !isShell(shell) && didYouMean(wrong, shells)) || usage;
  return fail(new RequestError([{ key: '', from: 'the command line', message, hint }], 'no script was printed'), {});
}
