// Everything decided and derived: the only thing the manifest and the templates see.
import {
  entryIn,
  entryOf,
  type Format,
  type Framework,
  type FrameworkEntry,
  frameworkNames,
  type Runtime,
  servedAs,
} from '../catalog/frameworks.js';
import { type Image, imageFor } from '../catalog/images.js';
import { type Instance, instanceFor, trainingTypeFor } from '../catalog/instances.js';
import { memoryOf, timeoutsFor } from '../catalog/models.js';
import { partitionOf } from '../catalog/regions.js';
import { type Engine, type Server, type ServerEntry, serverOf } from '../catalog/servers.js';
import { type TargetEntry, targetOf } from '../catalog/targets.js';
import { packageName, releaseOf, standardRelease } from '../catalog/versions.js';
import type { Answers } from '../config/parameters.js';
import { type Requirements, requirementsFor } from './requirements.js';
import { type Step, stepsOn, stepsUp } from './steps.js';

/** A language model, and how its engine is started. */
export interface LanguageModel {
  readonly engine: Engine;
  /** Its id on the Hugging Face Hub, or its place in S3; the other is empty. */
  readonly id: string;
  readonly place: string;
  /** GiB of its weights, estimated; nothing where that is not known. */
  readonly weights: number | undefined;
  /** What code/options.json holds. */
  readonly options: Readonly<Record<string, string | number | true>>;
}

type Tools = readonly [Tool, ...Tool[]];
type Tool = NonNullable<Answers['deployTool']>[number];

export interface Project {
  readonly name: string;
  readonly framework: Framework;
  /** What runs the model. */
  readonly runtime: Runtime;
  /** What the catalogue says of the framework, in this runtime. */
  readonly entry: FrameworkEntry;
  /** What the model was saved as; absent for frameworks without a format of their own. */
  readonly format: Format | undefined;
  /** The file in model/ that the sample writes and the handler looks for first. */
  readonly modelFile: string;
  /** The model is a folder's contents. */
  readonly folder: boolean;
  /** A request, as people may try first. */
  readonly example: string;
  readonly server: Server;
  /** What the catalogue says of the server. */
  readonly serverEntry: ServerEntry;
  readonly target: NonNullable<Answers['deployTarget']>;
  /** What the catalogue says of the target. */
  readonly targetEntry: TargetEntry;
  /** Of no meaning where the target has no instances. */
  readonly instance: Instance & { readonly count: number };
  /** MB, and requests at a time. */
  readonly serverless: { readonly memory: number; readonly maxConcurrency: number };
  readonly tools: Tools;
  readonly build: 'local' | 'codebuild';
  /** What to type, up to the deployment and from there on. */
  readonly steps: { readonly up: readonly Step[]; readonly on: readonly Step[] };
  readonly image: Image;
  /** The Python of the image. */
  readonly python: string;
  readonly requirements: Requirements;
  readonly trainingRequirements: Requirements;
  readonly region: string;
  readonly partition: string;
  /** Debian's packages that the model's libraries need, and with them all that the image gets. */
  readonly systemPackages: readonly string[];
  readonly packages: readonly string[];
  /** Set where the image gets a package from another index than PyPI. */
  readonly cpuBuild: FrameworkEntry['cpuBuild'];
  /** Set where an engine for language models serves. */
  readonly language: LanguageModel | undefined;
  /** Seconds that a container has until its first good ping, and to fetch the model. */
  readonly seconds: { readonly startup: number; readonly download: number };
  /** Empty where it is given at deployment. */
  readonly roleArn: string;
  readonly modelDelivery: 's3' | 'image';
  /** Many models behind one endpoint, loaded when they are asked for. */
  readonly multiModel: boolean;
  readonly sample: boolean;
  readonly tests: boolean;
  readonly training: boolean;
  /** The instance type of training jobs. */
  readonly trainingType: string;
  /** What .yo-rc.json remembers: the answers, without the folder, which is this machine's. */
  readonly answers: Readonly<Answers>;
}

/** SageMaker's own eight minutes until the first good ping. */
const standardSeconds = { startup: 480, download: 1200 };

function describeModel(answers: Answers, instance: Instance, engine: Engine): LanguageModel {
  const { modelName = '' } = answers;
  const fromS3 = modelName.startsWith('s3://');
  const name = fromS3 ? modelName.split('/').at(-2) || 'model' : modelName;
  return {
    engine,
    id: fromS3 ? '' : modelName,
    place: fromS3 ? modelName : '',
    weights: memoryOf(answers)?.gib,
    options: {
      ...(fromS3 ? {} : { model: modelName }),
      'served-model-name': name,
      'tensor-parallel-size': instance.gpu?.count ?? 'auto',
      ...engine.options,
    },
  };
}

/** Debian's packages that a framework needs, and those of added packages that are frameworks themselves. */
function systemPackagesFor(entry: FrameworkEntry, packages: readonly string[] = []): string[] {
  const names = new Set(packages.map(packageName));
  const added = frameworkNames
    .map(entryOf)
    .filter(({ library }) => library.some((each) => names.has(packageName(each))));
  return [...new Set([entry, ...added].flatMap(({ systemPackage }) => systemPackage?.debian ?? []))];
}

/** Answers without the paths of this machine. */
function withoutPaths({ projectDir, requirements, model, code, ...answers }: Answers): Answers {
  return answers;
}

/** The project that complete answers describe. */
export function projectFrom(complete: Answers): Project {
  const answers = withoutPaths(complete);
  const { framework, projectName, modelServer, deployTarget, awsRegion, modelDelivery } = answers;
  const instance = instanceFor(answers);
  if (!framework || !projectName || !modelServer || !deployTarget || !awsRegion || !modelDelivery || !instance) {
    throw new TypeError('projectFrom takes complete answers only');
  }
  const { runtime = 'native' } = answers;
  const served = servedAs(framework, runtime);
  const entry = entryIn(framework, runtime);
  const serverEntry = serverOf(modelServer);
  const language = serverEntry.engine && describeModel(answers, instance, serverEntry.engine);
  const models = language ? 'language-model' : answers.multiModel ? 'multi-model' : 'single-model';
  const targetEntry = targetOf(deployTarget, models, modelDelivery === 'image');
  const asked =
    runtime === 'native' ? releaseOf(framework, answers.frameworkVersion, answers.pythonVersion) : undefined;
  const release = asked ?? standardRelease(served);
  const python = language?.engine.python ?? answers.pythonVersion ?? release.pythons.at(-1) ?? '';
  const image = imageFor(instance, entry, targetEntry, python, language?.engine);
  const format = entry.formats.find(({ name }) => name === answers.modelFormat);
  const cpuBuild = image.gpu || language ? undefined : entry.cpuBuild;
  const requirements = requirementsFor(
    { ...answers, framework: served },
    {
      entry,
      serverEntry,
      format: runtime === 'native' ? format : undefined,
      release,
      python,
      cpuBuild,
      gpu: image.gpu,
    },
  );
  const systemPackages = systemPackagesFor(entry, answers.packages);
  const [tool = 'cli', ...others] = answers.deployTool ?? [];
  const facts = {
    target: deployTarget,
    tools: [tool, ...others] as const,
    build: answers.buildTarget ?? ('local' as const),
    roleArn: answers.awsRoleArn ?? '',
    modelDelivery,
    multiModel: answers.multiModel ?? false,
    image,
    language,
  };
  return Object.freeze({
    ...facts,
    name: projectName,
    framework,
    runtime,
    entry,
    format,
    modelFile: runtime === 'onnx' ? 'model.onnx' : (format?.file ?? `model.${format?.name ?? 'json'}`),
    folder: format?.folder ?? entry.folder ?? false,
    example: entry.example ?? '{"instances": [[5.1, 3.5, 1.4, 0.2]]}',
    server: modelServer,
    serverEntry,
    targetEntry,
    instance: { ...instance, count: answers.instanceCount ?? 1 },
    serverless: { memory: answers.serverlessMemory ?? 0, maxConcurrency: answers.serverlessMaxConcurrency ?? 0 },
    systemPackages,
    packages: [...(serverEntry.packages ?? []), ...systemPackages],
    cpuBuild,
    python,
    requirements,
    trainingRequirements: {
      ...requirements,
      others: entry.trainingPackages ?? [],
      sources: [],
      constraint: '../requirements.txt',
    },
    seconds: language ? timeoutsFor(language.weights, language.id !== '') : standardSeconds,
    region: awsRegion,
    partition: partitionOf(awsRegion),
    steps: { up: stepsUp(facts), on: stepsOn(facts) },
    sample: answers.includeSampleModel ?? false,
    tests: answers.includeTests ?? false,
    training: answers.includeTraining ?? false,
    trainingType: trainingTypeFor(instance, image.gpu),
    answers,
  });
}
