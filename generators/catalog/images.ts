// What an image is built from, and what it is run on.
import type { FrameworkEntry } from './frameworks.js';
import { hasGpu, type Instance } from './instances.js';
import type { Engine } from './servers.js';
import type { Target, TargetEntry } from './targets.js';
import type { Release } from './versions.js';

/** What every image is built from. For a GPU, too: the requirement sets bring CUDA, all but the driver. */
const baseOf = (python: string) => `public.ecr.aws/docker/library/python:${python}-slim`;

/** Hosts by the newest CUDA that their driver is for. Source: ProductionVariant.InferenceAmiVersion, SageMaker's API. */
const hosts: Readonly<Record<number, string>> = {
  13: 'al2023-ami-sagemaker-inference-gpu-4-1',
  12: 'al2-ami-sagemaker-inference-gpu-3-1',
};
const newestCuda = 13;
/** Batch transform has hosts of its own. Source: TransformResources.TransformAmiVersion, SageMaker's API. */
const batch = { host: 'al2-ami-sagemaker-batch-gpu-535', cuda: 12 };

/** The last CUDA that knows a GPU, where that is not the newest. Source: the release notes of CUDA 12 and 13. */
const lastCuda: Readonly<Record<string, number>> = { K80: 11, V100: 12 };
const cudaOf = ({ gpu }: Instance) => lastCuda[gpu?.name ?? ''] ?? newestCuda;

export interface Image {
  readonly base: string;
  readonly platform: 'linux/amd64' | 'linux/arm64';
  /** Whether predictions can run on a GPU of the instance. */
  readonly gpu: boolean;
  /** Empty where SageMaker chooses. */
  readonly amiVersion: string;
  /** Those for other types than the project's: with a GPU of today, with a V100, and for batch transform. */
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

/** Why a framework's build for GPUs does not run on an instance; nothing where it does, or has no GPU to run on. */
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
    return `${label} needs CUDA ${cuda}, and the GPU hosts of batch transform end with CUDA ${batch.cuda}`;
  const last = cudaOf(instance);
  if (cuda > last)
    return `${label} needs CUDA ${cuda}, and the ${instance.gpu?.name} of ${instance.type} ends with CUDA ${last}`;
  return instance.arch === 'arm64' ? `${label} for GPUs is built for x86_64, and ${instance.type} is arm64` : undefined;
}
