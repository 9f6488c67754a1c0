// The ways that clients call a model, and the parts that the files of each are made of.
/** One model that is packed, many of them, or the files of a language model as they are. */
export type Models = 'single-model' | 'multi-model' | 'language-model';

/** The modules of templates/deploy/deployer that a project has in addition to those that all have. */
export interface Modules {
  /** In requests/: what it is, what scales it, and where its model is. */
  target: string;
  scaling?: string;
  source: string;
  /** What the commands deploy, invoke and upload_model are. */
  deploy: 'endpoint' | 'batch';
  invoke: string;
  upload: string;
}

export interface TargetEntry {
  /** In a few words, for the prompt. */
  label: string;
  /** In a sentence: "as …". */
  words: string;
  /** What knows of its model in S3, or of its models, in deploy/iam. */
  models: Models;
  modules: Modules;
  /** Parts of the documents in deploy/iam, from templates/deploy/iam. */
  rights: { execution: readonly string[]; deployer: readonly string[] };
  /** It has no instances, and runs x86_64 images only. */
  serverless?: true;
}

const endpoint = { deploy: 'endpoint', invoke: 'invoke' } as const;

export const targets = {
  realtime: {
    label: 'an endpoint that is always on',
    words: 'a real-time endpoint',
    modules: { ...endpoint, target: 'realtime', scaling: 'by_invocations' },
    rights: { execution: ['capture', 'network'], deployer: ['endpoint', 'invoke', 'network'] },
  },
  serverless: {
    label: 'an endpoint that costs nothing while idle',
    words: 'a serverless endpoint',
    modules: { ...endpoint, target: 'serverless', scaling: 'by_utilization' },
    rights: { execution: [], deployer: ['endpoint', 'invoke'] },
    serverless: true,
  },
  async: {
    label: 'an endpoint with a queue, for slow or large requests',
    words: 'an asynchronous endpoint',
    modules: { ...endpoint, invoke: 'invoke_async', target: 'asynchronous', scaling: 'by_backlog' },
    rights: { execution: ['async', 'network'], deployer: ['endpoint', 'async', 'network'] },
  },
  batch: {
    label: 'a job over files in S3',
    words: 'a batch transform job',
    modules: { deploy: 'batch', invoke: 'invoke_batch', target: 'transform' },
    rights: { execution: ['batch', 'network'], deployer: ['batch', 'network'] },
  },
} as const satisfies Record<
  string,
  Omit<TargetEntry, 'models' | 'modules'> & { modules: Omit<Modules, 'source' | 'upload'> }
>;

/** Where the model is: the module in requests/, and what uploads it. */
const sources = {
  'single-model': { source: 'model_archive', upload: 'upload_archive' },
  'multi-model': { source: 'model_many', upload: 'upload_many' },
  'language-model': { source: 'model_files', upload: 'upload_files' },
  inImage: { source: 'model_image', upload: 'upload_image' },
} as const;

export type Target = keyof typeof targets;
export const targetNames = Object.keys(targets) as [Target, ...Target[]];

/** What is known of a target, with such models; `inImage` where the model is part of the image. */
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

/** A language model scales by the requests that it works on, however long each takes, and its answers are streamed. */
const streaming = ({ rights }: Pick<TargetEntry, 'rights'>, modules: Modules) => ({
  modules: { ...modules, scaling: 'by_concurrency', invoke: 'invoke_stream' },
  rights: { ...rights, deployer: rights.deployer.map((part) => (part === 'invoke' ? 'streaming' : part)) },
});
