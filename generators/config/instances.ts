// The instance types that the prompt offers, and their descriptions.
import { entryIn } from '../catalog/frameworks.js';
import { instanceFor, instanceOf, specOf, typeFor } from '../catalog/instances.js';
import { cpuTypeFor, memoryOf, smallestFor } from '../catalog/models.js';
import { gpuServers } from '../catalog/servers.js';
import type { Known, Machine } from './parameters.js';

/** The x86_64 type closest to cpu-optimized. */
const X86_TYPE = 'ml.m5.large';

/** cpu-optimized, gpu-enabled, types that suit the model or this machine better, and custom. */
export function instanceOffers(known: Known, machine: Machine = {}): readonly string[] {
  const suited = [...smallestTypesFor(known), x86TypeFor(known, machine)].filter((type) => type !== undefined);
  return ['cpu-optimized', 'gpu-enabled', ...new Set(suited), 'custom'];
}

/**
 * The smallest types that can hold a language model of known size, with and without a GPU, unless a generic choice
 * means them.
 */
function smallestTypesFor(known: Known): string[] {
  const { framework, modelServer, deployTarget } = known;
  if (framework !== 'transformers' || !memoryOf(known)) return [];
  const onCpu = gpuServers.has(modelServer ?? '') ? undefined : cpuTypeFor(known, deployTarget)?.type;
  const generic = (['cpu-optimized', 'gpu-enabled'] as const).map((each) => typeFor(each, deployTarget, framework));
  return [onCpu, gpuTypeFor(known)].filter((type) => type !== undefined && !generic.includes(type)) as string[];
}

/** The smallest type with GPUs that can hold a language model of known size. Without an engine, it uses only one GPU. */
export function gpuTypeFor(known: Known): string | undefined {
  const memory = memoryOf(known);
  const { framework, modelServer, deployTarget } = known;
  if (framework !== 'transformers' || !memory || deployTarget === 'batch' || deployTarget === 'serverless')
    return undefined;
  const { type, gpu } = smallestFor(memory.gib, known.modelName) ?? {};
  return gpuServers.has(modelServer ?? '') || gpu?.count === 1 ? type : undefined;
}

/** An x86_64 type, if this machine cannot build for the architecture of cpu-optimized. */
export function x86TypeFor({ deployTarget, modelServer }: Known, { unbuildable = [] }: Machine): string | undefined {
  const { arch } = instanceOf(typeFor('cpu-optimized', deployTarget));
  const isOnCpu = deployTarget !== 'serverless' && !gpuServers.has(modelServer ?? '');
  return isOnCpu && unbuildable.includes(arch) ? X86_TYPE : undefined;
}

/** Why an x86_64 type is offered. */
export function instanceNote(known: Known, machine: Machine): string | undefined {
  const type = x86TypeFor(known, machine);
  return type && `Docker on this machine cannot build images for arm64 (Graviton). ${type} is x86_64.`;
}

/** "ml.g5.xlarge: 1 GPU with 24 GiB". */
export function describeInstance(choice: string, known: Known): string {
  if (choice === 'custom') return 'any other instance type';
  const isType = choice.startsWith('ml.');
  const instance = instanceFor({
    instanceType: isType ? 'custom' : choice,
    customInstanceType: isType ? choice : undefined,
    deployTarget: known.deployTarget,
    framework: known.framework,
  });
  if (!instance) return '';
  const kind = instance.gpu && !gpuServers.has(known.modelServer ?? '') ? ' with a GPU' : '';
  const note = smallestTypesFor(known).includes(choice) ? `, the smallest${kind} that can hold the model` : '';
  const { framework, runtime } = known;
  const entry = framework && entryIn(framework, runtime);
  const unused = entry && !entry.gpu && instance.gpu ? `; ${entry.label} does not use the GPU` : '';
  return `${isType ? '' : `${instance.type}: `}${specOf(instance)}${note}${unused}`;
}
