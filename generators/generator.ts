// The base class of the Yeoman generators: prompts, writes the files and prints the next steps. The core does the rest.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import chalk from 'chalk';
import Generator from 'yeoman-generator';
import { help } from './config/describe.js';
import { answersFile } from './config/files.js';
import { CancelledError, ExitError, type Problem } from './config/problems.js';
import type { Question } from './config/prompts.js';
import { type CommandLine, type RunFlags, readArguments, readOptions } from './config/sources.js';
import { wrap } from './config/wrap.js';
import { thisMachine } from './machine.js';
import { pathsToKeep } from './overwrite.js';
import { pathPrompt } from './path-prompt.js';
import { type Command, type Interaction, type Plan, plan } from './plan.js';
import type { BinaryFile, RenderedFile } from './project/render.js';
import {
  conflictsIn,
  isProject,
  isUpToDate,
  type OutputFile,
  refuseConflicts,
  refuseObstacles,
  type Staged,
  saveEdits,
  stage,
  write,
} from './project/write.js';
import { announce, closingLines, countFiles, fail, nothingWritten } from './report.js';

const namespace = /^(generator-)?ml-container-creator(:\w+)?$/;

/** The request. `typed`: it comes from a command line. Otherwise it comes from a program, and errors are thrown. */
export interface Request {
  commandLine: CommandLine;
  typed: boolean;
}

export const onTerminal = () => Boolean(process.stdin.isTTY && process.stdout.isTTY);

/** Returns the request. Uses the arguments as typed if possible, because Yeoman coerces the values of options. */
export function requestOf(generator: Generator): Request {
  const options = generator.options as Record<string, unknown>;
  const { argv } = options as { argv?: readonly string[] };
  if (argv) return { commandLine: readArguments(argv), typed: true };
  const at = process.argv.findIndex((word, position) => position > 1 && namespace.test(word));
  if (at > 1) return { commandLine: readArguments(process.argv.slice(2).toSpliced(at - 2, 1)), typed: true };
  return { commandLine: readOptions(options, generator.args), typed: false };
}

/** Asks the user one question. */
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

/** Registers the prompt for paths. An adapter that does not support it falls back to a plain input. */
function registerPrompts({ adapter }: { adapter: unknown }): void {
  const { promptModule, actualAdapter } = adapter as {
    promptModule?: PromptModule;
    actualAdapter?: { promptModule?: PromptModule };
  };
  (promptModule ?? actualAdapter?.promptModule)?.registerPrompt('path', pathPrompt);
}

/** Returns the files that are in the way of a plan. Yeoman itself asks about rendered files, but not about copies. */
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

/** Whether to ask about a file before it is overwritten. The answers and the base are written last, without a question. */
const isAskedAbout = (file: RenderedFile | BinaryFile): file is RenderedFile =>
  'text' in file && file.path !== answersFile;

/** Whether the user cancelled with Ctrl-C. */
export const isCancellation = ({ name }: Error) => name === 'ExitPromptError';

/** Sets our message and exit status on the error that ends a cancelled run, so that yo prints them. */
export function describeCancellation({ env }: Generator, written?: string): void {
  const { signal } = env.adapter as { signal?: AbortSignal };
  signal?.addEventListener('abort', () => {
    if (!isCancellation(signal.reason)) return;
    const { code, message } = new CancelledError(written);
    Object.assign(signal.reason, { code, message });
  });
}

/** What Yeoman needs to know of every generator of this package. */
export abstract class BaseGenerator extends Generator {
  constructor(args: string[], options: never) {
    super(args, options, { inheritTasks: true, tasksMatchingPriority: true, customInstallTask: true });
  }

  override help(): string {
    return help();
  }
}

/** The steps of both generators. A subclass names its command. */
export abstract class CreatorGenerator extends BaseGenerator {
  abstract command: Command;
  private request: Request = { commandLine: readArguments([]), typed: false };
  private plan?: Plan;
  private copies?: Staged;
  /** The paths of existing files that the user does not want to overwrite. */
  private kept: ReadonlySet<string> = new Set();
  /** The files that are missing or different on disk, and the names of saved edits. */
  private pending: readonly OutputFile[] = [];
  private saved: readonly string[] = [];

  async prompting(): Promise<void> {
    this.request = requestOf(this);
    const { commandLine, typed } = this.request;
    const interactive = !commandLine.run.skipPrompts && (!typed || onTerminal());
    if (process.env.NO_COLOR) chalk.level = 0;
    if (interactive) this.log(wrap('Creates a project that serves your model on SageMaker, in your own container.\n'));
    if (interactive && this.command === 'app') this.mentionProject();
    const context = { cwd: this.env.cwd, env: process.env, machine: thisMachine() };
    describeCancellation(this);
    try {
      const planned = await plan(this.command, commandLine, context, interactive ? this.interaction() : undefined);
      const say = (text: string) => void this.log(text);
      if (commandLine.run.explain) say(planned.explanation);
      const all = [...planned.files, ...planned.copies];
      const asksYeoman = !typed || onTerminal();
      const copies = planned.replaces ? [] : planned.copies;
      if (!commandLine.run.force) refuseConflicts(asksYeoman ? copies : all, planned.directory);
      refuseObstacles(all, planned.directory); // Yeoman would crash on them when it writes
      announce(planned, commandLine.run, say);
      if (asksYeoman && !commandLine.run.force && !commandLine.run.dryRun)
        this.kept = await this.askAboutFiles(planned);
      if (planned.copies.length && !commandLine.run.dryRun) this.stageCopies(planned);
      this.plan = planned;
    } catch (error) {
      if (isCancellation(error as Error)) return; // Yeoman ends the run
      if (!typed) throw error;
      process.exitCode = fail(error, commandLine.run); // if it were thrown, Yeoman would report a crash
    }
  }

  /** Says so if the prompts start in the folder of a project, where they would write another one into it. */
  private mentionProject(): void {
    const { values } = this.request.commandLine;
    if (!isProject(this.env.cwd) || values.some(({ key }) => key === 'projectDir')) return;
    const text =
      'This folder is already a project. To change it, press Ctrl-C and run ml-container-creator update with the new flags.';
    this.log(wrap(`${text} These prompts create another project, in its own folder.\n`));
  }

  /** Asks which files to overwrite. Returns those to keep. Names the command that merges, if the folder is a project. */
  private async askAboutFiles({ files, directory }: Plan): Promise<ReadonlySet<string>> {
    const asked = files.filter(isAskedAbout);
    const count = conflictsIn(asked, directory).length;
    if (count && isProject(directory)) this.mentionUpdate(directory, count);
    const terminal = { ask: (question: object) => ask(this, question as Question), say: this.log.bind(this) };
    return pathsToKeep(asked, { directory, cwd: this.env.cwd }, terminal);
  }

  private mentionUpdate(directory: string, count: number): void {
    const text = `${directory} is a project, and ${countFiles(count)} would change. To merge instead of overwriting: press Ctrl-C, and run ml-container-creator update in that folder, with the same flags.`;
    this.log(wrap(`\n${text}`));
  }

  private interaction(): Interaction {
    registerPrompts(this.env);
    return {
      ask: (question) => ask(this, question),
      check: (planned) => problemsOnDisk(planned, this.request.commandLine.run),
    };
  }

  writing(): void {
    if (!this.plan || this.request.commandLine.run.dryRun) return;
    const { files, copies, directory } = this.plan;
    this.pending = [...files, ...copies].filter((file) => !isUpToDate(file, directory));
    const { force } = this.request.commandLine.run;
    if (force)
      this.saved = saveEdits(
        this.pending.filter((file) => 'source' in file || isAskedAbout(file)),
        directory,
      );
    else if (this.plan.replaces) this.saved = saveEdits(copies, directory);
    for (const file of this.pending) if (!('source' in file) && isAskedAbout(file)) this.writeText(file, directory);
  }

  private writeText({ path, text, executable }: RenderedFile, directory: string): void {
    if (this.kept.has(path)) return;
    const target = join(directory, path);
    this.fs.write(target, text, { stat: { mode: executable ? 0o100755 : 0o100644 } } as never);
    const file = this.env.sharedFs.get(target);
    if (existsSync(target)) Object.assign(file, { conflicter: 'force' }); // so that Yeoman does not ask again
  }

  end(): void {
    if (!this.plan) return;
    const { files, directory, summary } = this.plan;
    const { json, dryRun } = this.request.commandLine.run;
    this.copies?.place();
    if (!dryRun) {
      const { saved } = write(
        files.filter((file) => !isAskedAbout(file)),
        directory,
        true,
      );
      this.saved = [...this.saved, ...saved];
    }
    if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    const count = this.pending.filter((file) => isUpToDate(file, directory)).length;
    this.log(chalk.green(dryRun ? nothingWritten : closingLines(this.plan, { count, saved: this.saved })));
  }

  /** Copies the user's files next to the project. They are moved into it after Yeoman has written the rest. */
  private stageCopies({ copies, directory }: Plan): void {
    const staged = stage(copies, directory);
    process.once('exit', () => staged.discard());
    this.copies = staged;
  }
}
