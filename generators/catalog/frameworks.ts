// The frameworks: one entry each. What a framework needs beside it: a handler, requirements and a sample in templates/.
import type { Server } from './servers.js';

/** How a model is stored. */
export interface Format {
  name: string;
  /** The file in model/, where that is not model.NAME. */
  file?: string;
  /** The model is a folder's contents, of which `file` is one. */
  folder?: true;
  /** Loading it runs code that the file holds: in what way, and which other format does not. */
  pickle?: { what: string; instead: string; why: string };
  /** Packages that only this format needs. */
  packages?: readonly string[];
  /** The handler in templates/frameworks/FRAMEWORK/code/, where it is not model_handler.py. */
  handler?: string;
}

export interface FrameworkEntry {
  label: string;
  formats: readonly Format[];
  servers: readonly Server[];
  /** The packages of the model's library, as requirements.in names them; {} is the release's version. */
  library: readonly string[];
  /** Whether predictions can run on a GPU: `cuda` is what the sets for GPUs bring, and `library` what they ask for. */
  gpu?: { cuda?: number; library?: readonly string[] };
  /** Modules of code/serving that the handler needs beyond those of every project. */
  modules?: readonly string[];
  /** A package whose builds on PyPI are for GPUs only; requirements.in names the index of those for CPUs. */
  cpuBuild?: { package: string; index: string };
  /** What its library needs of the system and the base image does not have: Debian's name of it, and Homebrew's. */
  systemPackage?: { debian: string; homebrew: string };
  /** The model is a folder's contents, in whatever format. */
  folder?: true;
  /** What a request looks like, where it is not numbers. */
  example?: string;
  /** Packages that serving a model takes, and making it does not. */
  serving?: readonly string[];
  /** Packages that making a model takes, and serving it does not. */
  makingPackages?: readonly string[];
  /** Modules that loading a model imports: the build compiles what they need of Python's own. */
  imports?: readonly string[];
  /** Its tools/describe_library.py, where describe_model.py has to know more than predict(). */
  describes?: true;
  /** tools/convert.py converts its models to ONNX. */
  converts?: true;
  /** What some models need beyond the library, and the sets have, too. */
  optional?: readonly string[];
}

const web: readonly Server[] = ['fastapi', 'flask'];

const torchForCpus = { package: 'torch', index: 'https://download.pytorch.org/whl/cpu' };

const onLinux = "sys_platform == 'linux'";
const notOnLinux = "sys_platform != 'linux'";
const onX86 = "platform_machine == 'x86_64'";
const notOnX86 = "platform_machine != 'x86_64'";

const pickle = { what: 'is a pickle', instead: 'skops', why: 'loads nothing that is not on an explicit list' };
const pickles = {
  what: 'holds pickles',
  instead: 'torchscript',
  why: 'is run by an interpreter of its own, not by Python',
};

export const frameworks = {
  sklearn: {
    label: 'scikit-learn',
    formats: [
      { name: 'joblib', pickle },
      { name: 'pkl', pickle },
      { name: 'skops', packages: ['skops'], handler: 'model_handler.skops.py' },
    ],
    servers: web,
    library: ['scikit-learn=={}', 'joblib', 'numpy', 'scipy'],
    serving: ['treelite'],
    modules: ['estimators', 'categories', 'accelerate', 'accelerate_linear', 'accelerate_method', 'accelerate_trees'],
    imports: ['sklearn.ensemble'],
    converts: true,
    optional: ['pandas'],
  },
  xgboost: {
    label: 'XGBoost',
    formats: [{ name: 'json' }, { name: 'ubj' }],
    describes: true,
    converts: true,
    servers: web,
    library: [`xgboost-cpu=={} ; ${onLinux}`, `xgboost=={} ; ${notOnLinux}`, 'numpy', 'scipy'],
    gpu: { cuda: 12, library: ['xgboost=={}', 'numpy', 'scipy'] },
    modules: ['libsvm', 'categories', 'gpu'],
  },
  lightgbm: {
    label: 'LightGBM',
    formats: [{ name: 'txt' }],
    describes: true,
    converts: true,
    servers: web,
    library: ['lightgbm=={}', 'numpy', 'scipy'],
    modules: ['libsvm', 'categories'],
    systemPackage: { debian: 'libgomp1', homebrew: 'libomp' },
  },
  catboost: {
    label: 'CatBoost',
    formats: [{ name: 'cbm' }],
    describes: true,
    converts: true,
    servers: web,
    library: ['catboost=={}', 'numpy'],
  },
  tensorflow: {
    label: 'TensorFlow',
    formats: [
      { name: 'keras' },
      { name: 'h5' },
      { name: 'SavedModel', file: 'saved_model.pb', folder: true, handler: 'model_handler.SavedModel.py' },
    ],
    describes: true,
    servers: web,
    library: [`tensorflow-cpu=={} ; ${onX86}`, `tensorflow=={} ; ${notOnX86}`, 'keras', 'numpy'],
    gpu: { cuda: 12, library: ['tensorflow[and-cuda]=={}', 'keras', 'numpy'] },
    modules: ['tensors', 'gpu'],
  },
  pytorch: {
    label: 'PyTorch',
    formats: [
      { name: 'torchscript', file: 'model.pt' },
      { name: 'pt2', pickle: pickles, handler: 'model_handler.pt2.py' },
    ],
    describes: true,
    servers: web,
    library: ['torch=={}', 'numpy'],
    gpu: { cuda: 13 },
    modules: ['tensors', 'gpu'],
    cpuBuild: torchForCpus,
  },
  onnx: {
    label: 'ONNX',
    formats: [{ name: 'onnx' }],
    describes: true,
    servers: web,
    library: ['onnxruntime=={}', 'numpy'],
    gpu: { cuda: 13, library: ['onnxruntime-gpu[cuda,cudnn]=={}', 'numpy'] },
    modules: ['tensors', 'gpu'],
    makingPackages: ['onnx'],
  },
  transformers: {
    label: 'Transformers',
    formats: [],
    servers: ['vllm', 'sglang', 'fastapi'],
    library: ['transformers=={}', 'torch', 'numpy'],
    gpu: { cuda: 13 },
    modules: ['pretrained', 'texts', 'gpu'],
    cpuBuild: torchForCpus,
    folder: true,
    example: '{"inputs": ["a text", "another"]}',
  },
  custom: { label: 'your own code', formats: [], servers: web, library: ['numpy'], gpu: {} },
} as const satisfies Record<string, FrameworkEntry>;

export type Framework = keyof typeof frameworks;
export const frameworkNames = Object.keys(frameworks) as [Framework, ...Framework[]];

export const entryOf = (framework: Framework): FrameworkEntry => frameworks[framework];

/** What runs the model: its own library, or onnxruntime. */
export const runtimes = ['native', 'onnx'] as const;
export type Runtime = (typeof runtimes)[number];

/** The framework whose packages the image has. */
export const servedAs = (framework: Framework, runtime: Runtime | undefined): Framework =>
  runtime === 'onnx' ? 'onnx' : framework;

/** What the catalogue says of a framework's models in a runtime. */
export function entryIn(framework: Framework, runtime: Runtime | undefined): FrameworkEntry {
  const entry = entryOf(framework);
  if (runtime !== 'onnx') return entry;
  const { label, formats, describes, library } = entry;
  const { servers, library: own } = frameworks.onnx;
  const made = { label: `${label}, converted to ONNX`, formats, ...(describes && { describes }) };
  return { ...made, servers, library: own, makingPackages: ['onnx', ...library] };
}
export const formatsOf = (framework: Framework): readonly Format[] => entryOf(framework).formats;

/** Every format there is, each once. */
export const formatNames = frameworkNames.flatMap((name) => formatsOf(name).map((format) => format.name)) as [
  string,
  ...string[],
];
