// Turns the instance answers into an instance type with its architecture and GPUs.
import { closest, distance } from 'fastest-levenshtein';
import { instanceTypes } from './instances.data.js';

export type Architecture = 'x86_64' | 'arm64';

/** One SageMaker instance type. `gpu.memoryGiB` is per GPU. */
export interface InstanceType {
  type: string;
  vcpu: number;
  memoryGiB: number;
  arch: Architecture;
  gpu?: { name: string; count: number; memoryGiB: number };
  neuron?: { name: string; count: number };
  transform: boolean;
  training: boolean;
}

/** An instance type: complete if it is in the catalogue, otherwise just its name and architecture. */
export type Instance = Pick<InstanceType, 'type' | 'arch'> & Partial<InstanceType>;

/** Types that exist, but do not host endpoints. Source: botocore 1.43, ProductionVariantInstanceType. */
const notForEndpoints = new Set(
  [
    ...['xlarge', '2xlarge', '4xlarge', '9xlarge', '18xlarge'].map((size) => `c5n.${size}`),
    ...['medium', 'large', 'xlarge', '2xlarge'].map((size) => `t3.${size}`),
    ...['r5.8xlarge', 'r5.16xlarge', 'r5d.8xlarge', 'r5d.16xlarge', 'p3dn.24xlarge'],
  ].map((name) => `ml.${name}`),
);

const byType = new Map(instanceTypes.map((each) => [each.type, each]));

/** The generic choices. Batch transform does not support Graviton: see `typeFor`. */
const generic = {
  'cpu-optimized': () => 'ml.m6g.large',
  'gpu-enabled': (framework: string | undefined) => (framework === 'transformers' ? 'ml.g6.12xlarge' : 'ml.g5.xlarge'),
};

/** The instance type that a generic choice stands for. */
export function typeFor(choice: 'cpu-optimized' | 'gpu-enabled', target?: string, framework?: string): string {
  if (choice === 'cpu-optimized' && target === 'batch') return 'ml.m5.large';
  return generic[choice](framework);
}

/** The type for training jobs: the project's own if it supports training and fits `onGpu`. */
export function trainingTypeFor(instance: Instance, onGpu: boolean): string {
  if (instance.training && !instance.neuron && hasGpu(instance) === onGpu) return instance.type;
  return onGpu ? 'ml.g5.xlarge' : 'ml.m5.large';
}

/** An instance from the catalogue. For any other type, the architecture follows from the name: m9g is Graviton. */
export function instanceOf(type: string): Instance {
  const family = type.split('.')[1] ?? '';
  return byType.get(type) ?? { type, arch: /^[a-z]+\d+g|-gb\d/.test(family) ? 'arm64' : 'x86_64' };
}

/** The answers that determine the instance. */
export interface InstanceChoice {
  instanceType?: string | undefined;
  customInstanceType?: string | undefined;
  deployTarget?: string | undefined;
  framework?: string | undefined;
}

/** The instance that the answers stand for; undefined if they do not determine one yet. */
export function instanceFor(choice: InstanceChoice): Instance | undefined {
  const { instanceType, customInstanceType, deployTarget, framework } = choice;
  if (instanceType === 'cpu-optimized' || instanceType === 'gpu-enabled')
    return instanceOf(typeFor(instanceType, deployTarget, framework));
  return customInstanceType === undefined ? undefined : instanceOf(customInstanceType);
}

/** "4 GPUs with 24 GiB each", "2 vCPU, 8 GiB, arm64 (Graviton)"; of a type that is not in the catalogue only the architecture. */
export function specOf({ vcpu, memoryGiB, arch, gpu, neuron }: Instance): string {
  if (gpu)
    return `${gpu.count} GPU${gpu.count === 1 ? '' : 's'} with ${gpu.memoryGiB} GiB${gpu.count === 1 ? '' : ' each'}`;
  const architecture = arch === 'arm64' ? 'arm64 (Graviton)' : arch;
  if (vcpu === undefined) return architecture;
  return `${vcpu} vCPU, ${memoryGiB} GiB, ${neuron ? `${neuron.count} ${neuron.name}` : architecture}`;
}

/** A warning for a well-formed type that might not work; undefined if the catalogue has it. */
export function doubtAbout(type: string): string | undefined {
  if (byType.has(type)) return undefined;
  if (notForEndpoints.has(type))
    return `SageMaker does not host endpoints on ${type}; a similar type that it supports is ${nearestTo(type)}`;
  const { arch } = instanceOf(type);
  return `${type} is not a known instance type; the project uses it anyway, as an ${arch} type. Did you mean ${nearestTo(type)}?`;
}

/** The most similar type in the catalogue: by family first (c5n is closest to c5), then by size. */
function nearestTo(type: string): string {
  const [, family = '', size = ''] = type.split('.');
  const families = [...new Set(instanceTypes.map((each) => each.type.split('.')[1] ?? ''))];
  const alike = families.filter((each) => each[0] === family[0]); // so that t3 does not become p3
  const near = closest(family, alike.length ? alike : families);
  const rank = (each: InstanceType) => {
    const known = each.type.split('.')[2] ?? '';
    return Math.abs(Math.log2(sizeOf(known) / sizeOf(size))) + distance(known, size) / 100;
  };
  const candidates = instanceTypes.filter((each) => each.type.split('.')[1] === near);
  return candidates.reduce((best, each) => (rank(each) < rank(best) ? each : best)).type;
}

/** A size as a multiple of xlarge: medium 0.25, large 0.5, 12xlarge 12. */
function sizeOf(size: string): number {
  const small: Record<string, number> = { nano: 0.03, micro: 0.06, small: 0.12, medium: 0.25, large: 0.5, xlarge: 1 };
  return small[size] ?? (Number.parseInt(size, 10) || 1);
}

/** Whether a type has an NVIDIA GPU. For a type outside the catalogue, the family's letter decides. */
export const hasGpu = ({ type, vcpu, gpu }: Instance) => (vcpu === undefined ? /^ml\.[gp]\d/.test(type) : Boolean(gpu));
