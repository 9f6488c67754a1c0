// The table of parameters. Flags, ML_* names, config keys, prompts, help, docs, the JSON Schema and the types come from
// it. Its order is the order of the questions: each parameter comes after those it depends on.
import { z } from 'zod';
import {
  entryOf,
  type Framework,
  formatNames,
  formatsOf,
  frameworkNames,
  frameworks,
  type Runtime,
  runtimes,
} from '../catalog/frameworks.js';
import type { Architecture } from '../catalog/instances.js';
import { memoryOf, serverlessSizes } from '../catalog/models.js';
import { regions } from '../catalog/regions.js';
import { gpuServers, type Server, serverNames, serverOf, servers } from '../catalog/servers.js';
import { type Target, targetNames, targets } from '../catalog/targets.js';
import { nameOf, pythons, pythonsOf, releasesOf, standardRelease } from '../catalog/versions.js';
import { describeInstance, instanceNote, instanceOffers } from './instances.js';

/** The answers so far that other parameters depend on. */
export interface Known {
  model?: string | undefined;
  framework?: Framework | undefined;
  projectName?: string | undefined;
  frameworkVersion?: string | undefined;
  multiModel?: boolean | undefined;
  modelServer?: Server | undefined;
  runtime?: Runtime | undefined;
  deployTarget?: Target | undefined;
  instanceType?: string | undefined;
  modelName?: string | undefined;
  modelMemory?: number | undefined;
}

/** Limits of the machine that the generator runs on. */
export interface Machine {
  /** Architectures that Docker can neither run nor emulate. */
  unbuildable?: readonly Architecture[];
}

/** One decision of the user. */
export interface Parameter<T> {
  /** One line for help, docs and the prompt. */
  about: string;
  /** The text of the prompt, if it differs. */
  prompt?: string | ((known: Known) => string);
  /** Valid values, whatever the source. */
  schema: z.ZodType<T>;
  /** Describes the valid values, for errors. Required if the schema is not a list of values. */
  rule?: string;
  /** The values that fit the answers so far; undefined if that is not known yet. */
  choices?: (known: Known) => readonly T[] | undefined;
  /** The values that a prompt offers, if there are more valid ones. */
  offers?: (known: Known, machine?: Machine) => readonly T[] | undefined;
  /** When the parameter applies; otherwise it is neither asked nor accepted. `why` completes "only for …". */
  onlyFor?: { why: string; when: (known: Known) => boolean | undefined };
  default?: (known: Known) => T | undefined;
  /** Describes the default, if it depends on other answers. */
  defaultText?: string;
  /** Answers that allow more choices, what those are for, and the flag to set. */
  more?: { with: Known; only: string; flag: string };
  /** A short description of a value, shown next to it in the prompt. */
  labels?: (value: string, known: Known) => string | undefined;
  /** The answer that this one belongs to: if that changes, a stored value is dropped. */
  belongsTo?: keyof Known;
  /** Has no default: a value is needed if the parameter applies. */
  required?: true;
  /** No prompt, always or with these answers: the default is nearly always right. */
  silent?: true | ((known: Known) => boolean);
  /** A note on this machine, printed before the prompt. */
  note?: (known: Known, machine: Machine) => string | undefined;
  /** The answer is a path on this machine. */
  isPath?: true;
  /** For this run only: the values derived from it are stored, but not the path itself. */
  transient?: true;
}

const define = <T>(parameter: Parameter<T>): Parameter<T> => parameter;
/** The default format of each framework that has formats. */
const mainFormats = frameworkNames.flatMap((name) =>
  formatsOf(name)
    .slice(0, 1)
    .map((format) => format.name),
);
const labelsOf = (entries: Readonly<Record<string, { label: string }>>) => (value: string) => entries[value]?.label;
const labelled = (labels: Readonly<Record<string, string>>) => (value: string) => labels[value];
const toggle = (about: string, standard: boolean, prompt?: string) =>
  define({ about, schema: z.boolean(), default: () => standard, ...(prompt && { prompt }) });
const serverless = {
  why: 'deployTarget serverless',
  when: ({ deployTarget }: Known) => deployTarget && deployTarget === 'serverless',
};

/** For images that install the framework. The images of engines already include it. */
const withoutEngine = (why: string, when: (framework: Framework) => boolean) => ({
  why,
  when: ({ framework, modelServer }: Known) =>
    framework && modelServer && !gpuServers.has(modelServer) && when(framework),
});

/** The Python versions of the image; undefined if there is no set of packages. */
const pythonsFor = (framework: Framework, { frameworkVersion, runtime }: Known) =>
  runtime === 'onnx' ? standardRelease('onnx').pythons : pythonsOf(framework, frameworkVersion);

const instanceTypeName = /^ml\.[a-z][a-z0-9-]{0,18}\.[a-z0-9-]{1,18}$/;
/** Hugging Face's org/name, or an S3 prefix without dot segments that ends in a slash. */
const modelLocation =
  /^(?:[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}|s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\/(?!(?:.*\/)?\.\.?\/)(?:[\w.-]+\/){0,32})$/;
/** Without "..", control and shell characters, and not starting like an option or a home folder. */
const path = /^(?!.*(?:^|\/)\.\.(?:\/|$))(?![~ -])(?!.* $)[\p{L}\p{N} _.,+@=:/-]{1,1000}$/u;

export const parameters = {
  model: define({
    about: 'Model file or folder on this machine',
    prompt: 'Model file or folder (Tab: complete, Enter: no model yet)',
    schema: z.string().min(1),
    rule: 'the path of a file or a folder',
    silent: ({ framework }) => framework === 'transformers', // served by its name
    isPath: true,
    transient: true,
  }),
  code: define({
    about: 'Python file or folder that the model needs; copied into code/',
    prompt: 'Python file or folder with this code (Enter: none)',
    schema: z.string().min(1),
    rule: 'the path of a .py file, or of a folder with .py files',
    silent: true,
    isPath: true,
    transient: true,
  }),
  framework: define({
    about: 'Framework the model was trained with',
    schema: z.enum(frameworkNames),
    labels: labelsOf(frameworks),
    required: true,
    defaultText: 'required, unless --model or --code sets it',
  }),
  projectName: define({
    about: 'Name of the project, its ECR repository and its endpoint',
    schema: z.string().regex(/^(?=.{1,40}$)[a-z](?:[a-z0-9]|-(?=[a-z0-9]))*$/),
    rule: '1 to 40 characters: a-z, 0-9 and single hyphens, starting with a letter and not ending in a hyphen',
    default: ({ framework }) => framework && `${framework}-model`,
    defaultText: 'FRAMEWORK-model',
  }),
  projectDir: define({
    about: 'Folder to write the project to',
    schema: z.string().regex(path),
    rule: 'a path without "..", quotes or other shell metacharacters',
    default: ({ projectName }) => projectName && `./${projectName}`,
    defaultText: './PROJECT-NAME',
    silent: true,
  }),
  modelFormat: define({
    about: 'Format of the model file',
    schema: z.enum(formatNames),
    choices: ({ framework }) => framework && formatsOf(framework).map((format) => format.name),
    onlyFor: {
      why: 'frameworks that have their own file formats',
      when: ({ framework }) => framework && formatsOf(framework).length > 0,
    },
    default: ({ framework }) => framework && formatsOf(framework)[0]?.name,
    defaultText: `one of ${mainFormats.join(', ')}, by framework`,
  }),
  runtime: define({
    about: 'Library that runs the model',
    schema: z.enum(runtimes),
    labels: labelled({
      native: 'the framework itself',
      onnx: 'onnxruntime: tools/convert.py converts the model',
    }),
    choices: ({ framework }) => framework && (entryOf(framework).converts ? runtimes : (['native'] as const)),
    default: () => 'native' as const,
  }),
  modelName: define({
    about: 'Hugging Face model to serve',
    prompt: 'Model to serve: a Hugging Face id (org/name) or s3://bucket/path/',
    schema: z.string().max(1000).regex(modelLocation),
    rule: 'a Hugging Face id (org/name) or an S3 prefix (s3://bucket/path/)',
    onlyFor: { why: 'framework transformers', when: ({ framework }) => framework && framework === 'transformers' },
    required: true,
    defaultText: 'required with framework transformers, unless --model sets it',
  }),
  modelMemory: define({
    about: "Size of the weights in GiB, if it is not in the model's name",
    prompt: "Size of the model's weights in GiB (Enter: unknown)",
    schema: z.int().min(1).max(4096),
    rule: 'a whole number from 1 to 4096',
    onlyFor: { why: 'framework transformers', when: ({ framework }) => framework && framework === 'transformers' },
    silent: (known) => known.modelName === undefined || known.model !== undefined || memoryOf(known) !== undefined,
  }),
  deployTarget: define({
    about: 'How clients call the model',
    schema: z.enum(targetNames),
    labels: labelsOf(targets),
    default: () => 'realtime' as const,
  }),
  multiModel: toggle('Serve many models from one endpoint', false),
  modelServer: define({
    about: 'Server that runs in the container',
    schema: z.enum(serverNames),
    labels: (value, { framework }) =>
      value === 'fastapi' && framework === 'transformers'
        ? 'for small models, on a CPU or a single GPU'
        : labelsOf(servers)(value),
    choices: ({ framework, multiModel }) =>
      framework && [
        ...frameworks[framework].servers,
        ...(multiModel ? serverNames.filter((name) => serverOf(name).multiModelOnly) : []),
      ],
    default: ({ framework }) => framework && frameworks[framework].servers[0],
    defaultText: 'fastapi; transformers: vllm',
    more: { with: { multiModel: true }, only: 'multi-model endpoints', flag: '--multi-model' },
  }),
  instanceType: define({
    about: 'Instance type',
    schema: z.union([z.enum(['cpu-optimized', 'gpu-enabled', 'custom']), z.string().regex(instanceTypeName)]),
    labels: describeInstance,
    note: instanceNote,
    offers: instanceOffers,
    rule: 'cpu-optimized, gpu-enabled, custom, or a type like ml.m5.large',
    choices: () => ['cpu-optimized', 'gpu-enabled', 'custom'],
    default: ({ framework, deployTarget }) =>
      framework === 'transformers' && deployTarget !== 'serverless' ? 'gpu-enabled' : 'cpu-optimized',
    defaultText: 'cpu-optimized; transformers: gpu-enabled',
    silent: ({ deployTarget }) => deployTarget === 'serverless',
  }),
  customInstanceType: define({
    about: 'Name of the instance type, if --instance-type=custom',
    prompt: 'Name of the instance type, such as ml.m5.large',
    schema: z.string().regex(instanceTypeName),
    defaultText: 'required with --instance-type=custom',
    rule: 'a type like ml.m5.large (ml.FAMILY.SIZE)',
    onlyFor: {
      why: 'instanceType custom',
      when: ({ instanceType }) => (instanceType ? instanceType === 'custom' : undefined),
    },
    required: true,
  }),
  instanceCount: define({
    about: 'Number of instances',
    schema: z.int().min(1).max(100),
    rule: 'a whole number from 1 to 100',
    onlyFor: {
      why: 'the targets realtime, async and batch',
      when: ({ deployTarget }) => deployTarget && deployTarget !== 'serverless',
    },
    default: () => 1,
  }),
  serverlessMemory: define({
    about: 'Memory size of the serverless endpoint, in MB',
    schema: z.literal([...serverlessSizes]),
    onlyFor: serverless,
    default: () => 2048 as const,
  }),
  serverlessMaxConcurrency: define({
    about: 'Maximum concurrency of the serverless endpoint',
    schema: z.int().min(1).max(200),
    rule: 'a whole number from 1 to 200',
    onlyFor: serverless,
    default: () => 5,
  }),
  deployTool: define({
    about: 'Deployment tools to generate',
    schema: z.array(z.enum(['cli', 'boto3', 'cdk'])).min(1),
    labels: labelled({ cli: 'shell scripts', boto3: 'a Python program', cdk: 'an AWS CDK app' }),
    rule: 'one or more of cli, boto3, cdk',
    default: () => ['cli' as const],
  }),
  buildTarget: define({
    about: 'Where the image is built',
    schema: z.enum(['local', 'codebuild']),
    labels: labelled({ local: 'on your machine, with Docker', codebuild: 'in AWS CodeBuild, without Docker' }),
    default: () => 'local' as const,
  }),
  modelDelivery: define({
    about: 'How the model reaches the container',
    schema: z.enum(['s3', 'image']),
    labels: labelled({
      s3: 'downloaded from S3; a new model does not need a new image',
      image: 'baked into the image',
    }),
    default: () => 's3' as const,
  }),
  frameworkVersion: define({
    about: 'Framework version that saved the model',
    prompt: ({ framework }) =>
      `Version of ${framework ? entryOf(framework).label : 'the framework'} that saved the model`,
    schema: z.string().regex(/^\d{1,4}\.\d{1,4}(\.\d{1,4})?$/),
    rule: 'a version such as 1.3 (its newest patch release) or 1.3.1',
    belongsTo: 'framework',
    offers: ({ framework }) => framework && releasesOf(framework).map(nameOf),
    onlyFor: withoutEngine(
      'the servers fastapi, flask and mms, with a framework other than custom',
      (framework) => framework !== 'custom',
    ),
    default: ({ framework }) => framework && nameOf(standardRelease(framework)),
    defaultText: 'the newest that also runs on Python 3.11',
    // A file that names no version can be read by every newer one.
    silent: ({ model, framework }) => model !== undefined && framework !== 'sklearn',
  }),
  pythonVersion: define({
    about: 'Python version of the image',
    schema: z.enum(pythons),
    choices: (known) => known.framework && pythonsFor(known.framework, known),
    onlyFor: withoutEngine('the servers fastapi, flask and mms', () => true),
    default: (known) =>
      known.framework && (pythonsFor(known.framework, known) ?? standardRelease(known.framework).pythons).at(-1),
    defaultText: 'the newest for which the framework has builds',
    silent: true,
  }),
  packages: define({
    about: 'Additional Python packages that the model needs',
    schema: z.array(z.string().regex(/^[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?(?:\[[\w,-]+\])?(?:==[\w.+!]+)?$/)),
    rule: 'package names, or name==version, such as pandas==2.3.3',
    silent: true,
  }),
  requirements: define({
    about: 'Output of pip list --format=freeze, from training; sets the versions',
    schema: z.string().min(1),
    rule: 'the path of a file',
    onlyFor: withoutEngine('the servers fastapi, flask and mms', () => true),
    silent: true,
    transient: true,
  }),
  awsRegion: define({
    about: 'AWS region',
    schema: z.enum(regions),
    rule: 'a region with SageMaker, such as eu-west-1',
    default: () => 'us-east-1' as const,
  }),
  awsRoleArn: define({
    about: 'ARN of the execution role',
    prompt: 'ARN of the execution role (Enter: choose it when you deploy)',
    schema: z.string().regex(/^arn:aws(?:-[a-z]+)*:iam::\d{12}:role\/(?:[\w+=,.@-]{1,128}\/)*[\w+=,.@-]{1,64}$/),
    rule: 'a role ARN like arn:aws:iam::123456789012:role/service-role/NAME; path and name contain only letters, digits and +=,.@_-',
  }),
  includeSampleModel: define({
    ...toggle('Include a sample model that trains in seconds, offline', false, 'Include a sample model'),
    silent: ({ model }: Known) => model !== undefined,
  }),
  includeTests: toggle('Include tests that run the server on this machine', true),
  includeTraining: toggle('Include a training container', false),
};

export type Key = keyof typeof parameters;
/** The answers, including defaults. A key that does not apply is absent. */
export type Answers = { [K in Key]?: (typeof parameters)[K] extends Parameter<infer T> ? T | undefined : never };

export const keys = Object.keys(parameters) as Key[];

/** The table, typed for code that handles all parameters alike. */
export const table = parameters as unknown as Readonly<Record<Key, Parameter<unknown>>>;

export const isKey = (word: string): word is Key => Object.hasOwn(parameters, word);
export const flagOf = (key: string) => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
export const variableOf = (key: string) => `ML_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
