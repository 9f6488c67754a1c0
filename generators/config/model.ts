// What --model names, as a source of answers: what follows from the file is said to come from it.
import { basename, resolve } from 'node:path';
import { withSetuptools } from '../catalog/packages.js';
import { nameOf, nearestRelease, packageName, pythonsOf, releasesOf } from '../catalog/versions.js';
import { UnreadableError } from '../model/facts.js';
import { dangersIn } from '../model/judge.js';
import { type Model, type ModelFile, readModel } from '../model/read.js';
import type { Answers } from './parameters.js';
import type { Given, Source } from './sources.js';
import { versionToTake } from './training.js';

/** What a run brings into the project beyond what is generated. */
export interface Brought extends Source {
  readonly files: readonly ModelFile[];
  /** Whether code is brought that loads the model itself. */
  readonly loads?: boolean;
}

/** What --model brings. */
export interface BroughtModel extends Brought {
  readonly model?: Model;
}

export const nothing: Brought = { values: [], problems: [], warnings: [], files: [] };

/** Reads what `model` names; `force` takes a file all the same that would run commands or code. */
export function bringModel(path: string, from: string, cwd: string, force: boolean): BroughtModel {
  const refuse = (message: string, hint: string): Brought => ({
    ...nothing,
    problems: [{ key: 'model', from, message: `${path}: ${message}`, hint }],
  });
  let model: Model;
  try {
    model = readModel(resolve(cwd, path));
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
    return refuse(error.message, error.hint);
  }
  const dangers = dangersIn(model);
  if (dangers.length && !force)
    return refuse(
      `loading it ${dangers.join(', and ')}`,
      'do not load it, unless you know why it does so: then add --force',
    );
  if (model.obstacle) return refuse(model.what, model.obstacle);
  const values = valuesOf(model, basename(resolve(cwd, path)));
  const warnings = [
    ...dangers.map((each) => `loading ${path} ${each}`),
    ...(model.warnings ?? []).map((each) => `${path}: ${each}`),
  ];
  return {
    values,
    problems: [],
    warnings,
    files: model.files.map((file) => ({ ...file, path: `model/${file.path}` })),
    model,
  };
}

/** A model that is converted where it was trained: of it come neither the file nor the packages that load it. */
export const unserved = (brought: BroughtModel): BroughtModel => ({
  ...brought,
  files: [],
  values: brought.values.filter(({ key }) => key !== 'packages' && key !== 'pythonVersion'),
});

/** A model whose file keeps its own name, by which the user's code looks for it. */
export function underItsName(brought: BroughtModel): BroughtModel {
  const name = brought.model?.fileName;
  return name ? { ...brought, files: brought.files.map((file) => ({ ...file, path: `model/${name}` })) } : brought;
}

/** Bytes of a Hugging Face model up to which a CPU answers in reasonable time: about 500 million parameters. */
const FOR_CPU = 2e9;

/** What a Hugging Face folder says of its deployment: engines take models from the Hub or from S3 only. */
const smallModel = ({ framework, size }: Model) =>
  framework === 'transformers'
    ? { modelServer: 'fastapi', ...(size < FOR_CPU && { instanceType: 'cpu-optimized' }) }
    : {};

/** The answers that follow from a model. */
function valuesOf(model: Model, from: string): Given[] {
  const { framework, modelFormat, modelName, frameworkVersion, pythonVersion, packages } = model;
  const version =
    framework && (frameworkVersion ? versionToTake(framework, frameworkVersion) : versionOfItsTime(model));
  const python = framework && pythonsOf(framework, version)?.find((each) => each === pythonVersion);
  const given = {
    framework,
    modelFormat,
    modelName,
    ...smallModel(model),
    frameworkVersion: version,
    pythonVersion: python,
    packages: packages && withSetuptools(packages),
  };
  return Object.entries(given).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key: key as Given['key'], value, from }],
  );
}

/** For a booster's pickle, which does not say with which scikit-learn it was made: the newest when that booster was. */
function versionOfItsTime({ framework, packages = [] }: Model): string | undefined {
  if (framework !== 'sklearn') return undefined;
  const [name = '', version = ''] = packages.find((each) => /^(xgboost|lightgbm)==/.test(each))?.split('==') ?? [];
  const nearest = name && nearestRelease(name as 'xgboost', version);
  const booster = releasesOf(name as 'xgboost').find((release) => nameOf(release) === nearest);
  if (!booster?.asOf) return undefined;
  const all = releasesOf('sklearn');
  const { asOf } = booster;
  const release = all.find((_, at) => (all[at + 1]?.asOf ?? '') <= asOf);
  return release && nameOf(release);
}

/** The model's packages, which complete those that were asked for. */
export function withPackages({ values }: Source, { packages = [] }: Answers, origin: string | undefined): Source {
  const own = values.find(({ key }) => key === 'packages');
  const names = new Set(packages.map(packageName));
  const more = ((own?.value ?? []) as string[]).filter((each) => !names.has(packageName(each)));
  if (!own || !more.length || !packages.length) return nothing;
  return {
    ...nothing,
    values: [{ key: 'packages', value: [...packages, ...more], from: `${origin} and ${own.from}` }],
  };
}
