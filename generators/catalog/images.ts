// What an image is built from, and what it is run on.
import type { FrameworkEntry } from './frameworks.js';
import { hasGpu, type Instance } from './instances.js';

/** What every image is built from. For a GPU, too: the requirement sets bring CUDA, all but the driver. */
const base = 'public.ecr.aws/docker/library/python:3.13-slim';

/** The host with the newest driver, for CUDA up to 13. Source: ProductionVariant.InferenceAmiVersion, SageMaker's API. */
const gpuHost = { cuda: 13, amiVersion: 'al2023-ami-sagemaker-inference-gpu-4-1' };

/** The last CUDA that knows a GPU, where that is not gpuHost's. Source: the release notes of CUDA 12 and 13. */
const lastCuda: Readonly<Record<string, number>> = { K80: 11, V100: 12 };

export interface Image {
  readonly base: string;
  readonly platform: 'linux/amd64' | 'linux/arm64';
  /** Whether predictions can run on a GPU of the instance. */
  readonly gpu: boolean;
  /** Empty where SageMaker chooses. */
  readonly amiVersion: string;
}

export function imageFor(instance: Instance, { gpu }: FrameworkEntry): Image {
  const onGpu = gpu !== undefined && hasGpu(instance);
  return {
    base,
    platform: instance.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64',
    gpu: onGpu,
    amiVersion: onGpu ? gpuHost.amiVersion : '',
  };
}

/** Why a framework's build for GPUs does not run on an instance; nothing where it does, or has no GPU to run on. */
export function misfit(instance: Instance, { label, gpu }: FrameworkEntry): string | undefined {
  if (!gpu?.cuda || !hasGpu(instance)) return undefined;
  const name = instance.gpu?.name ?? '';
  const last = lastCuda[name] ?? gpuHost.cuda;
  if (gpu.cuda > last)
    return `${label} needs CUDA ${gpu.cuda}, and the ${name} of ${instance.type} ends with CUDA ${last}`;
  return instance.arch === 'arm64' ? `${label} for GPUs is built for x86_64, and ${instance.type} is arm64` : undefined;
}
