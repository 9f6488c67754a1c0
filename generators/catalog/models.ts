// What the name of a language model tells of its size, and what of it an instance can hold. Estimates, said as such.
import { frameworks } from './frameworks.js';
import { misfit } from './images.js';
import { instanceTypes } from './instances.data.js';
import type { Instance, InstanceType } from './instances.js';

/** Parameters in billions; bits of each as it is stored. */
export interface ModelSize {
  parameters: number;
  bits: number;
}

const gib = 2 ** 30;

/** How the weights are stored, where the name says so: by the first of these. */
const quantisations: readonly [RegExp, number][] = [
  [/(?:^|[-_.])(?:(?:int|fp)8|w8a(?:8|16)|8-?bit)(?:$|[-_.])/, 8],
  [/(?:^|[-_.])(?:awq|gptq|autoround|w4a16|(?:int|nf|mxfp|nvfp|fp)4|(?:bnb-)?4-?bit)(?:$|[-_.])/, 4],
  [/(?:^|[-_.])(?:bf16|fp16)(?:$|[-_.])/, 16],
  [/^gpt-oss/, 4],
];
/** Models whose names do not say how large they are. Source: their cards on the Hugging Face Hub. */
const unnamed: readonly [RegExp, ModelSize][] = [
  [/^deepseek-(?:v3|r1)/, { parameters: 685, bits: 8 }],
  [/^llama-4-scout/, { parameters: 109, bits: 16 }],
  [/^llama-4-maverick/, { parameters: 400, bits: 16 }],
];
/** Experts share what is not theirs: Mixtral-8x7B has 46.7 billion, 8x22B 141. */
const ofExperts = 0.84;
/** Scales, and layers that stay in 16 bits, by the bits of all others. */
const overhead: Readonly<Record<number, number>> = { 4: 1.15, 8: 1.05, 16: 1 };

const lastPart = (modelName: string) => modelName.replace(/\/+$/, '').split('/').at(-1)?.toLowerCase() ?? '';
const quantisationOf = (name: string) => quantisations.find(([pattern]) => pattern.test(name))?.[1];

/** What the last part of a Hugging Face id or of an S3 prefix says; nothing where it says no size. */
export function sizeOf(modelName: string): ModelSize | undefined {
  const name = lastPart(modelName);
  const parameters = billions(name);
  const size = parameters ? { parameters, bits: 16 } : unnamed.find(([pattern]) => pattern.test(name))?.[1];
  return size && { ...size, bits: quantisationOf(name) ?? size.bits };
}

/** 8x7b, 30b beside a3b (those that are active), 0.5b, 135m; nothing of 17b-16e, which tells only those that are active. */
function billions(name: string): number | undefined {
  if (/\d+b-\d+e(?:$|[-_.])/.test(name)) return undefined;
  const experts = /(?:^|[-_.])(\d+)x(\d+(?:\.\d+)?)b(?:$|[-_.])/.exec(name);
  if (experts) return Number(experts[1]) * Number(experts[2]) * ofExperts;
  const found = [...name.matchAll(/(?:^|[-_])(\d+(?:\.\d+)?)(b|m)(?=$|[-_.])/g)];
  const sizes = found.map(([, number, unit]) => Number(number) / (unit === 'm' ? 1000 : 1));
  return sizes.length ? Math.max(...sizes) : undefined;
}

/** GiB that the weights take. */
export const weightsOf = ({ parameters, bits }: ModelSize) =>
  ((parameters * 1e9 * bits) / 8 / gib) * (overhead[bits] ?? 1);

/** Of the GPUs' memory an engine takes so much. Source: vLLM's gpu-memory-utilization; SGLang's is near it. */
const share = 0.9;
/** GiB of each GPU for what an engine computes with: activations, CUDA graphs, buffers between the GPUs. */
const perGpu = 1.5;
/** The least room for the KV cache, as a part of the weights: some ten thousand tokens. */
const cache = 0.1;

/** GiB of the weights of a language model, and how that is known; nothing where it is not. */
export function memoryOf({ modelName = '', modelMemory }: SizedModel): { gib: number; why: string } | undefined {
  if (modelMemory !== undefined) return { gib: modelMemory, why: 'as given' };
  const size = sizeOf(modelName);
  if (!size) return undefined;
  const parameters = Number(size.parameters.toPrecision(3));
  return { gib: weightsOf(size), why: `from its name: ${parameters} billion parameters of ${size.bits} bits` };
}

/** GiB of weights that an instance's GPUs hold at most, with room for the KV cache; nothing where that is not known. */
export function roomOf({ gpu }: Instance): number | undefined {
  return gpu && (gpu.count * (gpu.memoryGiB * share - perGpu)) / (1 + cache);
}

/** MXFP4 is computed with in bfloat16, which a T4 does not know. Source: vLLM's quantization/mxfp4.py. */
export function isWithoutBfloat16({ gpu }: Instance, modelName: string): boolean {
  const name = lastPart(modelName);
  return gpu?.name === 't4' && /^gpt-oss|mxfp4/.test(name) && quantisationOf(name) === 4;
}

/** Whether an instance runs a model of so many GiB of weights. */
export const holds = (instance: Instance, weights: number, modelName = '') =>
  (roomOf(instance) ?? 0) >= weights && !isWithoutBfloat16(instance, modelName);

/**
 * The smallest type that holds so many GiB of weights: of the G families before P, which cost more, then by its GPUs, their
 * memory and its CPUs.
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

/** GiB that Python and its libraries take next to the weights. */
const runtimeGiB = 1;
/** Memory of a serverless endpoint, in MB, smallest first. Source: SageMaker's API, ProductionVariantServerlessConfig. */
export const serverlessSizes = [1024, 2048, 3072, 4096, 5120, 6144] as const;

/** What says how large a language model is. */
export interface SizedModel {
  modelName?: string | undefined;
  modelMemory?: number | undefined;
}

/** GiB that a language model takes without an engine on a CPU, where it computes in 32 bits; nothing where that is not known. */
export function cpuMemoryOf({ modelName = '', modelMemory }: SizedModel): number | undefined {
  const size = sizeOf(modelName);
  const weights = modelMemory ?? (size && weightsOf({ ...size, bits: 32 }));
  return weights && weights + runtimeGiB;
}

/** GiB that one GPU has for a model without an engine, which uses one only. */
export const oneGpuGiB = ({ gpu }: Instance) => gpu && gpu.memoryGiB * share - runtimeGiB;

/** The smallest type without an accelerator that holds a language model; for batch transform, of those that it takes. */
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

/** The smallest memory of a serverless endpoint, in MB, that holds a language model; nothing where none does. */
export const serverlessMemoryFor = (model: SizedModel) =>
  serverlessSizes.find((size) => size / 1024 >= (cpuMemoryOf(model) ?? 0));

/** The longest that SageMaker lets a container start, or fetches a model for it. */
const most = 3600;
const minutes = (seconds: number, least: number) => Math.min(most, Math.max(least, Math.ceil(seconds / 60) * 60));
/** GiB a second: of a download from S3, from the Hub, and of reading into the GPUs. Ours, and on the slow side. */
const speed = { s3: 0.2, hub: 0.1, load: 0.2 };
/** Seconds that an engine takes beside reading the weights: imports, compilation, CUDA graphs. */
const start = 420;

const secondsToStart = (weights: number, fromHub: boolean) =>
  start + weights / speed.load + (fromHub ? weights / speed.hub : 0);

/** Whether so many GiB cannot be fetched from the Hub and loaded in the time that a container has. */
export const isTooSlowFromHub = (weights: number) => secondsToStart(weights, true) > most;

/** Seconds that a container may take from its start to the first good ping, and before that to fetch the weights from S3. */
export function secondsFor(weights: number | undefined, fromHub: boolean): { startup: number; download: number } {
  if (weights === undefined) return { startup: 1800, download: 1800 };
  return {
    startup: minutes(secondsToStart(weights, fromHub), 600),
    download: minutes(300 + weights / speed.s3, 1200),
  };
}
