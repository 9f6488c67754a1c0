// Base images, platforms, and the hosts that images run on.
import type { FrameworkEntry } from './frameworks.js';
import { hasGpu, type Instance } from './instances.js';
import type { Engine } from './servers.js';
import type { Target, TargetEntry } from './targets.js';
import type { Release } from './versions.js';

/** The base of every image, for GPUs too: the requirements sets include CUDA, except for the driver. */
const baseOf = (python: string) => `public.ecr.aws/docker/library/python:${python}-slim`;

/** Host AMIs by the newest major CUDA version that their driver supports. Source: SageMaker's InferenceAmiVersion. */
const hosts: Readonly<Record<number, string>> = {
  13: 'al2023-ami-sagemaker-inference-gpu-4-1',
  12: 'al2-ami-sagemaker-inference-gpu-3-1',
};
const newestCuda = 13;
/** Batch transform uses different host AMIs. Source: SageMaker's TransformResources.TransformAmiVersion. */
const batch = { host: 'al2-ami-sagemaker-batch-gpu-535', cuda: 12 };

/** The last major CUDA version that supports a GPU, if not the newest. Source: the release notes of CUDA 12 and 13. */
const lastCuda: Readonly<Record<string, number>> = { K80: 11, V100: 12 };
const cudaOf = ({ gpu }: Instance) => lastCuda[gpu?.name ?? ''] ?? newestCuda;

export interface Image {
  readonly base: string;
  readonly platform: 'linux/amd64' | 'linux/arm64';
  /** Whether predictions run on a GPU of the instance. */
  readonly gpu: boolean;
  /** Empty if SageMaker chooses. */
  readonly amiVersion: string;
  /** Host AMIs for other types than the project's: with current GPUs, with a V100, and for batch transform. */
  readonly hosts: { readonly newest: string; readonly v100: string; readonly batch: string };
}

export function imageFor(
  instance: Instance,
  { gpu }: FrameworkEntry,
  { serverless }: TargetEntry,
  python: string,
  engine?: Engine,
): Image {
  const onGpu = gpu !== undefined && hasGpu(instance);
  return {
    base: engine?.image ?? baseOf(python),
    platform: instance.arch === 'arm64' && !serverless ? 'linux/arm64' : 'linux/amd64',
    gpu: onGpu,
    amiVersion: (onGpu && hosts[cudaOf(instance)]) || '',
    hosts: { newest: hosts[newestCuda] ?? '', v100: hosts[12] ?? '', batch: batch.host },
  };
}

/** Why a framework's GPU build does not run on an instance; undefined if it does, or if no GPU is involved. */
export function misfit(
  instance: Instance,
  { label, gpu }: FrameworkEntry,
  { cuda: own }: Partial<Release>,
  target?: Target,
  engine?: Engine,
): string | undefined {
  const cuda = engine?.cuda ?? own ?? gpu?.cuda;
  if (!cuda || !hasGpu(instance)) return undefined;
  if (target === 'batch' && cuda > batch.cuda)
    return `${label} needs CUDA ${cuda}, but batch transform's GPU hosts support CUDA versions up to ${batch.cuda} only`;
  const last = cudaOf(instance);
  if (cuda > last)
    return `${label} needs CUDA ${cuda}, but the ${instance.gpu?.name} of ${instance.type} supports CUDA versions up to ${last} only`;
  return instance.arch === 'arm64'
    ? `${label} has GPU builds for x86_64 only, and ${instance.type} is arm64`
    : undefined;
}
