// The project: all answers, and everything derived from them. The manifest and the templates see nothing else.
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
import { deploySteps, type Step, useSteps } from './steps.js';

/** A language model, and the options to start its engine with. */
export interface LanguageModel {
  readonly engine: Engine;
  /** Its id on the Hugging Face Hub; empty if it is in S3. */
  readonly id: string;
  /** Its S3 prefix; empty if it is on the Hub. */
  readonly s3Uri: string;
  /** Estimated size of its weights in GiB; undefined if unknown. */
  readonly weights: number | undefined;
  /** The content of code/options.json. */
  readonly options: Readonly<Record<string, string | number | true>>;
}

type Tools = readonly [Tool, ...Tool[]];
type Tool = NonNullable<Answers['deployTool']>[number];

export interface Project {
  readonly name: string;
  readonly framework: Framework;
  /** The library that runs the model. */
  readonly runtime: Runtime;
  /** The catalogue entry of the framework with this runtime. */
  readonly entry: FrameworkEntry;
  /** The format of the model file; undefined for frameworks without their own formats. */
  readonly format: Format | undefined;
  /** The file in model/ that the sample writes, and that the handler looks for first. */
  readonly modelFile: string;
  /** Whether the model is a folder instead of a file. */
  readonly folder: boolean;
  /** An example request. */
  readonly example: string;
  /** Whether the project has a request that was derived from the model. */
  readonly ownRequest: boolean;
  readonly server: Server;
  /** The catalogue entry of the server. */
  readonly serverEntry: ServerEntry;
  readonly target: NonNullable<Answers['deployTarget']>;
  /** The catalogue entry of the target. */
  readonly targetEntry: TargetEntry;
  /** Meaningless for a target without instances. */
  readonly instance: Instance & { readonly count: number };
  /** Memory in MB, and the number of concurrent requests. */
  readonly serverless: { readonly memory: number; readonly maxConcurrency: number };
  readonly tools: Tools;
  readonly build: 'local' | 'codebuild';
  /** The commands to deploy the project, and those to use the deployment. */
  readonly steps: { readonly deploy: readonly Step[]; readonly use: readonly Step[] };
  readonly image: Image;
  /** The Python version of the image. */
  readonly python: string;
  readonly requirements: Requirements;
  readonly trainingRequirements: Requirements;
  readonly region: string;
  readonly partition: string;
  /** The Debian packages that the model's libraries need. */
  readonly systemPackages: readonly string[];
  /** All Debian packages to install in the image. */
  readonly packages: readonly string[];
  /** Set if the image installs a package from an index other than PyPI. */
  readonly cpuBuild: FrameworkEntry['cpuBuild'];
  /** Set if an engine for language models serves the model. */
  readonly language: LanguageModel | undefined;
  /** Timeouts in seconds: for the first successful ping, and for the download of the model. */
  readonly seconds: { readonly startup: number; readonly download: number };
  /** Empty if it is passed at deployment. */
  readonly roleArn: string;
  readonly modelDelivery: 's3' | 'image';
  /** Whether many models share an endpoint. They are loaded on demand. */
  readonly multiModel: boolean;
  readonly sample: boolean;
  readonly tests: boolean;
  readonly training: boolean;
  /** The instance type of training jobs. */
  readonly trainingType: string;
  /** The answers to store in .yo-rc.json, without paths on this machine. */
  readonly answers: Readonly<Answers>;
}

/** SageMaker's default timeout for the first successful ping is eight minutes. */
const standardSeconds = { startup: 480, download: 1200 };

function describeModel(answers: Answers, instance: Instance, engine: Engine): LanguageModel {
  const { modelName = '' } = answers;
  const fromS3 = modelName.startsWith('s3://');
  const name = fromS3 ? modelName.split('/').at(-2) || 'model' : modelName;
  return {
    engine,
    id: fromS3 ? '' : modelName,
    s3Uri: fromS3 ? modelName : '',
    weights: memoryOf(answers)?.gib,
    options: {
      ...(fromS3 ? {} : { model: modelName }),
      'served-model-name': name,
      'tensor-parallel-size': instance.gpu?.count ?? 'auto',
      ...engine.options,
    },
  };
}

/** The Debian packages that a framework needs, including frameworks among the additional packages. */
function systemPackagesFor(entry: FrameworkEntry, packages: readonly string[] = []): string[] {
  const names = new Set(packages.map(packageName));
  const added = frameworkNames
    .map(entryOf)
    .filter(({ library }) => library.some((each) => names.has(packageName(each))));
  return [...new Set([entry, ...added].flatMap(({ systemPackage }) => systemPackage?.debian ?? []))];
}

/** Answers without paths on this machine. */
function withoutPaths({ projectDir, requirements, model, code, ...answers }: Answers): Answers {
  return answers;
}

/** The project that complete answers describe. Throws a TypeError if one is missing. */
export function projectFrom(complete: Answers): Project {
  const answers = withoutPaths(complete);
  const { framework, projectName, modelServer, deployTarget, awsRegion, modelDelivery } = answers;
  const instance = instanceFor(answers);
  if (!framework || !projectName || !modelServer || !deployTarget || !awsRegion || !modelDelivery || !instance) {
    throw new TypeError('projectFrom needs complete answers');
  }
  const { runtime = 'native' } = answers;
  const served = servedAs(framework, runtime);
  const entry = entryIn(framework, runtime);
  const serverEntry = serverOf(modelServer);
  const language = serverEntry.engine && describeModel(answers, instance, serverEntry.engine);
  const models = language ? 'language-model' : answers.multiModel ? 'multi-model' : 'single-model';
  const targetEntry = targetOf(deployTarget, models, modelDelivery === 'image');
  const chosen =
    runtime === 'native' ? releaseOf(framework, answers.frameworkVersion, answers.pythonVersion) : undefined;
  const release = chosen ?? standardRelease(served);
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
    ownRequest: false,
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
    steps: { deploy: deploySteps(facts), use: useSteps(facts) },
    sample: answers.includeSampleModel ?? false,
    tests: answers.includeTests ?? false,
    training: answers.includeTraining ?? false,
    trainingType: trainingTypeFor(instance, image.gpu),
    answers,
  });
}
