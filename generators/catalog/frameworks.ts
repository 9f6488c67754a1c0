// The frameworks: one entry each. A framework also needs a handler, requirements and a sample in templates/.
import type { Server } from './servers.js';

/** How a model is stored. */
export interface Format {
  name: string;
  /** The file in model/, if not model.NAME. */
  file?: string;
  /** The model is a folder that contains `file`. */
  folder?: true;
  /** Loading it can run code in the file: how, which format to use instead and why, and how to save a model in it. */
  pickle?: { what: string; instead: string; why: string; save: string };
  /** Additional packages for this format. */
  packages?: readonly string[];
  /** The handler in templates/frameworks/FRAMEWORK/code/, if not model_handler.py. */
  handler?: string;
}

export interface FrameworkEntry {
  label: string;
  formats: readonly Format[];
  servers: readonly Server[];
  /** The lines in requirements.in for the model's library; {} stands for the version. */
  library: readonly string[];
  /** Set if predictions can run on a GPU: major CUDA version of the GPU requirements sets, and their `library`. */
  gpu?: { cuda?: number; library?: readonly string[] };
  /** Modules of code/serving that the handler needs in addition to those in every project. */
  modules?: readonly string[];
  /** A package that PyPI has only as a GPU build, and the index with its CPU builds, named in requirements.in. */
  cpuBuild?: { package: string; index: string };
  /** A system package that its library needs and the base image lacks. */
  systemPackage?: { debian: string; homebrew: string };
  /** The model is a folder, whatever its format. */
  folder?: true;
  /** An example request, if the input is not numbers. */
  example?: string;
  /** Packages for serving a model, but not for training it. */
  serving?: readonly string[];
  /** Packages for training or exporting a model, but not for serving it. */
  trainingPackages?: readonly string[];
  /** Modules that loading a model imports: the image build precompiles the standard library modules that they need. */
  imports?: readonly string[];
  /** Its train.py fits in one step: it saves no checkpoints, and a job that is stopped leaves no model. */
  trainsInOneStep?: true;
  /** It has a tools/describe_library.py, because describe_model.py needs more than predict(). */
  describes?: true;
  /** tools/convert.py can convert its models to ONNX. */
  converts?: true;
  /** Packages that only some models need; the requirements sets include them. */
  optional?: readonly string[];
}

const web: readonly Server[] = ['fastapi', 'flask'];

const torchForCpus = { package: 'torch', index: 'https://download.pytorch.org/whl/cpu' };

const onLinux = "sys_platform == 'linux'";
const notOnLinux = "sys_platform != 'linux'";
const onX86 = "platform_machine == 'x86_64'";
const notOnX86 = "platform_machine != 'x86_64'";

const pickle = {
  what: 'is a pickle',
  instead: 'skops',
  why: 'loads only types on an explicit list',
  save: 'skops.io.dump(model, "model.skops")',
};
const pickles = {
  what: 'contains pickles',
  instead: 'torchscript',
  why: 'is run by its own interpreter, not by Python',
  save: 'torch.jit.script(model).save("model.pt")',
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
    trainsInOneStep: true,
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
    trainingPackages: ['onnx'],
    trainsInOneStep: true,
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
  custom: { label: 'your own code', formats: [], servers: web, library: ['numpy'], gpu: {}, trainsInOneStep: true },
} as const satisfies Record<string, FrameworkEntry>;

export type Framework = keyof typeof frameworks;
export const frameworkNames = Object.keys(frameworks) as [Framework, ...Framework[]];

export const entryOf = (framework: Framework): FrameworkEntry => frameworks[framework];

/** What runs the model: its own library or ONNX Runtime. */
export const runtimes = ['native', 'onnx'] as const;
export type Runtime = (typeof runtimes)[number];

/** The framework whose packages are in the image. */
export const servedAs = (framework: Framework, runtime: Runtime | undefined): Framework =>
  runtime === 'onnx' ? 'onnx' : framework;

/** The entry of a framework whose models run in `runtime`. */
export function entryIn(framework: Framework, runtime: Runtime | undefined): FrameworkEntry {
  const entry = entryOf(framework);
  if (runtime !== 'onnx') return entry;
  const { label, formats, describes, library } = entry;
  const { servers, library: own } = frameworks.onnx;
  const made = { label: `${label}, converted to ONNX`, formats, ...(describes && { describes }) };
  return { ...made, servers, library: own, trainingPackages: ['onnx', ...library] };
}
export const formatsOf = (framework: Framework): readonly Format[] => entryOf(framework).formats;

/** All format names. */
export const formatNames = frameworkNames.flatMap((name) => formatsOf(name).map((format) => format.name)) as [
  string,
  ...string[],
];
