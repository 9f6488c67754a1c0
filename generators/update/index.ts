// `yo ml-container-creator:update`: in a project, other answers or a newer generator, merged with the user's edits.
import Generator from 'yeoman-generator';
import { help } from '../config/describe.js';
import { CancelledError } from '../config/problems.js';
import { ask, isCancellation, nameCancellation, onTerminal, type Request, requestOf } from '../generator.js';
import { fail } from '../report.js';
import type { Change } from './changes.js';
import type { Resolution } from './merge.js';
import { runUpdate } from './run.js';

const choices = [
  { value: 'markers', name: 'write both sides into the files, between conflict markers' },
  { value: 'yours', name: 'keep your lines there' },
  { value: 'generated', name: 'take the generated lines there; save your files as NAME.orig' },
  { value: 'cancel', name: 'cancel: change nothing' },
] as const;

export default class extends Generator {
  private request?: Request;

  constructor(args: string[], options: never) {
    super(args, options, { inheritTasks: true, tasksMatchingPriority: true, customInstallTask: true });
  }

  async prompting(): Promise<void> {
    this.request = requestOf(this);
    const { line, typed } = this.request;
    const asks = !line.run.skipPrompts && (!typed || onTerminal());
    nameCancellation(this, () => 'nothing was changed');
    const say = (text: string) => void this.log(text.trimEnd());
    try {
      const run = { cwd: this.env.cwd, line, say };
      process.exitCode = await runUpdate(run, asks ? (conflicts) => this.askAbout(conflicts) : undefined);
    } catch (error) {
      if (isCancellation(error as Error)) return; // Yeoman ends the run with it
      if (!typed) throw error;
      process.exitCode = fail(error, line.run); // thrown on, Yeoman would print it as a crash of its own
    }
  }

  /** Asks how the conflicts are resolved. */
  private async askAbout(conflicts: readonly Change[]): Promise<Resolution> {
    const list = conflicts.map(({ path }) => `  ${path}`).join('\n');
    this.log(`You and the generator changed the same lines in:\n${list}`);
    const message = 'What to do about these lines?';
    const answer = await ask(this, {
      type: 'select',
      name: 'conflicts',
      message,
      choices,
      default: 'markers',
    } as never);
    if (answer === 'cancel') throw new CancelledError('nothing was changed');
    return answer as Resolution;
  }

  override help(): string {
    return help();
  }
}
