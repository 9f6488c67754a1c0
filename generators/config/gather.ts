// Brings the sources together in the order of precedence; on a terminal, with the answers to prompts.
import { resolve as resolvePath } from 'node:path';
import type { Model, ModelFile } from '../model/read.js';
import { bringCode, missingCode } from './code.js';
import { converse, type Dialogue } from './dialogue.js';
import { readConfigFiles, readStored } from './files.js';
import { type Brought, type BroughtModel, bringModel, nothing, underItsName, unserved, withPackages } from './model.js';
import { type Answers, type Key, keys, type Machine } from './parameters.js';
import { realProblems } from './possible.js';
import { resolve } from './resolve.js';
import type { Settled } from './settle.js';
import { type CommandLine, type Given, readEnvironment, type Source } from './sources.js';
import { readTraining } from './training.js';

/** Where a run takes place. */
export interface Context {
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  machine?: Machine;
}

/** What was gathered: also the files that come into the project as they are. */
export interface Gathered extends Settled {
  readonly files: readonly ModelFile[];
  readonly model: Model | undefined;
  /** The user has seen the summary, warnings included, and agreed. */
  readonly confirmed?: true;
}

/** Brings all sources together with the answers to prompts, which are undefined where nothing is asked. */
export type Collect = (answered?: readonly Given[]) => Gathered;

/** Gathers every source's values and resolves them; in a dialogue, what is open is asked. Throws only what that throws. */
export async function gather(line: CommandLine, context: Context, dialogue?: Dialogue): Promise<Gathered> {
  const collect = collector(line, context);
  return dialogue ? converse(collect, dialogue, context.machine ?? {}) : collect();
}

function collector(line: CommandLine, { cwd, env, machine = {} }: Context): Collect {
  const given = [line, readEnvironment(env), ...readConfigFiles(cwd, line.run.config)];
  const bring = bringer(line.run.force ?? false, cwd);
  const storedIn = memoized((directory: string) => readStored(directory));
  return (answered) => {
    const said = sourceOf((answered ?? []).filter(({ value }) => value !== undefined));
    const { model, code } = bring(resolve([...given, said]));
    const brought = [...given, model, code];
    const before = resolve([...brought, said], machine);
    const directory = targetOf(before, answered !== undefined, cwd);
    const stored = directory === undefined ? sourceOf([]) : storedIn(directory);
    const drafts = answered && fitting(without(stored, answered), [...brought, said]);
    const rest = drafts ? [said, drafts] : [stored, said];
    const settle = (...more: [Source[], Source[]]) => resolve([...more[0], ...brought, ...more[1], ...rest], machine);
    const { answers, origins } = settle([], []);
    const packages = withPackages(model, answers, origins.packages);
    const finish = (settled: Settled): Gathered => {
      const open = drafts ? reopened(settled, drafts) : settled.open;
      return { ...settled, open, files: [...model.files, ...code.files], model: model.model };
    };
    const { requirements } = answers;
    if (!requirements) return finish(settle([packages], []));
    const wanted = packages.values.length ? settle([packages], []).answers : answers;
    const trained = readTraining(requirements, origins.requirements ?? '', cwd, wanted);
    return finish(settle([trained.packages, packages], [trained.version]));
  };
}

const sourceOf = (values: readonly Given[]): Source => ({ values, problems: [], warnings: [] });

/** A source without what the user has answered, if only by leaving it empty. */
const without = (source: Source, answered: readonly Given[]): Source => ({
  ...source,
  values: source.values.filter((value) => !answered.some(({ key }) => key === value.key)),
});

/** Of the stored answers those that work with the stronger sources: in a dialogue they are defaults, which give way. */
function fitting(stored: Source, stronger: readonly Source[]): Source {
  if (!stored.values.length) return stored;
  const problemsWith = (values: readonly Given[]) =>
    realProblems(resolve([...stronger, { ...stored, values }]).problems).length;
  let fewest = problemsWith([]);
  if (problemsWith(stored.values) <= fewest) return stored;
  const values: Given[] = [];
  for (const key of keys) {
    const more = stored.values.filter((each) => each.key === key);
    const problems = problemsWith([...values, ...more]);
    if (problems > fewest) continue;
    values.push(...more);
    fewest = problems;
  }
  return { ...stored, values };
}

/** The open parameters, with those that only the stored answers settle. */
function reopened({ open, origins }: Settled, stored: Source): readonly Key[] {
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

/** The folder to write into. While questions are still to come, a name that is only a default does not settle it. */
function targetOf({ answers, origins }: Settled, asking: boolean, cwd: string): string | undefined {
  if (asking && origins.projectDir === 'default' && origins.projectName === 'default') return undefined;
  return answers.projectDir === undefined ? undefined : directoryOf(answers, cwd);
}

/** The absolute path of the project's folder. */
export function directoryOf({ projectDir = '.' }: Answers, cwd: string): string {
  return resolvePath(cwd, projectDir);
}
