// The deploy targets: one entry each, with the deployer modules and policy parts that it needs.
/** One model archive, many of them, or the unpacked files of a language model. */
export type Models = 'single-model' | 'multi-model' | 'language-model';

/** The modules in templates/deploy/deployer that depend on the target and the kind of model. */
export interface Modules {
  /** In requests/: the target itself, its auto scaling, and where its model comes from. */
  target: string;
  scaling?: string;
  source: string;
  /** The modules behind the commands deploy, invoke and upload_model. */
  deploy: 'endpoint' | 'batch';
  invoke: string;
  upload: string;
}

export interface TargetEntry {
  /** Shown in the prompt. */
  label: string;
  /** Completes the sentence "It is served …". */
  words: string;
  /** The part in templates/deploy/iam that grants access to its models in S3. */
  models: Models;
  modules: Modules;
  /** Parts in templates/deploy/iam for the execution role and for the person who deploys. */
  permissions: { execution: readonly string[]; deployer: readonly string[] };
  /** It has no instances and runs x86_64 images only. */
  serverless?: true;
}

const endpoint = { deploy: 'endpoint', invoke: 'invoke' } as const;

export const targets = {
  realtime: {
    label: 'an endpoint on instances that are always on',
    words: 'as a real-time endpoint',
    modules: { ...endpoint, target: 'realtime', scaling: 'by_invocations' },
    permissions: { execution: ['capture', 'network'], deployer: ['endpoint', 'invoke', 'network'] },
  },
  serverless: {
    label: 'an endpoint that costs nothing while idle',
    words: 'as a serverless endpoint',
    modules: { ...endpoint, target: 'serverless', scaling: 'by_utilization' },
    permissions: { execution: [], deployer: ['endpoint', 'invoke'] },
    serverless: true,
  },
  async: {
    label: 'an endpoint with a queue, for slow or large requests',
    words: 'as an asynchronous endpoint',
    modules: { ...endpoint, invoke: 'invoke_async', target: 'asynchronous', scaling: 'by_backlog' },
    permissions: { execution: ['async', 'network'], deployer: ['endpoint', 'async', 'network'] },
  },
  batch: {
    label: 'a job on files in S3',
    words: 'in batch transform jobs',
    modules: { deploy: 'batch', invoke: 'invoke_batch', target: 'transform' },
    permissions: { execution: ['batch', 'network'], deployer: ['batch', 'network'] },
  },
} as const satisfies Record<
  string,
  Omit<TargetEntry, 'models' | 'modules'> & { modules: Omit<Modules, 'source' | 'upload'> }
>;

/** Where the model comes from: the module in requests/, and the one that uploads it. */
const sources = {
  'single-model': { source: 'model_archive', upload: 'upload_archive' },
  'multi-model': { source: 'model_many', upload: 'upload_many' },
  'language-model': { source: 'model_files', upload: 'upload_files' },
  inImage: { source: 'model_image', upload: 'upload_image' },
} as const;

export type Target = keyof typeof targets;
export const targetNames = Object.keys(targets) as [Target, ...Target[]];

/** The entry of a target for a kind of model; `inImage` is true if the model is baked into the image. */
export function targetOf(target: Target, models: Models = 'single-model', inImage = false): TargetEntry {
  const entry = targets[target];
  const modules = { ...entry.modules, ...sources[inImage && models === 'single-model' ? 'inImage' : models] };
  if (models === 'multi-model')
    return {
      ...entry,
      models,
      words: `${entry.words} for many models`,
      modules: { ...modules, invoke: 'invoke_many' },
    };
  if (models === 'language-model' && target === 'realtime') return { ...entry, models, ...streaming(entry, modules) };
  return { ...entry, models, modules };
}

/** A language model scales by concurrent requests, because their durations vary widely, and streams its responses. */
const streaming = ({ permissions }: Pick<TargetEntry, 'permissions'>, modules: Modules) => ({
  modules: { ...modules, scaling: 'by_concurrency', invoke: 'invoke_stream' },
  permissions: {
    ...permissions,
    deployer: permissions.deployer.map((part) => (part === 'invoke' ? 'streaming' : part)),
  },
});
