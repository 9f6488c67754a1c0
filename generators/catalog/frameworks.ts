// The frameworks: one entry each. What a framework needs beside it: a handler, requirements and a sample in templates/.
import type { Architecture } from './instances.js';

/** How a model is stored: `pickle` formats can run code when they are loaded. */
export interface Format {
  name: string;
  pickle?: true;
  /** Requirement sets that only this format needs. */
  requirements?: readonly string[];
  /** The handler in templates/frameworks/FRAMEWORK/code/, where it is not model_handler.py. */
  handler?: string;
}

export interface FrameworkEntry {
  label: string;
  formats: readonly Format[];
  servers: readonly Server[];
  /** Whether predictions can run on a GPU. */
  gpu: boolean;
}

export const servers = ['fastapi', 'flask', 'vllm', 'sglang', 'mms'] as const;
export type Server = (typeof servers)[number];

const web: readonly Server[] = ['fastapi', 'flask'];

export const frameworks = {
  sklearn: {
    label: 'scikit-learn',
    formats: [
      { name: 'joblib', pickle: true },
      { name: 'pkl', pickle: true },
      { name: 'skops', requirements: ['skops'], handler: 'model_handler.skops.py' },
    ],
    servers: web,
    gpu: false,
  },
  xgboost: { label: 'XGBoost', formats: [{ name: 'json' }, { name: 'ubj' }], servers: web, gpu: true },
  lightgbm: { label: 'LightGBM', formats: [{ name: 'txt' }], servers: web, gpu: false },
  tensorflow: {
    label: 'TensorFlow',
    formats: [{ name: 'keras' }, { name: 'h5' }, { name: 'SavedModel' }],
    servers: web,
    gpu: true,
  },
  pytorch: { label: 'PyTorch', formats: [{ name: 'torchscript' }, { name: 'pt2' }], servers: web, gpu: true },
  onnx: { label: 'ONNX', formats: [{ name: 'onnx' }], servers: web, gpu: true },
  transformers: { label: 'Transformers', formats: [], servers: ['vllm', 'sglang', 'fastapi'], gpu: true },
  custom: { label: 'your own code', formats: [], servers: web, gpu: true },
} as const satisfies Record<string, FrameworkEntry>;

export type Framework = keyof typeof frameworks;
export const frameworkNames = Object.keys(frameworks) as [Framework, ...Framework[]];

/** Every format there is, each once. */
export const formatNames = frameworkNames.flatMap((name) => formatsOf(name).map((format) => format.name)) as [
  string,
  ...string[],
];

export function formatsOf(framework: Framework): readonly Format[] {
  return frameworks[framework].formats;
}

/** Servers that need a GPU of the instance. */
export const gpuServers: ReadonlySet<string> = new Set<Server>(['vllm', 'sglang']);

/** What an image is built from, and for. */
export function imageFor(arch: Architecture): { base: string; platform: 'linux/amd64' | 'linux/arm64' } {
  return {
    base: 'public.ecr.aws/docker/library/python:3.13-slim',
    platform: arch === 'arm64' ? 'linux/arm64' : 'linux/amd64',
  };
}
