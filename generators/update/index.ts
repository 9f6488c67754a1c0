// `yo ml-container-creator:update`: applies other answers or a newer generator to a project, and keeps edits.
import { CancelledError } from '../config/problems.js';
import {
  ask,
  BaseGenerator,
  describeCancellation,
  isCancellation,
  onTerminal,
  type Request,
  requestOf,
} from '../generator.js';
import { fail } from '../report.js';
import type { Change } from './changes.js';
import type { Resolution } from './merge.js';
import { runUpdate } from './run.js';

const choices = [
  { value: 'markers', name: 'write both versions into the files, with conflict markers' },
  { value: 'yours', name: 'keep your version of these lines' },
  { value: 'generated', name: 'use the generated version; your files are saved as NAME.orig' },
  { value: 'cancel', name: 'cancel: change nothing' },
] as const;

export default class extends BaseGenerator {
  private request?: Request;

  async prompting(): Promise<void> {
    this.request = requestOf(this);
    const { commandLine, typed } = this.request;
    const interactive = !commandLine.run.skipPrompts && (!typed || onTerminal());
    describeCancellation(this, 'nothing was changed');
    const say = (text: string) => void this.log(text.trimEnd());
    try {
      const run = { cwd: this.env.cwd, commandLine, say };
      process.exitCode = await runUpdate(run, interactive ? (conflicts) => this.askAbout(conflicts) : undefined);
    } catch (error) {
      if (isCancellation(error as Error)) return; // Yeoman ends the run
      if (!typed) throw error;
      process.exitCode = fail(error, commandLine.run); // if it were thrown, Yeoman would report a crash
    }
  }

  /** Asks how to resolve the conflicts. */
  private async askAbout(conflicts: readonly Change[]): Promise<Resolution> {
    const list = conflicts.map(({ path }) => `  ${path}`).join('\n');
    this.log(`You and the generator changed the same lines in:\n${list}`);
    const message = 'How do you want to resolve these conflicts?';
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
}
