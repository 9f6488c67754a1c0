// Combinations that cannot work, each with the reason and the way out. A rule sees the answers and the instance they mean.
import { entryIn, entryOf } from '../catalog/frameworks.js';
import { misfit } from '../catalog/images.js';
import { doubtAbout, hasGpu, type Instance, instanceFor, typeFor } from '../catalog/instances.js';
import {
  holds,
  isTooSlowFromHub,
  isWithoutBfloat16,
  memoryOf,
  smallestFor,
  weightCapacityGiB,
} from '../catalog/models.js';
import { partitionOf } from '../catalog/regions.js';
import { gpuServers, serverOf } from '../catalog/servers.js';
import { nearestRelease, releaseOf } from '../catalog/versions.js';
import type { Answers, Key } from './parameters.js';
import type { Problem } from './problems.js';

/** A combination, said of `key`: `broken` gives the reason, or nothing where the answers can work or the instance is not known. */
interface Rule {
  key: Key;
  broken: (answers: Answers, instance: Instance | undefined) => string | undefined | false;
  hint: string | ((answers: Answers) => string);
}

const onEngine = ({ modelServer }: Answers) => gpuServers.has(modelServer ?? '');
const partitionOfRole = (arn: string) => arn.split(':')[1];

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
      `--framework-version=${nearestRelease(framework ?? 'custom', frameworkVersion)} is the nearest${framework && entryOf(framework).converts ? '; or --runtime=onnx, for a model of any version' : ''}`,
  },
  {
    key: 'instanceType',
    broken: ({ framework, frameworkVersion }, instance) =>
      framework &&
      instance &&
      hasGpu(instance) &&
      releaseOf(framework, frameworkVersion)?.cuda === false &&
      `${entryOf(framework).label} ${frameworkVersion} has no packages that bring CUDA`,
    hint: 'a type without a GPU, or a newer --framework-version',
  },
  {
    key: 'modelServer',
    broken: ({ modelServer }, instance) =>
      instance &&
      gpuServers.has(modelServer ?? '') &&
      !hasGpu(instance) &&
      `${modelServer} needs a GPU, and ${instance.type} has none`,
    hint: '--instance-type=gpu-enabled, or --model-server=fastapi for a small model',
  },
  {
    key: 'instanceType',
    broken: ({ framework, frameworkVersion, deployTarget, modelServer, runtime }, instance) =>
      framework &&
      instance &&
      misfit(
        instance,
        entryIn(framework, runtime),
        releaseOf(framework, frameworkVersion) ?? {},
        deployTarget,
        modelServer && serverOf(modelServer).engine,
      ),
    hint: (answers) => {
      const way = `--instance-type=gpu-enabled (${typeFor('gpu-enabled', answers.deployTarget, answers.framework)})`;
      return onEngine(answers) ? way : `${way}, or a type without a GPU`;
    },
  },
  {
    key: 'deployTarget',
    broken: ({ deployTarget }, instance) =>
      deployTarget === 'serverless' &&
      (instance?.gpu || instance?.neuron) &&
      `serverless endpoints have no GPU or Neuron device, and ${instance.type} has`,
    hint: '--instance-type=cpu-optimized, or --deploy-target=realtime',
  },
  {
    key: 'deployTarget',
    broken: ({ deployTarget, modelServer }) =>
      deployTarget === 'serverless' &&
      gpuServers.has(modelServer ?? '') &&
      `serverless endpoints have no GPU for ${modelServer}`,
    hint: '--deploy-target=realtime or async',
  },
  {
    // Source: SageMaker's API, TransformResources and ModelDataSource.
    key: 'deployTarget',
    broken: (answers) =>
      onEngine(answers) &&
      answers.deployTarget === 'batch' &&
      `batch transform takes no model as large as those of ${answers.modelServer}, and its hosts have an older CUDA`,
    hint: '--deploy-target=async',
  },
  {
    key: 'instanceType',
    broken: (answers, instance) => onEngine(answers) && instance && unfit(answers, instance),
    hint: (answers) => {
      const { type } = smallestFor(memoryOf(answers)?.gib ?? 0, answers.modelName) ?? {};
      const fits = type
        ? `--instance-type=${type}, the smallest that does`
        : 'no instance does: a quantised model may fit';
      return `${fits}; or --model-memory=GIB, where the estimate is wrong`;
    },
  },
  {
    key: 'modelDelivery',
    broken: (answers) =>
      onEngine(answers) && answers.modelDelivery === 'image' && 'a language model is too large for an image',
    hint: '--model-delivery=s3: from the Hugging Face Hub, or from S3',
  },
  {
    key: 'includeSampleModel',
    broken: (answers) => onEngine(answers) && answers.includeSampleModel && 'there is no sample model for GPU engines',
    hint: '--no-include-sample-model, or --model-server=fastapi for a small model',
  },
  {
    key: 'multiModel',
    broken: ({ multiModel, deployTarget }) =>
      multiModel && deployTarget && deployTarget !== 'realtime' && `${deployTarget} does not host many models`,
    hint: '--deploy-target=realtime, or --no-multi-model',
  },
  {
    key: 'multiModel',
    broken: ({ multiModel, framework }) =>
      multiModel && framework === 'transformers' && 'a language model fills its instance',
    hint: '--no-multi-model',
  },
  {
    key: 'multiModel',
    broken: ({ multiModel, modelDelivery }) =>
      multiModel && modelDelivery === 'image' && 'many models come from S3, one by one',
    hint: '--model-delivery=s3, or --no-multi-model',
  },
  {
    // Source: SageMaker's developer guide, "Custom Containers Contract for Multi-Model Endpoints".
    key: 'multiModel',
    broken: ({ multiModel }, instance) =>
      multiModel &&
      instance &&
      hasGpu(instance) &&
      `many models on GPUs are for NVIDIA’s Triton only, and ${instance.type} has one`,
    hint: '--instance-type=cpu-optimized, or --no-multi-model',
  },
  {
    key: 'includeTraining',
    broken: ({ includeTraining, runtime }) =>
      includeTraining && runtime === 'onnx' && 'a training job does not convert the model that it writes',
    hint: '--no-include-training, or --runtime=native',
  },
  {
    key: 'includeTraining',
    broken: ({ includeTraining, framework }) =>
      includeTraining && framework === 'transformers' && 'there is no training container for language models',
    hint: '--no-include-training',
  },
  {
    key: 'deployTarget',
    broken: ({ deployTarget }, instance) =>
      deployTarget === 'batch' && instance?.transform === false && `batch transform does not run on ${instance.type}`,
    hint: '--instance-type=cpu-optimized (ml.m5.large), or another type with batch transform such as ml.c5.xlarge',
  },
  {
    key: 'deployTool',
    broken: ({ deployTool, deployTarget }) =>
      deployTarget === 'batch' && deployTool?.includes('cdk') && 'CloudFormation has no batch transform jobs',
    hint: '--deploy-tool=cli, or boto3',
  },
  {
    key: 'awsRoleArn',
    broken: ({ awsRoleArn, awsRegion }) =>
      awsRoleArn &&
      awsRegion &&
      partitionOfRole(awsRoleArn) !== partitionOf(awsRegion) &&
      `the role is in partition ${partitionOfRole(awsRoleArn)}, and ${awsRegion} is in ${partitionOf(awsRegion)}`,
    hint: 'a role of the region’s own partition',
  },
];

function unfit(answers: Answers, instance: Instance): string | undefined {
  const { modelName = '' } = answers;
  const [memory, capacity] = [memoryOf(answers), weightCapacityGiB(instance)];
  if (!memory || capacity === undefined || holds(instance, memory.gib, modelName)) return undefined;
  const { gpu, type } = instance;
  if (isWithoutBfloat16(instance, modelName))
    return `${modelName} is in MXFP4, which needs bfloat16, and the GPU of ${type} does not know that`;
  const held = `${gpu?.count} × ${gpu?.memoryGiB} GiB of GPU memory in ${type} hold ${Math.floor(capacity)} GiB of weights`;
  return `${modelName} takes about ${Math.ceil(memory.gib)} GiB (${memory.why}), and ${held}, with room for the KV cache`;
}

/** Every combination among the answers that cannot work. */
export function conflicts(answers: Answers, origins: Readonly<Partial<Record<Key, string>>>): Problem[] {
  const instance = instanceFor(answers);
  return rules.flatMap(({ key, broken, hint }) => {
    const message = broken(answers, instance);
    const way = typeof hint === 'string' ? hint : hint(answers);
    return message ? [{ key, from: origins[key] ?? 'default', message, hint: way }] : [];
  });
}

/** What works, and may not be what was meant. */
export function doubts(answers: Answers): string[] {
  const instance = instanceFor(answers);
  const { framework, modelFormat, modelName, customInstanceType, instanceType, pythonVersion, runtime } = answers;
  const memory = memoryOf(answers);
  const entry = framework && entryIn(framework, runtime);
  const idle = entry && (entry.gpu ? instance?.neuron : instance?.gpu || instance?.neuron);
  const format = entry?.formats.find(({ name }) => name === modelFormat);
  return [
    pythonVersion === '3.10' &&
      'Python 3.10 gets no more security fixes: serve the model with it until it is trained again',
    instanceType === 'custom' && customInstanceType && doubtAbout(customInstanceType),
    onEngine(answers) &&
      modelName &&
      !memory &&
      `nothing in ${modelName} says how large it is: whether it fits is not checked. --model-memory=GIB says it`,
    onEngine(answers) &&
      !modelName?.startsWith('s3://') &&
      isTooSlowFromHub(memory?.gib ?? 0) &&
      `from the Hugging Face Hub, ${modelName} starts in more than the hour that SageMaker allows: copy it to S3 first, with deploy/upload_model.sh`,
    idle && `${entry.label} does not use the accelerator of ${instance?.type}: a CPU type costs less`,
    format?.pickle &&
      runtime !== 'onnx' &&
      `a .${format.name} file ${format.pickle.what}: loading it runs the code it holds. Serve only files you trust, or use --model-format=${format.pickle.instead}`,
  ].filter((each): each is string => Boolean(each));
}
