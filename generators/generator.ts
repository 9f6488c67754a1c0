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
import { refuseConflicts, refuseObstacles, type Staged, stage } from './project/write.js';
import { announce, conclusion, fail } from './report.js';

const namespace = /^(generator-)?ml-container-creator(:\w+)?$/;

/** What is asked for; `typed` on a command line, or else handed over by a program, which gets errors thrown. */
interface Request {
  line: CommandLine;
  typed: boolean;
}

const onTerminal = () => Boolean(process.stdin.isTTY && process.stdout.isTTY);

/** The request. Yeoman coerces the values of options, so the words as they were typed are taken where there are any. */
function requestOf(generator: Generator): Request {
  const options = generator.options as Record<string, unknown>;
  const { argv } = options as { argv?: readonly string[] };
  if (argv) return { line: readArguments(argv), typed: true };
  const at = process.argv.findIndex((word, position) => position > 1 && namespace.test(word));
  if (at > 1) return { line: readArguments(process.argv.slice(2).toSpliced(at - 2, 1)), typed: true };
  return { line: readOptions(options, generator.args), typed: false };
}

/** Puts one question to the user. */
async function ask(generator: Generator, { intro, ...question }: Question): Promise<unknown> {
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
const isCancellation = ({ name, message }: Error) =>
  name === 'ExitPromptError' || message === 'Process aborted by user';

/** What both generators do; a subclass names its command. */
export abstract class CreatorGenerator extends Generator {
  abstract command: Command;
  private request: Request = { line: readArguments([]), typed: false };
  private plan?: Plan;
  private copies?: Staged;

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
    this.nameCancellation();
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
    for (const { path, text, executable } of this.plan.files) {
      this.fs.write(join(this.plan.directory, path), text, {
        stat: { mode: executable ? 0o100755 : 0o100644 },
      } as never);
    }
  }

  end(): void {
    if (!this.plan) return;
    this.copies?.place();
    const { json, dryRun } = this.request.line.run;
    if (json) process.stdout.write(`${JSON.stringify(this.plan.summary)}\n`);
    this.log(chalk.green(dryRun ? 'Nothing was written.' : conclusion(this.plan)));
  }

  /** Copies the user's files beside the project; they are moved into it when Yeoman has written the rest. */
  private stageCopies({ copies, directory }: Plan): void {
    const staged = stage(copies, directory);
    process.once('exit', () => staged.discard());
    this.copies = staged;
  }

  /** Gives the error with which Yeoman ends a cancelled run our words and exit status, also for yo to print. */
  private nameCancellation(): void {
    const { signal } = this.env.adapter as { signal?: AbortSignal };
    signal?.addEventListener('abort', () => {
      if (!isCancellation(signal.reason)) return;
      const { code, message } = new CancelledError(
        this.plan && 'of the files in the way, only those you agreed to are written',
      );
      Object.assign(signal.reason, { code, message });
    });
  }

  override help(): string {
    return help();
  }
}
