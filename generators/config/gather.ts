// Combines all sources in order of precedence, including the answers to prompts on a terminal.
import { resolve as resolvePath } from 'node:path';
import type { Model, ModelFile } from '../model/read.js';
import { importCode, missingCode } from './code.js';
import { type Dialogue, runDialogue } from './dialogue.js';
import { configFile, readConfigFiles, readOwnConfig, readStored } from './files.js';
import {
  contradictions,
  emptyImport,
  forConversion,
  type Imported,
  type ImportedModel,
  importModel,
  otherVersion,
  withOriginalName,
  withPackages,
} from './model.js';
import { type Answers, type Key, keys, type Machine } from './parameters.js';
import { realProblems } from './possible.js';
import { resolve } from './resolve.js';
import type { Settled } from './settle.js';
import { type CommandLine, type Given, readEnvironment, type Source } from './sources.js';
import { readTraining } from './training.js';

/** The environment of a run. */
export interface Context {
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  machine?: Machine;
  /** The run writes the config file, so in a dialogue its values are only defaults. */
  configures?: boolean;
}

/** The answers, and the files to copy into the project. */
export interface Gathered extends Settled {
  readonly files: readonly ModelFile[];
  readonly model: Model | undefined;
  /** Parameters to prompt for only because the model needs them, with the reason. */
  readonly needed: Readonly<Partial<Record<Key, string>>>;
  /** What loading the model does, if it is refused for that, and the user can agree to it. */
  readonly danger: string | undefined;
  /** The user accepted the summary, which includes the warnings. */
  readonly confirmed?: true;
  /** The user agreed to replace the model and the code in the project. */
  readonly replaces?: boolean;
}

/** Combines all sources with the answers to prompts. `answered` is undefined if there are no prompts. */
export type Collect = (answered?: readonly Given[]) => Gathered;

/** Resolves the values of all sources, and asks the open questions in a dialogue. Throws only what that throws. */
export async function gather(commandLine: CommandLine, context: Context, dialogue?: Dialogue): Promise<Gathered> {
  const collect = collector(commandLine, {
    ...context,
    configures: dialogue !== undefined && context.configures === true,
  });
  return dialogue ? runDialogue(collect, dialogue, context.machine ?? {}) : collect();
}

function collector(commandLine: CommandLine, { cwd, env, machine = {}, configures = false }: Context): Collect {
  const given = [
    commandLine,
    readEnvironment(env),
    ...readConfigFiles(cwd, commandLine.run.config, configures ? configFile : ''),
  ];
  const drafts = configures ? readOwnConfig(cwd) : undefined;
  const importFiles = importer(cwd);
  const storedIn = memoized((directory: string) => readStored(directory));
  return (answered) => {
    const prompted = sourceOf((answered ?? []).filter(({ value }) => value !== undefined));
    const force = commandLine.run.force ?? prompted.values.some(({ agreed }) => agreed);
    const { model, code, missing } = importFiles(resolve([...given, prompted]), force);
    const withImports = [...given, model, code];
    const before = resolve([...withImports, prompted], machine);
    const directory = outputFolder(before, answered !== undefined, cwd);
    const stored = drafts ?? (directory === undefined ? sourceOf([]) : storedIn(directory));
    const defaults = answered && compatible(without(stored, answered), [...withImports, prompted]);
    const rest = defaults ? [prompted, defaults] : [stored, prompted];
    const resolveWith = (...more: [Source[], Source[]]) =>
      resolve([...more[0], ...withImports, ...more[1], ...rest], machine);
    const { answers, origins } = resolveWith([], []);
    const packages = withPackages(model, answers, origins.packages);
    const finish = (settled: Settled): Gathered => {
      const open = defaults ? withStoredOpen(settled, defaults) : settled.open;
      const problems = [...settled.problems, ...contradictions(model.model, settled)];
      const warnings = [...settled.warnings, ...otherVersion(model, settled)];
      const needed = missing ? { code: missing } : {};
      const files = [...model.files, ...code.files];
      return { ...settled, open, problems, warnings, needed, files, model: model.model, danger: model.danger };
    };
    const { requirements } = answers;
    if (!requirements) return finish(resolveWith([packages], []));
    const wanted = packages.values.length ? resolveWith([packages], []).answers : answers;
    const trained = readTraining(requirements, origins.requirements ?? '', cwd, wanted);
    return finish(resolveWith([trained.packages, packages], [trained.version]));
  };
}

const sourceOf = (values: readonly Given[]): Source => ({ values, problems: [], warnings: [] });

/** A source without the parameters that the user has answered, even with an empty answer. */
const without = (source: Source, answered: readonly Given[]): Source => ({
  ...source,
  values: source.values.filter((value) => !answered.some(({ key }) => key === value.key)),
});

/** The stored answers that work with the sources of higher precedence. In a dialogue, they are only defaults. */
function compatible(stored: Source, overriding: readonly Source[]): Source {
  if (!stored.values.length) return stored;
  const problemsWith = (values: readonly Given[]) =>
    realProblems(resolve([...overriding, { ...stored, values }]).problems).length;
  let minimum = problemsWith([]);
  if (problemsWith(stored.values) <= minimum) return stored;
  const values: Given[] = [];
  for (const key of keys) {
    const more = stored.values.filter((each) => each.key === key);
    const problems = problemsWith([...values, ...more]);
    if (problems > minimum) continue;
    values.push(...more);
    minimum = problems;
  }
  return { ...stored, values };
}

/** The open parameters, and those that only the stored answers set. */
function withStoredOpen({ open, origins }: Settled, stored: Source): readonly Key[] {
  const isStored = (key: Key) => stored.values.some((each) => each.key === key && each.from === origins[key]);
  return keys.filter((key) => open.includes(key) || isStored(key));
}

function memoized<T>(make: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>();
  return (key) => {
    const value = known.get(key) ?? make(key);
    known.set(key, value);
    return value;
  };
}

/** The imported files, and why code is needed. */
interface ImportedFiles {
  model: ImportedModel;
  code: Imported;
  missing?: string | undefined;
}

/** Imports the files of --model and --code. Each model is read once. */
function importer(cwd: string) {
  const models = new Map<string, ImportedModel>();
  return ({ answers, origins }: Settled, force: boolean): ImportedFiles => {
    const { model: path = '', code: script } = answers;
    const name = `${force} ${path}`;
    const known: ImportedModel =
      models.get(name) ?? (path ? importModel(path, origins.model ?? '', cwd, force) : emptyImport);
    models.set(name, known);
    if (answers.runtime === 'onnx') return { model: forConversion(known), code: emptyImport };
    const code = script ? importCode(script, origins.code ?? '', cwd, known.model) : emptyImport;
    const missing = known.model ? missingCode(known.model, answers, code.files) : [];
    const model = {
      ...known,
      warnings: [...known.warnings, ...missing.map(({ what, advice }) => `${what}: ${advice}`)],
    };
    return { model: code.loads ? withOriginalName(model) : model, code, missing: missing[0]?.what.replace(/^l/, 'L') };
  };
}

/** The folder to write to. Undefined while the project name is only the default of a question still to come. */
function outputFolder({ answers, origins }: Settled, asking: boolean, cwd: string): string | undefined {
  if (asking && origins.projectDir === 'default' && origins.projectName === 'default') return undefined;
  return answers.projectDir === undefined ? undefined : directoryOf(answers, cwd);
}

/** The absolute path of the project's folder. */
export function directoryOf({ projectDir = '.' }: Answers, cwd: string): string {
  return resolvePath(cwd, projectDir);
}
