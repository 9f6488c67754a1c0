// Combinations that cannot work with a language model, and the instance types that can hold it.
import { hasGpu, type Instance, instanceFor, instanceOf, typeFor } from '../catalog/instances.js';
import {
  cpuMemoryOf,
  cpuTypeFor,
  holds,
  isWithoutBfloat16,
  memoryOf,
  oneGpuGiB,
  serverlessMemoryFor,
  smallestFor,
  weightCapacityGiB,
} from '../catalog/models.js';
import { gpuServers } from '../catalog/servers.js';
import type { Answers } from './parameters.js';
import type { Rule } from './rules.js';

export const usesEngine = ({ modelServer }: Answers) => gpuServers.has(modelServer ?? '');
const isLanguageModel = ({ framework }: Answers) => framework === 'transformers';

/** Suggests the server for small models, unless the model is known to be too large. */
const orWithoutEngine = (answers: Answers) =>
  memoryOf(answers) && !serverlessMemoryFor(answers) ? '' : ', or --model-server=fastapi for a small model';

export const languageModelRules: readonly Rule[] = [
  {
    key: 'modelServer',
    broken: (answers, instance) =>
      instance &&
      usesEngine(answers) &&
      hasInstancesForEngines(answers) &&
      !hasGpu(instance) &&
      `${answers.modelServer} needs a GPU, and ${instance.type} has none`,
    hint: (answers) => `${typeForEngine(answers)}${orWithoutEngine(answers)}`,
  },
  {
    // Source: SageMaker's API, TransformResources and ModelDataSource.
    key: 'deployTarget',
    broken: (answers) =>
      usesEngine(answers) &&
      answers.deployTarget === 'batch' &&
      `batch transform does not support models of the size that ${answers.modelServer} serves, and its hosts have an older CUDA driver`,
    hint: (answers) => `use --deploy-target=async${orWithoutEngine(answers)}`,
  },
  {
    key: 'instanceType',
    broken: (answers, instance) =>
      usesEngine(answers) && hasInstancesForEngines(answers) && instance && unfit(answers, instance),
    hint: (answers) => {
      const { type } = smallestFor(memoryOf(answers)?.gib ?? 0, answers.modelName) ?? {};
      const fits = type
        ? `use --instance-type=${type}, the smallest that can hold it`
        : 'no instance type can hold it: try a quantized model';
      const instance = instanceFor(answers); // its data type does not depend on the estimate
      if (instance && isWithoutBfloat16(instance, answers.modelName ?? '')) return fits;
      return `${fits}; or --model-memory=GIB, if the estimate is wrong`;
    },
  },
  {
    key: 'instanceType',
    broken: (answers, instance) =>
      isLanguageModel(answers) && !usesEngine(answers) && instance && tooSmall(answers, instance),
    hint: (answers) => {
      const isHeld = smallestFor(memoryOf(answers)?.gib ?? 0, answers.modelName) !== undefined;
      const isSupported = isHeld && answers.deployTarget !== 'batch';
      const engine = isSupported ? ', or --model-server=vllm, which uses all GPUs' : '';
      return `${typeForCpu(answers)}${engine}; or --model-memory=GIB, if the estimate is wrong`;
    },
  },
  {
    key: 'serverlessMemory',
    broken: (answers) => {
      const { framework, deployTarget, serverlessMemory } = answers;
      const needed = cpuMemoryOf(answers);
      if (framework !== 'transformers' || usesEngine(answers) || deployTarget !== 'serverless') return undefined;
      if (!needed || !serverlessMemory || serverlessMemory / 1024 >= needed) return undefined;
      return `${answers.modelName} needs about ${gibibytes(needed)} GiB on a CPU, more than ${serverlessMemory} MB`;
    },
    hint: (answers) => {
      const size = serverlessMemoryFor(answers);
      return size
        ? `use --serverless-memory=${size}`
        : 'use --deploy-target=realtime and --model-server=vllm, which runs on a GPU';
    },
  },
  {
    key: 'modelDelivery',
    broken: (answers) =>
      usesEngine(answers) && answers.modelDelivery === 'image' && 'language models are too large for an image',
    hint: 'use --model-delivery=s3: the model comes from the Hugging Face Hub or S3',
  },
  {
    key: 'includeSampleModel',
    broken: (answers) =>
      usesEngine(answers) && answers.includeSampleModel && 'there is no sample model for vllm and sglang',
    hint: (answers) => `use --no-include-sample-model${orWithoutEngine(answers)}`,
  },
  {
    key: 'includeTraining',
    broken: ({ includeTraining, framework }) =>
      includeTraining && framework === 'transformers' && 'there is no training container for language models',
    hint: 'use --no-include-training',
  },
  {
    key: 'deployTarget',
    broken: (answers) =>
      usesEngine(answers) &&
      answers.deployTarget === 'serverless' &&
      `${answers.modelServer} needs a GPU, and serverless endpoints have none`,
    hint: (answers) => `use --deploy-target=realtime, or --deploy-target=async${orWithoutEngine(answers)}`,
  },
];

/** Whether the target runs on instances that support an engine. */
const hasInstancesForEngines = ({ deployTarget }: Answers) => deployTarget !== 'serverless' && deployTarget !== 'batch';

/** Recommends an instance type that supports an engine: gpu-enabled, or the smallest that can hold the model. */
export function typeForEngine(answers: Answers): string {
  const type = typeFor('gpu-enabled', answers.deployTarget, answers.framework);
  const memory = memoryOf(answers);
  const isHeld = !memory || holds(instanceOf(type), memory.gib, answers.modelName);
  const smallest = memory && smallestFor(memory.gib, answers.modelName)?.type;
  return isHeld || !smallest ? `use --instance-type=gpu-enabled (${type})` : `use --instance-type=${smallest}`;
}

/** Recommends an instance type without a GPU: cpu-optimized, or the smallest that can hold the model. */
export function typeForCpu(answers: Answers): string {
  const type = typeFor('cpu-optimized', answers.deployTarget);
  const needed = (isLanguageModel(answers) && cpuMemoryOf(answers)) || 0;
  if ((instanceOf(type).memoryGiB ?? 0) >= needed) return `use --instance-type=cpu-optimized (${type})`;
  const other = cpuTypeFor(answers, answers.deployTarget)?.type;
  return other ? `use --instance-type=${other}` : 'no CPU instance type can hold the model: choose a smaller model';
}

const gibibytes = (size: number) => (size < 10 ? size.toFixed(1) : Math.ceil(size));

/** Why a language model without an engine does not fit an instance. It uses a single GPU, or 32-bit floats on a CPU. */
function tooSmall(answers: Answers, instance: Instance): string | undefined {
  const { modelName, deployTarget } = answers;
  const { type, memoryGiB, gpu, neuron } = instance;
  const [stored, needed] = [memoryOf(answers)?.gib, cpuMemoryOf(answers)];
  if (!stored || !needed || !memoryGiB || neuron || deployTarget === 'serverless') return undefined;
  const onGpu = oneGpuGiB(instance);
  if (onGpu !== undefined)
    return onGpu < stored
      ? `${modelName} needs about ${gibibytes(stored)} GiB, but one GPU of ${type} has only ${gpu?.memoryGiB} GiB`
      : undefined;
  return memoryGiB < needed
    ? `${modelName} needs about ${gibibytes(needed)} GiB on a CPU, but ${type} has only ${memoryGiB} GiB`
    : undefined;
}

function unfit(answers: Answers, instance: Instance): string | undefined {
  const { modelName = '' } = answers;
  const [memory, capacity] = [memoryOf(answers), weightCapacityGiB(instance)];
  if (!memory || capacity === undefined || holds(instance, memory.gib, modelName)) return undefined;
  const { gpu, type } = instance;
  if (isWithoutBfloat16(instance, modelName))
    return `${modelName} uses MXFP4, which needs bfloat16, but the GPU of ${type} does not support bfloat16`;
  const held = `${gpu?.count} × ${gpu?.memoryGiB} GiB of GPU memory in ${type} can hold only ${Math.floor(capacity)} GiB of weights`;
  return `${modelName} needs about ${Math.ceil(memory.gib)} GiB (${memory.why}), but the ${held} next to the KV cache`;
}
