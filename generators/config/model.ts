// Reads --model as a source of answers. Values found in the file have the file's name as their origin.
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { entryOf, formatsOf } from '../catalog/frameworks.js';
import { withSetuptools } from '../catalog/packages.js';
import { nameOf, nearestRelease, packageName, pythonsOf, releaseOf, releasesOf } from '../catalog/versions.js';
import { UnreadableError } from '../model/facts.js';
import { dangersIn } from '../model/judge.js';
import { type Model, type ModelFile, readModel } from '../model/read.js';
import type { Answers } from './parameters.js';
import type { Problem } from './problems.js';
import type { Settled } from './settle.js';
import type { Given, Source } from './sources.js';
import { versionToTake } from './training.js';

/** Files of the user to copy into the project, and the values found in them. */
export interface Imported extends Source {
  readonly files: readonly ModelFile[];
  /** Whether the code loads the model itself. */
  readonly loads?: boolean;
}

/** The result of reading --model. */
export interface ImportedModel extends Imported {
  readonly model?: Model;
  /** What loading the model does, if it is refused only for that. */
  readonly danger?: string;
}

export const emptyImport: Imported = { values: [], problems: [], warnings: [], files: [] };

/** Reads the model at `path`. `force` accepts a file that would run commands or code when loaded. */
export function importModel(path: string, from: string, cwd: string, force: boolean): ImportedModel {
  const refuse = (message: string, hint: string): Imported => ({
    ...emptyImport,
    problems: [{ key: 'model', from, message: `${path}: ${message}`, hint }],
  });
  let model: Model;
  try {
    model = readModel(resolve(cwd, path));
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
    return refuse(error.message, existsSync(resolve(cwd, path)) ? error.hint : hintFor(path));
  }
  const dangers = dangersIn(model);
  if (dangers.length && !force) {
    const does = dangers.join(', and ');
    const hint = 'do not load it unless you know why; to use it anyway, add --force';
    return { ...refuse(`loading it ${does}`, hint), danger: `Loading ${basename(path)} ${does}` };
  }
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

/** What to do about a path that does not exist: it might be an address, or the name of a model. */
function hintFor(path: string): string {
  if (/^(s3|https?):\/\//.test(path)) return 'download it first, and pass the path of the file';
  return /^[A-Za-z0-9][\w.-]*\/[\w.-]+$/.test(path)
    ? 'check the path; for a model on the Hugging Face Hub, use --framework=transformers and --model-name=ORG/NAME'
    : 'check the path';
}

/** A model that is converted in its training environment: neither its file nor the packages that load it are needed. */
export const forConversion = (imported: ImportedModel): ImportedModel => ({
  ...imported,
  files: [],
  values: imported.values.filter(({ key }) => key !== 'packages' && key !== 'pythonVersion'),
});

/** Keeps the original name of the model file, which the user's code expects. */
export function withOriginalName(imported: ImportedModel): ImportedModel {
  const name = imported.model?.fileName;
  return name ? { ...imported, files: imported.files.map((file) => ({ ...file, path: `model/${name}` })) } : imported;
}

/** Bytes. Larger Hugging Face models, above about 500 million parameters, are slow on a CPU. */
const MAX_FOR_CPU = 2e9;

/** Deployment of a local Hugging Face folder: engines load models only from the Hub or from S3. */
const smallModel = ({ framework, size }: Model) =>
  framework === 'transformers'
    ? { modelServer: 'fastapi', ...(size < MAX_FOR_CPU && { instanceType: 'cpu-optimized' }) }
    : {};

/** The answers found in a model. */
function valuesOf(model: Model, from: string): Given[] {
  const { framework, modelFormat, modelName, frameworkVersion, pythonVersion, packages } = model;
  const version =
    framework && (frameworkVersion ? versionToTake(framework, frameworkVersion) : contemporaryVersion(model));
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

/** The newest scikit-learn when the booster was released. A booster's pickle does not record the version used. */
function contemporaryVersion({ framework, packages = [] }: Model): string | undefined {
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

/** The requested packages, and those of the model that are not among them. */
export function withPackages({ values }: Source, { packages = [] }: Answers, origin: string | undefined): Source {
  const own = values.find(({ key }) => key === 'packages');
  const names = new Set(packages.map(packageName));
  const more = ((own?.value ?? []) as string[]).filter((each) => !names.has(packageName(each)));
  if (!own || !more.length || !packages.length) return emptyImport;
  return {
    ...emptyImport,
    values: [{ key: 'packages', value: [...packages, ...more], from: `${origin} and ${own.from}` }],
  };
}

/** Answers that contradict the model file. Custom code can load any file, and a conversion reads any format. */
export function contradictions(model: Model | undefined, { answers, origins }: Settled): Problem[] {
  const { framework, modelFormat, runtime } = answers;
  if (!model?.framework || !framework || framework === 'custom') return [];
  const name = basename(model.path);
  const problem = (key: 'framework' | 'modelFormat', message: string, hint: string) => [
    { key, from: origins[key] ?? 'default', message, hint },
  ];
  if (framework !== model.framework)
    return problem(
      'framework',
      `${name} was trained with ${model.framework}, not ${framework}`,
      `use --framework=${model.framework}, or another --model`,
    );
  const isOther = model.modelFormat && modelFormat && modelFormat !== model.modelFormat;
  if (!isOther || runtime === 'onnx') return [];
  const { pickle } = formatsOf(framework).find((each) => each.name === model.modelFormat) ?? {};
  const saveAgain = pickle?.instead === modelFormat ? `; or save the model again with ${pickle?.save}` : '';
  return problem(
    'modelFormat',
    `${name} has the format ${model.modelFormat}, not ${modelFormat}`,
    `use --model-format=${model.modelFormat}${saveAgain}`,
  );
}

/** Warns if the version in the image is not the one that saved the model. */
export function otherVersion({ values }: Source, { answers, origins }: Settled): string[] {
  const { framework, frameworkVersion, model = '' } = answers;
  const own = values.find(({ key }) => key === 'frameworkVersion');
  if (!own || !framework || !frameworkVersion || own.from === origins.frameworkVersion) return [];
  const [saved, installed] = [String(own.value), frameworkVersion].map((each) => releaseOf(framework, each));
  if (!saved || !installed || saved === installed) return [];
  return [
    `${basename(model)} was saved by ${entryOf(framework).label} ${String(own.value)}, but the image has ${frameworkVersion}, which might not load it: leave out --framework-version to use the version in the file`,
  ];
}
