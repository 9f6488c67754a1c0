// What a run will do, told apart from doing it: which files, where, and what to say. The bin and the generators share it.

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
  /** Files of the user's that are copied into the project. */
  readonly copies: readonly ModelFile[];
  readonly warnings: readonly string[];
  /** What to type when it is done. */
  readonly next: string;
  /** What --explain prints. */
  readonly explanation: string;
  /** What --json prints. */
  readonly summary: object;
  /** Warnings that the user has seen in the summary. */
  readonly seen: readonly string[];
}

/** A user who answers, and what can be wrong with a plan beyond its answers: files in its way. */
export interface Conversation {
  ask: Ask;
  check: (plan: Plan) => readonly Problem[];
}

/** A request that cannot be met: its problems, and what is known so far, for --explain and --json. */
export class RefusedError extends RequestError {
  readonly explanation: string;
  readonly warnings: readonly string[];

  constructor(problems: readonly Problem[], resolution: Settled) {
    super(problems);
    this.explanation = explain(resolution);
    this.warnings = resolution.warnings;
  }
}

/** Gathers the answers and renders the files; writes nothing. Throws a RefusedError with every problem. */
export async function plan(
  command: Command,
  line: CommandLine,
  context: Context,
  conversation?: Conversation,
): Promise<Plan> {
  const check = (gathered: Gathered) =>
    gathered.problems.length ? [] : (conversation?.check(planOf(command, gathered, context)) ?? []);
  const gathered = await gather(line, context, conversation && { ask: conversation.ask, check });
  if (gathered.problems.length > 0) throw new RefusedError(gathered.problems, gathered);
  return planOf(command, gathered, context);
}

/** The plan of answers without problems. */
function planOf(command: Command, gathered: Gathered, context: Context): Plan {
  const { answers, files: copies, model, confirmed } = gathered;
  const project = projectFrom(answers);
  const fromModel = filesFrom(model);
  const open = modelFiles(project, fromModel).some(isRequest) && leavesOpen(model?.inputs ?? []);
  const warnings = [...gathered.warnings, ...(open ? [sizesLeftOpen] : [])];
  const common = { warnings, explanation: explain(gathered), seen: confirmed ? gathered.warnings : [] };
  if (command === 'configure') {
    const { projectDir, ...stored } = answers;
    const kept = gathered.origins.projectDir === 'default' ? stored : answers;
    const files = [{ path: configFile, text: `${JSON.stringify(kept, null, 2)}\n`, executable: false }];
    const next = 'Next, type:\n\n  ml-container-creator\n';
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
    model: copies.some(isModel),
    source: answers.model,
  });
  return { ...common, directory, files, copies, next, summary };
}

const sizesLeftOpen =
  'test/sample_request.json has 1 for each size that the model leaves open: make them those that you send';

/** What a model gives: a request, if it says what it takes, and its signature, if it has one. */
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

/** What of a model's files a project has: the sample model and language models have their own. */
function modelFiles({ tests, sample, language }: Project, fromModel: readonly RenderedFile[]): RenderedFile[] {
  return sample ? [] : fromModel.filter((file) => !isRequest(file) || (tests && !language));
}

/** All that is generated for a project, but for its base. */
export function projectFiles(project: Project, fromModel: readonly RenderedFile[]): RenderedFile[] {
  return [...render(manifest(project), project), ...modelFiles(project, fromModel)];
}

const isModel = ({ path }: ModelFile) => path.startsWith('model/');
