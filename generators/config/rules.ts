// Combinations that cannot work, each with the reason and a hint. A rule sees the answers and the resulting instance.
import { entryIn, entryOf } from '../catalog/frameworks.js';
import { misfit } from '../catalog/images.js';
import { hasGpu, type Instance, instanceFor, typeFor } from '../catalog/instances.js';
import { partitionOf, regions } from '../catalog/regions.js';
import { gpuServers, serverOf } from '../catalog/servers.js';
import { nameOf, nearestRelease, packageName, releaseOf, standardRelease } from '../catalog/versions.js';
import { languageModelRules, typeForCpu, typeForEngine, usesEngine } from './language-models.js';
import type { Answers, Key } from './parameters.js';
import type { Problem } from './problems.js';

/** A combination that cannot work. `broken` returns the reason; nothing if it can work or the instance is unknown. */
export interface Rule {
  key: Key;
  broken: (answers: Answers, instance: Instance | undefined) => string | undefined | false;
  hint: string | ((answers: Answers) => string);
}

const partitionOfRole = (arn: string) => arn.split(':')[1];
/** The flags for a single model. They also replace a server that supports only many models. */
const oneModel = ({ modelServer }: Answers) =>
  modelServer && serverOf(modelServer).multiModelOnly
    ? '--no-multi-model and --model-server=fastapi'
    : '--no-multi-model';

/** A package with a version that is the framework's own. Its version would contradict the set of packages. */
function pinnedLibrary({ framework = 'custom', runtime, packages = [] }: Answers): string | undefined {
  const own = entryIn(framework, runtime)
    .library.filter((each) => each.includes('{}'))
    .map(packageName);
  return packages.find((each) => each.includes('==') && own.includes(packageName(each)));
}

const rules: readonly Rule[] = [
  {
    key: 'frameworkVersion',
    broken: ({ framework, frameworkVersion, runtime }) =>
      framework &&
      frameworkVersion &&
      runtime !== 'onnx' &&
      !releaseOf(framework, frameworkVersion) &&
      `there is no tested set of packages for ${entryOf(framework).label} ${frameworkVersion}`,
    hint: ({ framework, frameworkVersion = '' }) =>
      `use --framework-version=${nearestRelease(framework ?? 'custom', frameworkVersion)}, the nearest version${framework && entryOf(framework).converts ? ', or --runtime=onnx, which works with any version' : ''}`,
  },
  {
    key: 'instanceType',
    broken: ({ framework, frameworkVersion }, instance) =>
      framework &&
      instance &&
      hasGpu(instance) &&
      releaseOf(framework, frameworkVersion)?.cuda === false &&
      `there are no CUDA packages for ${entryOf(framework).label} ${frameworkVersion}`,
    hint: ({ framework = 'custom' }) =>
      `use --instance-type=cpu-optimized, or --framework-version=${nameOf(standardRelease(framework))}`,
  },
  {
    key: 'deployTarget',
    broken: ({ deployTarget, modelServer, multiModel }, instance) =>
      deployTarget === 'serverless' &&
      !multiModel &&
      !gpuServers.has(modelServer ?? '') &&
      (instance?.gpu || instance?.neuron) &&
      `serverless endpoints have no GPU or Neuron device, but ${instance.type} has one`,
    hint: 'use --instance-type=cpu-optimized, or --deploy-target=realtime',
  },
  {
    key: 'multiModel',
    broken: ({ multiModel, deployTarget, framework }) =>
      multiModel &&
      framework !== 'transformers' &&
      deployTarget &&
      deployTarget !== 'realtime' &&
      `multi-model endpoints must be realtime, not ${deployTarget}`,
    hint: (answers) => `use --deploy-target=realtime, or ${oneModel(answers)}`,
  },
  {
    key: 'multiModel',
    broken: ({ multiModel, modelDelivery }) =>
      multiModel && modelDelivery === 'image' && 'a multi-model endpoint loads its models from S3, not from the image',
    hint: (answers) => `use --model-delivery=s3, or ${oneModel(answers)}`,
  },
  {
    // Source: SageMaker's developer guide, "Custom Containers Contract for Multi-Model Endpoints".
    key: 'multiModel',
    broken: ({ multiModel, framework }, instance) =>
      multiModel &&
      framework !== 'transformers' &&
      instance &&
      hasGpu(instance) &&
      `on GPU instances such as ${instance.type}, SageMaker supports multi-model endpoints only with NVIDIA Triton`,
    hint: (answers) => `use --instance-type=cpu-optimized, or ${oneModel(answers)}`,
  },
  {
    key: 'includeTraining',
    broken: ({ includeTraining, runtime }) =>
      includeTraining &&
      runtime === 'onnx' &&
      'a training job does not convert the model to ONNX, which runtime onnx needs',
    hint: 'use --no-include-training, or --runtime=native',
  },
  {
    key: 'deployTool',
    broken: ({ deployTool, deployTarget }) =>
      deployTarget === 'batch' && deployTool?.includes('cdk') && 'CloudFormation does not support batch transform jobs',
    hint: 'use --deploy-tool=cli, or --deploy-tool=boto3',
  },
  {
    key: 'packages',
    broken: (answers) => {
      const pinned = pinnedLibrary(answers);
      return pinned && `frameworkVersion sets the version of ${packageName(pinned)}`;
    },
    hint: (answers) => {
      const version = pinnedLibrary(answers)?.split('==')[1] ?? '';
      return `leave it out of packages, and use --framework-version=${version}`;
    },
  },
  {
    key: 'awsRoleArn',
    broken: ({ awsRoleArn, awsRegion }) =>
      awsRoleArn &&
      awsRegion &&
      partitionOfRole(awsRoleArn) !== partitionOf(awsRegion) &&
      `the role is in partition ${partitionOfRole(awsRoleArn)}, but ${awsRegion} is in ${partitionOf(awsRegion)}`,
    hint: ({ awsRoleArn = '', awsRegion }) => {
      const region = (['us-east-1', ...regions] as const).find(
        (each) => partitionOf(each) === partitionOfRole(awsRoleArn),
      );
      return `use a role in ${partitionOf(awsRegion ?? '')}${region ? `, or a region in the partition of the role, such as --aws-region=${region}` : ''}`;
    },
  },
  {
    key: 'instanceType',
    broken: ({ framework, frameworkVersion, deployTarget, modelServer, runtime }, instance) =>
      framework &&
      instance &&
      deployTarget !== 'serverless' &&
      !(deployTarget === 'batch' && gpuServers.has(modelServer ?? '')) &&
      misfit(
        instance,
        entryIn(framework, runtime),
        releaseOf(framework, frameworkVersion) ?? {},
        deployTarget,
        modelServer && serverOf(modelServer).engine,
      ),
    hint: (answers) => {
      if (answers.deployTarget === 'batch') return typeForCpu(answers);
      if (usesEngine(answers)) return typeForEngine(answers);
      const gpu = `use --instance-type=gpu-enabled (${typeFor('gpu-enabled', answers.deployTarget, answers.framework)})`;
      return `${gpu}, or ${typeForCpu(answers)}`;
    },
  },
  {
    key: 'multiModel',
    broken: ({ multiModel, framework }) =>
      multiModel && framework === 'transformers' && 'each language model needs its own endpoint',
    hint: (answers) => `use ${oneModel(answers)}`,
  },
  {
    key: 'deployTarget',
    broken: (answers, instance) =>
      !usesEngine(answers) &&
      answers.deployTarget === 'batch' &&
      instance?.transform === false &&
      `batch transform does not run on ${instance.type}`,
    hint: (answers) => `${typeForCpu(answers)}, which supports batch transform`,
  },
];

/** Returns a problem for every combination of answers that cannot work. */
export function conflicts(answers: Answers, origins: Readonly<Partial<Record<Key, string>>>): Problem[] {
  const instance = instanceFor(answers);
  const found = [...rules, ...languageModelRules].flatMap(({ key, broken, hint }) => {
    const message = broken(answers, instance);
    if (!message) return [];
    return [{ key, from: origins[key] ?? 'default', message, hint: typeof hint === 'string' ? hint : hint(answers) }];
  });
  return found.filter(
    ({ key, hint }, at) => !found.slice(0, at).some((each) => each.key === key && solves(each, hint)),
  );
}

/** Whether the hint for a problem is the first advice of another hint, too. */
const solves = ({ hint }: { hint: string }, other: string) => other === hint || other.startsWith(`${hint};`);
