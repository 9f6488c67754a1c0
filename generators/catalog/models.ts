// Estimates a language model's size from its name, and which instances can hold it.
import { frameworks } from './frameworks.js';
import { misfit } from './images.js';
import { instanceTypes } from './instances.data.js';
import type { Instance, InstanceType } from './instances.js';

/** Parameters in billions, and the bits that each is stored in. */
export interface ModelSize {
  parameters: number;
  bits: number;
}

const gib = 2 ** 30;

/** Bits of the stored weights, by a pattern in the name. The first match wins. */
const quantizations: readonly [RegExp, number][] = [
  [/(?:^|[-_.])(?:(?:int|fp)8|w8a(?:8|16)|8-?bit)(?:$|[-_.])/, 8],
  [/(?:^|[-_.])(?:awq|gptq|autoround|w4a16|(?:int|nf|mxfp|nvfp|fp)4|(?:bnb-)?4-?bit)(?:$|[-_.])/, 4],
  [/(?:^|[-_.])(?:bf16|fp16)(?:$|[-_.])/, 16],
  [/^gpt-oss/, 4],
];
/** Models whose names do not include their size. Source: their cards on the Hugging Face Hub. */
const knownSizes: readonly [RegExp, ModelSize][] = [
  [/^deepseek-(?:v3|r1)/, { parameters: 685, bits: 8 }],
  [/^llama-4-scout/, { parameters: 109, bits: 16 }],
  [/^llama-4-maverick/, { parameters: 400, bits: 16 }],
];
/** Experts share some of their parameters: Mixtral-8x7B has 46.7 billion in all, 8x22B has 141. */
const expertFactor = 0.84;
/** Factor for scales, and for layers that stay in 16 bits, by the bits of the quantized layers. */
const quantizationOverhead: Readonly<Record<number, number>> = { 4: 1.15, 8: 1.05, 16: 1 };

const lastPart = (modelName: string) => modelName.replace(/\/+$/, '').split('/').at(-1)?.toLowerCase() ?? '';
const bitsIn = (name: string) => quantizations.find(([pattern]) => pattern.test(name))?.[1];

/** The size according to the last part of a Hugging Face id or S3 prefix; undefined if that does not include one. */
export function sizeOf(modelName: string): ModelSize | undefined {
  const name = lastPart(modelName);
  const parameters = billions(name);
  const size = parameters ? { parameters, bits: 16 } : knownSizes.find(([pattern]) => pattern.test(name))?.[1];
  return size && { ...size, bits: bitsIn(name) ?? size.bits };
}

/**
 * Billions of parameters in a name: 8x7b, 0.5b, 135m. In 30b-a3b, a3b is the active part. Undefined for 17b-16e, which
 * gives only the active parameters.
 */
function billions(name: string): number | undefined {
  if (/\d+b-\d+e(?:$|[-_.])/.test(name)) return undefined;
  const experts = /(?:^|[-_.])(\d+)x(\d+(?:\.\d+)?)b(?:$|[-_.])/.exec(name);
  if (experts) return Number(experts[1]) * Number(experts[2]) * expertFactor;
  const found = [...name.matchAll(/(?:^|[-_])(\d+(?:\.\d+)?)(b|m)(?=$|[-_.])/g)];
  const sizes = found.map(([, number, unit]) => Number(number) / (unit === 'm' ? 1000 : 1));
  return sizes.length ? Math.max(...sizes) : undefined;
}

/** Size of the weights in GiB. */
export const weightsGiB = ({ parameters, bits }: ModelSize) =>
  ((parameters * 1e9 * bits) / 8 / gib) * (quantizationOverhead[bits] ?? 1);

/** Fraction of GPU memory that an engine uses. Source: vLLM's gpu-memory-utilization; SGLang's default is similar. */
const gpuMemoryUtilization = 0.9;
/** GiB per GPU for everything but weights and KV cache: activations, CUDA graphs, communication buffers. */
const overheadPerGpuGiB = 1.5;
/** Minimum size of the KV cache, as a fraction of the weights: about ten thousand tokens. */
const kvCacheReserve = 0.1;

/** GiB that the weights of a language model take, and where that number comes from; undefined if unknown. */
export function memoryOf({ modelName = '', modelMemory }: SizedModel): { gib: number; why: string } | undefined {
  if (modelMemory !== undefined) return { gib: modelMemory, why: 'from modelMemory' };
  const size = sizeOf(modelName);
  if (!size) return undefined;
  const parameters = Number(size.parameters.toPrecision(3));
  return {
    gib: weightsGiB(size),
    why: `estimated from its name: ${parameters} billion parameters, ${size.bits} bits each`,
  };
}

/** Maximum GiB of weights that fit on an instance's GPUs next to the KV cache; undefined if its GPUs are unknown. */
export function weightCapacityGiB({ gpu }: Instance): number | undefined {
  return gpu && (gpu.count * (gpu.memoryGiB * gpuMemoryUtilization - overheadPerGpuGiB)) / (1 + kvCacheReserve);
}

/** Whether a T4, which lacks bfloat16, gets a model in MXFP4, which needs it. Source: vLLM's quantization/mxfp4.py. */
export function isWithoutBfloat16({ gpu }: Instance, modelName: string): boolean {
  const name = lastPart(modelName);
  return gpu?.name === 't4' && /^gpt-oss|mxfp4/.test(name) && bitsIn(name) === 4;
}

/** Whether an instance can run a model with `weights` GiB of weights. */
export const holds = (instance: Instance, weights: number, modelName = '') =>
  (weightCapacityGiB(instance) ?? 0) >= weights && !isWithoutBfloat16(instance, modelName);

/**
 * The smallest instance type that holds `weights` GiB of weights: G families before P, which cost more, then ordered by
 * number of GPUs, memory per GPU and vCPUs.
 */
export function smallestFor(weights: number, modelName?: string): InstanceType | undefined {
  const rank = ({ type, gpu, vcpu }: InstanceType) => [
    Number(type.startsWith('ml.p')),
    gpu?.count,
    gpu?.memoryGiB,
    vcpu,
  ];
  const order = (type: InstanceType) => rank(type).reduce<number>((sum, each = 0) => sum * 1000 + each, 0);
  return instanceTypes
    .filter((type) => !misfit(type, frameworks.transformers, {}) && holds(type, weights, modelName))
    .sort((one, other) => order(one) - order(other))[0];
}

/** GiB for Python and its libraries, in addition to the weights. */
const runtimeGiB = 1;
/** Memory of a serverless endpoint, in MB, smallest first. Source: SageMaker's API, ProductionVariantServerlessConfig. */
export const serverlessSizes = [1024, 2048, 3072, 4096, 5120, 6144] as const;

/** The answers that determine the size of a language model. */
export interface SizedModel {
  modelName?: string | undefined;
  modelMemory?: number | undefined;
}

/** GiB that a language model needs on a CPU, without an engine and in float32; undefined if its size is unknown. */
export function cpuMemoryOf({ modelName = '', modelMemory }: SizedModel): number | undefined {
  const size = sizeOf(modelName);
  const weights = modelMemory ?? (size && weightsGiB({ ...size, bits: 32 }));
  return weights && weights + runtimeGiB;
}

/** GiB available to a model without an engine, which runs on one GPU. */
export const oneGpuGiB = ({ gpu }: Instance) => gpu && gpu.memoryGiB * gpuMemoryUtilization - runtimeGiB;

/** The smallest type without an accelerator that holds a language model; for `batch`, one that batch transform supports. */
export function cpuTypeFor(model: SizedModel, target?: string): InstanceType | undefined {
  const needed = cpuMemoryOf(model) ?? 0;
  const plain = instanceTypes.filter(({ type, gpu, neuron, transform }) => {
    const isGeneral = /^ml\.[mr][5-9]/.test(type) && !gpu && !neuron;
    return isGeneral && (target !== 'batch' || transform);
  });
  return plain
    .filter(({ memoryGiB }) => memoryGiB >= needed)
    .sort((one, other) => one.memoryGiB - other.memoryGiB || one.vcpu - other.vcpu)[0];
}

/** The smallest serverless memory in MB that holds a language model; undefined if none does. */
export const serverlessMemoryFor = (model: SizedModel) =>
  serverlessSizes.find((size) => size / 1024 >= (cpuMemoryOf(model) ?? 0));

/** SageMaker's maximum for the startup health check timeout and the model data download timeout, in seconds. */
const maxTimeout = 3600;
const wholeMinutes = (seconds: number, min: number) =>
  Math.min(maxTimeout, Math.max(min, Math.ceil(seconds / 60) * 60));
/** GiB per second when downloading from S3, from the Hub, and loading onto the GPUs. Conservative estimates of ours. */
const gibPerSecond = { s3: 0.2, hub: 0.1, load: 0.2 };
/** Seconds that an engine needs besides reading the weights: imports, compilation, CUDA graphs. */
const engineStartSeconds = 420;

const secondsToStart = (weights: number, fromHub: boolean) =>
  engineStartSeconds + weights / gibPerSecond.load + (fromHub ? weights / gibPerSecond.hub : 0);

/** Whether downloading `weights` GiB from the Hub and loading them exceeds the longest startup timeout. */
export const isTooSlowFromHub = (weights: number) => secondsToStart(weights, true) > maxTimeout;

/** Timeouts in seconds: `startup` from container start to healthy ping, `download` for the weights from S3. */
export function timeoutsFor(weights: number | undefined, fromHub: boolean): { startup: number; download: number } {
  if (weights === undefined) return { startup: 1800, download: 1800 };
  return {
    startup: wholeMinutes(secondsToStart(weights, fromHub), 600),
    download: wholeMinutes(300 + weights / gibPerSecond.s3, 1200),
  };
}
