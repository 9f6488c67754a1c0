// The Yeoman generators' common part: gathers, resolves, writes, says what is next. All decisions are made in the core.
import { join } from 'node:path';
import chalk from 'chalk';
import Generator from 'yeoman-generator';
import { help } from './config/describe.js';
import { CancelledError, ExitError, type Problem } from './config/problems.js';
import type { Question } from './config/prompts.js';
import { type CommandLine, type RunFlags, readArguments, readOptions } from './config/sources.js';
import { thisMachine } from './machine.js';
import { pathPrompt } from './path-prompt.js';
import { type Command, type Conversation, type Plan, plan } from './plan.js';
import {
  isThere,
  type OutputFile,
  refuseConflicts,
  refuseObstacles,
  type Staged,
  saveEdits,
  stage,
  write,
} from './project/write.js';
import { announce, conclusion, fail, nothingWritten } from './report.js';

const namespace = /^(generator-)?ml-container-creator(:\w+)?$/;

/** What is asked for; `typed` on a command line, or else handed over by a program, which gets errors thrown. */
export interface Request {
  line: CommandLine;
  typed: boolean;
}

export const onTerminal = () => Boolean(process.stdin.isTTY && process.stdout.isTTY);

/** The request. Yeoman coerces the values of options, so the words as they were typed are taken where there are any. */
export function requestOf(generator: Generator): Request {
  const options = generator.options as Record<string, unknown>;
  const { argv } = options as { argv?: readonly string[] };
  if (argv) return { line: readArguments(argv), typed: true };
  const at = process.argv.findIndex((word, position) => position > 1 && namespace.test(word));
  if (at > 1) return { line: readArguments(process.argv.slice(2).toSpliced(at - 2, 1)), typed: true };
  return { line: readOptions(options, generator.args), typed: false };
}

/** Puts one question to the user. */
export async function ask(
  generator: Generator,
  { intro, ...question }: Pick<Question, 'name' | 'intro'>,
): Promise<unknown> {
  if (intro) generator.log(intro);
  const answers: Record<string, unknown> = await generator.prompt([question as never]);
  return answers[question.name];
}

interface PromptModule {
  registerPrompt(name: string, prompt: unknown): void;
}

/** Makes our own kind of prompt known. An adapter that takes none asks the same with a plain input. */
function registerPrompts({ adapter }: { adapter: unknown }): void {
  const { promptModule, actualAdapter } = adapter as {
    promptModule?: PromptModule;
    actualAdapter?: { promptModule?: PromptModule };
  };
  (promptModule ?? actualAdapter?.promptModule)?.registerPrompt('path', pathPrompt);
}

/** What stands in the way of a plan's files on the disk: Yeoman asks about what it renders, and not about copies. */
function problemsOnDisk({ files, copies, directory }: Plan, { force }: RunFlags): readonly Problem[] {
  try {
    if (!force) refuseConflicts(copies, directory);
    refuseObstacles([...files, ...copies], directory);
    return [];
  } catch (error) {
    if (error instanceof ExitError && error.problems.length) return error.problems;
    throw error;
  }
}

/** Whether the user left a question: by Ctrl-C, or by the "abort" of Yeoman's question about a conflict. */
export const isCancellation = ({ name, message }: Error) =>
  name === 'ExitPromptError' || message === 'Process aborted by user';

/** Gives the error with which Yeoman ends a cancelled run our words and exit status, also for yo to print. */
export function nameCancellation({ env }: Generator, written: () => string | undefined): void {
  const { signal } = env.adapter as { signal?: AbortSignal };
  signal?.addEventListener('abort', () => {
    if (!isCancellation(signal.reason)) return;
    const { code, message } = new CancelledError(written());
    Object.assign(signal.reason, { code, message });
  });
}

/** What both generators do; a subclass names its command. */
export abstract class CreatorGenerator extends Generator {
  abstract command: Command;
  private request: Request = { line: readArguments([]), typed: false };
  private plan?: Plan;
  private copies?: Staged;
  /** The files that are not there yet as they will be written, and what was saved of those they replace. */
  private pending: readonly OutputFile[] = [];
  private saved: readonly string[] = [];

  constructor(args: string[], options: never) {
    super(args, options, { inheritTasks: true, tasksMatchingPriority: true, customInstallTask: true });
  }

  async prompting(): Promise<void> {
    this.request = requestOf(this);
    const { line, typed } = this.request;
    const asks = !line.run.skipPrompts && (!typed || onTerminal());
    if (process.env.NO_COLOR) chalk.level = 0;
    if (asks) this.log('Your model, in your own container, on SageMaker.\n');
    const context = { cwd: this.env.cwd, env: process.env, machine: thisMachine() };
    nameCancellation(this, () => this.plan && 'of the files in the way, only those you agreed to are written');
    try {
      const planned = await plan(this.command, line, context, asks ? this.conversation() : undefined);
      announce(planned, line.run, (text) => void this.log(text));
      const all = [...planned.files, ...planned.copies];
      if (!line.run.force) refuseConflicts(typed && !onTerminal() ? all : planned.copies, planned.directory);
      refuseObstacles(all, planned.directory); // Yeoman, writing later, would crash on them
      if (planned.copies.length && !line.run.dryRun) this.stageCopies(planned);
      this.plan = planned;
    } catch (error) {
      if (isCancellation(error as Error)) return; // Yeoman ends the run with it
      if (!typed) throw error;
      process.exitCode = fail(error, line.run); // thrown on, Yeoman would print it as a crash of its own
    }
  }

  private conversation(): Conversation {
    registerPrompts(this.env);
    return {
      ask: (question) => ask(this, question),
      check: (planned) => problemsOnDisk(planned, this.request.line.run),
    };
  }

  writing(): void {
    if (!this.plan || this.request.line.run.dryRun) return;
    const { files, copies, directory } = this.plan;
    this.pending = [...files, ...copies].filter((file) => !isThere(file, directory));
    if (this.request.line.run.force) this.saved = saveEdits(this.pending, directory);
    for (const file of files) {
      if (!('text' in file)) continue; // the base, which is nothing to ask about
      const stat = { mode: file.executable ? 0o100755 : 0o100644 };
      this.fs.write(join(directory, file.path), file.text, { stat } as never);
    }
  }

  end(): void {
    if (!this.plan) return;
    const { files, directory, summary } = this.plan;
    const { json, dryRun } = this.request.line.run;
    this.copies?.place();
    if (!dryRun)
      write(
        files.filter((file) => 'bytes' in file),
        directory,
        true,
      );
    if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    const count = this.pending.filter((file) => isThere(file, directory)).length;
    this.log(chalk.green(dryRun ? nothingWritten : conclusion(this.plan, { count, saved: this.saved })));
  }

  /** Copies the user's files beside the project; they are moved into it when Yeoman has written the rest. */
  private stageCopies({ copies, directory }: Plan): void {
    const staged = stage(copies, directory);
    process.once('exit', () => staged.discard());
    this.copies = staged;
  }

  override help(): string {
    return help();
  }
}
