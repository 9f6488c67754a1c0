// Plans a run without doing it: which files to write, where, and what to print. The bin and the generators share it.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { explain } from './config/describe.js';
import type { Ask } from './config/dialogue.js';
import { configFile } from './config/files.js';
import { type Context, directoryOf, type Gathered, gather } from './config/gather.js';
import { type Problem, RequestError } from './config/problems.js';
import type { Settled } from './config/settle.js';
import type { CommandLine } from './config/sources.js';
import type { Model, ModelFile } from './model/read.js';
import { leavesOpen, sampleRequest, signatureFor } from './model/sample.js';
import { baseFile, encodeBase } from './project/base.js';
import { manifest } from './project/manifest.js';
import { nextSteps } from './project/next.js';
import { type Project, projectFrom } from './project/project.js';
import { type BinaryFile, type RenderedFile, render } from './project/render.js';
import { version } from './version.js';

export type Command = 'app' | 'configure';

export interface Plan {
  readonly directory: string;
  readonly files: readonly (RenderedFile | BinaryFile)[];
  /** The user's files to copy into the project. */
  readonly copies: readonly ModelFile[];
  readonly warnings: readonly string[];
  /** The user agreed to replace the files that the copies differ from. */
  readonly replaces?: boolean;
  /** What to type next. */
  readonly next: string;
  /** What --explain prints. */
  readonly explanation: string;
  /** What --json prints. */
  readonly summary: object;
  /** Warnings that the user has already seen in the summary. */
  readonly seen: readonly string[];
}

/** How to ask the user, and how to check a plan for files in its way. */
export interface Interaction {
  ask: Ask;
  check: (plan: Plan) => readonly Problem[];
}

/** An invalid request: its problems, and what is known so far, for --explain and --json. */
export class RefusedError extends RequestError {
  readonly explanation: string;
  readonly warnings: readonly string[];

  constructor(problems: readonly Problem[], settled: Settled, outcome?: string) {
    super(problems, outcome);
    this.explanation = explain(settled);
    this.warnings = settled.warnings;
  }
}

/** Gathers the answers and renders the files, but writes nothing. Throws a RefusedError with all problems. */
export async function plan(
  command: Command,
  commandLine: CommandLine,
  context: Context,
  interaction?: Interaction,
): Promise<Plan> {
  const check = (gathered: Gathered) =>
    gathered.problems.length ? [] : (interaction?.check(planOf(command, gathered, context)) ?? []);
  const run = { ...context, configures: command === 'configure' };
  const gathered = await gather(commandLine, run, interaction && { ask: interaction.ask, check });
  if (gathered.problems.length > 0) throw new RefusedError(gathered.problems, gathered);
  return planOf(command, gathered, context);
}

/** The plan for answers without problems. */
function planOf(command: Command, gathered: Gathered, context: Context): Plan {
  const { answers, files: copies, model, confirmed, replaces = false } = gathered;
  const project = projectFrom(answers);
  const fromModel = filesFrom(model);
  const open = modelFiles(project, fromModel).some(isRequest) && leavesOpen(model?.inputs ?? []);
  const warnings = [...gathered.warnings, ...(open ? [variableSizes] : [])];
  const common = { warnings, explanation: explain(gathered), seen: confirmed ? gathered.warnings : [] };
  if (command === 'configure') {
    const { projectDir, ...stored } = answers;
    const kept = gathered.origins.projectDir === 'default' ? stored : answers;
    const files = [{ path: configFile, text: `${JSON.stringify(kept, null, 2)}\n`, executable: false }];
    const next = 'Next, run:\n\n  ml-container-creator\n';
    return {
      ...common,
      directory: context.cwd,
      files,
      copies: [],
      next,
      summary: { project: kept, files: [configFile], warnings },
    };
  }
  const directory = directoryOf(answers, context.cwd);
  const generated = projectFiles(project, fromModel);
  const base = encodeBase({ version: version(), files: generated, fromModel, kept: [] });
  const files = [...generated, { path: baseFile, bytes: base }];
  const locked = files.some(({ path }) => path === 'requirements.txt');
  const summary = {
    project: { ...answers, directory, instance: project.instance },
    files: [...files, ...copies].map(({ path }) => path),
    warnings,
  };
  const next = nextSteps(project, directory, context.cwd, {
    locked,
    model: copies.some(isModel) || holdsModel(directory),
    request: generated.some(isRequest) || existsSync(join(directory, requestFile)),
    code: copies.some(isCode),
    source: answers.model,
  });
  return { ...common, directory, files, copies, replaces, next, summary };
}

const variableSizes =
  'test/sample_request.json uses 1 for each dimension of variable size: change it to the sizes that you send';

/** The files derived from a model: a request, if its inputs are known, and its signature, if it has one. */
function filesFrom(model: Model | undefined): RenderedFile[] {
  const inputs = model?.inputs ?? model?.likelyInputs;
  const request = inputs && sampleRequest(inputs, model?.byName);
  return [
    ...(request ? [{ path: requestFile, text: request, executable: false }] : []),
    ...(model?.signed
      ? [{ path: 'model/signature.json', text: signatureFor(model.inputs ?? []), executable: false }]
      : []),
  ];
}

const requestFile = 'test/sample_request.json';
const isRequest = ({ path }: RenderedFile) => path === requestFile;

/** The files derived from a model that the project gets. The sample model and language models have their own. */
function modelFiles({ tests, sample, language }: Project, fromModel: readonly RenderedFile[]): RenderedFile[] {
  return sample ? [] : fromModel.filter((file) => !isRequest(file) || (tests && !language));
}

/** All generated files of a project except its base. */
export function projectFiles(project: Project, fromModel: readonly RenderedFile[]): RenderedFile[] {
  const own = modelFiles(project, fromModel);
  const known = { ...project, ownRequest: own.some(isRequest) };
  return [...render(manifest(known), known), ...own];
}

/** Whether an existing folder holds a model already. */
function holdsModel(directory: string): boolean {
  const folder = join(directory, 'model');
  if (!existsSync(folder) || !statSync(folder).isDirectory()) return false;
  return readdirSync(folder).some((name) => !name.startsWith('.') && !/^(signature|expected)\.json$/.test(name));
}

const isModel = ({ path }: ModelFile) => path.startsWith('model/');
const isCode = ({ path }: ModelFile) => path.startsWith('code/');
