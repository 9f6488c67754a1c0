// The Yeoman generators' common part: gathers, resolves, writes, says what is next. All decisions are made in the core.
import { join } from 'node:path';
import Generator from 'yeoman-generator';
import yosay from 'yosay';
import { help } from './config/describe.js';
import { CancelledError, ConflictError } from './config/problems.js';
import type { Question } from './config/prompts.js';
import { type CommandLine, readArguments, readOptions } from './config/sources.js';
import { type Command, type Plan, plan } from './plan.js';
import { inTheWay } from './project/write.js';
import { announce, conclusion } from './run.js';

const namespace = /^(generator-)?ml-container-creator(:\w+)?$/;

/** What the user typed. Yeoman coerces option values, so raw words are taken wherever they can be had. */
function commandLine(generator: Generator): { line: CommandLine; typed: boolean } {
  const options = generator.options as Record<string, unknown>;
  const { argv } = options as { argv?: readonly string[] };
  if (argv) return { line: readArguments(argv), typed: true };
  const at = process.argv.findIndex((word, position) => position > 1 && namespace.test(word));
  if (at > 1) return { line: readArguments(process.argv.slice(2).toSpliced(at - 2, 1)), typed: true };
  return { line: readOptions(options, generator.args), typed: false };
}

/** Puts a question to the user; Ctrl-C cancels the run. */
async function ask(generator: Generator, question: Question): Promise<unknown> {
  try {
    const answers: Record<string, unknown> = await generator.prompt([question as never]);
    return answers[question.name];
  } catch (error) {
    throw (error as Error).name === 'ExitPromptError' ? new CancelledError() : error;
  }
}

/** What both generators do; a subclass names its command. */
export abstract class CreatorGenerator extends Generator {
  abstract command: Command;
  private plan?: Plan;
  private line?: CommandLine;
  private terminal = true;

  constructor(args: string[], options: never) {
    super(args, options, { inheritTasks: true, tasksMatchingPriority: true });
  }

  async prompting(): Promise<void> {
    const { line, typed } = commandLine(this);
    this.line = line;
    this.terminal = !typed || Boolean(process.stdin.isTTY && process.stdout.isTTY);
    const asks = this.terminal && !line.run.skipPrompts;
    if (asks) this.log(yosay('Your model, in your own container, on SageMaker.'));
    const around = { cwd: this.env.cwd, env: process.env };
    this.plan = await plan(this.command, line, around, asks ? (question) => ask(this, question) : undefined);
    announce(this.plan, line.run, (text) => void this.log(text));
  }

  writing(): void {
    const { plan: planned, line } = this;
    if (!planned || line?.run.dryRun) return;
    const { files, directory } = planned;
    const conflicts = this.terminal || line?.run.force ? [] : inTheWay(files, directory);
    if (conflicts.length) throw new ConflictError(conflicts, directory);
    for (const { path, text, executable } of files) {
      this.fs.write(join(directory, path), text, { stat: { mode: executable ? 0o100755 : 0o100644 } } as never);
    }
  }

  end(): void {
    if (!this.plan) return;
    if (this.line?.run.json) process.stdout.write(`${JSON.stringify(this.plan.summary)}\n`);
    this.log(this.line?.run.dryRun ? 'Nothing was written.' : conclusion(this.plan));
  }

  override help(): string {
    return help();
  }
}
