// Brings the sources together in the order of precedence, and asks for what is still open.
import { resolve as resolvePath } from 'node:path';
import type { Model, ModelFile } from '../model/read.js';
import { bringCode, missingCode } from './code.js';
import { readConfigFiles, readStored } from './files.js';
import { type Brought, type BroughtModel, bringModel, nothing, underItsName, unserved, withPackages } from './model.js';
import type { Answers, Key } from './parameters.js';
import { nextQuestion, type Question, readAnswer } from './prompts.js';
import { resolve } from './resolve.js';
import type { Settled } from './settle.js';
import { type CommandLine, type Given, readEnvironment, type Source } from './sources.js';
import { readTraining } from './training.js';

export interface Surroundings {
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
}

/** Asks one question; its answer is a value of the parameter or the text typed. */
export type Ask = (question: Question) => Promise<unknown>;

/** What was gathered: also the files that come into the project as they are. */
export interface Gathered extends Settled {
  readonly files: readonly ModelFile[];
  readonly model: Model | undefined;
}

/** Gathers every source's values and resolves them; with `ask`, what is open is asked. Throws only what `ask` throws. */
export async function gather(line: CommandLine, around: Surroundings, ask?: Ask): Promise<Gathered> {
  const given = [line, readEnvironment(around.env), ...readConfigFiles(around.cwd, line.run.config)];
  const said: Given[] = [];
  const asked = new Set<Key>();
  const bring = bringer(line.run.force ?? false, around.cwd);
  const all = (): Gathered => {
    const answered: Source = { values: said, problems: [], warnings: [] };
    const { model, code } = bring(resolve([...given, answered]));
    const brought = [...given, model, code];
    const before = resolve([...brought, answered]);
    const directory = targetOf(before, ask !== undefined, around.cwd);
    const stored = directory === undefined ? [] : [readStored(directory)];
    const { answers, origins } = stored.length ? resolve([...brought, ...stored, answered]) : before;
    const packages = withPackages(model, answers, origins.packages);
    const own = { files: [...model.files, ...code.files], model: model.model };
    const { requirements } = answers;
    if (!requirements) return { ...resolve([packages, ...brought, ...stored, answered]), ...own };
    const wanted = packages.values.length ? resolve([packages, ...brought, ...stored, answered]).answers : answers;
    const trained = readTraining(requirements, origins.requirements ?? '', around.cwd, wanted);
    return { ...resolve([trained.packages, packages, ...brought, trained.version, ...stored, answered]), ...own };
  };
  for (let resolution = all(); ; resolution = all()) {
    const question = ask && !wrong(resolution) ? nextQuestion(resolution, asked) : undefined;
    if (!ask || !question) return resolution;
    asked.add(question.name);
    const answer = readAnswer(question.name, await ask(question));
    if (answer) said.push(answer);
  }
}

/** Brings in what --model and --code name, each read once. */
function bringer(force: boolean, cwd: string) {
  const models = new Map<string, BroughtModel>();
  return ({ answers, origins }: Settled): { model: BroughtModel; code: Brought } => {
    const { model: path = '', code: script } = answers;
    const known: BroughtModel =
      models.get(path) ?? (path ? bringModel(path, origins.model ?? '', cwd, force) : nothing);
    models.set(path, known);
    if (answers.runtime === 'onnx') return { model: unserved(known), code: nothing };
    const code = script ? bringCode(script, origins.code ?? '', cwd, known.model) : nothing;
    const missing = known.model ? missingCode(known.model, answers, code.files) : [];
    const model = { ...known, warnings: [...known.warnings, ...missing] };
    return { model: code.loads ? underItsName(model) : model, code };
  };
}

/** Whether something is wrong that no answer can mend: what is only missing will be asked for. */
const wrong = ({ problems }: Settled) => problems.some(({ from }) => from !== 'no source');

/** The folder to write into. While questions are still to come, a name that is only a default does not settle it. */
function targetOf({ answers, origins }: Settled, asking: boolean, cwd: string): string | undefined {
  if (asking && origins.projectDir === 'default' && origins.projectName === 'default') return undefined;
  return answers.projectDir === undefined ? undefined : directoryOf(answers, cwd);
}

/** The absolute path of the project's folder. */
export function directoryOf({ projectDir = '.' }: Answers, cwd: string): string {
  return resolvePath(cwd, projectDir);
}
