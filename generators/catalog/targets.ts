// The ways a model is asked, and the parts that the files of each are made of.
/** One model that is packed, many of them, or the files of a language model as they are. */
export type Models = 'single-model' | 'multi-model' | 'language-model';

export interface TargetEntry {
  /** In a few words, beside it in the prompt. */
  label: string;
  /** In a sentence: "as …". */
  words: string;
  /** The room of templates/targets that has its scripts; invoke.sh lies in a room of its own where that is named. */
  room: 'endpoint' | 'batch';
  invoke?: 'async' | 'multi-model' | 'language-model';
  /** What knows of its model in S3, or of its models: a part of several files, and the room with upload_model.sh. */
  models: Models;
  /** Parts of deploy/settings.sh, from templates/deploy/settings: names, machines, their GPUs' hosts, and the rest. */
  settings: { names: string; machines: string; gpu?: string; more: readonly string[] };
  /** Parts of deploy/resources.py, from templates/deploy/resources. */
  resources: readonly string[];
  /** What deploy.py takes of templates/tools/boto3/common. */
  boto3: readonly string[];
  /** Parts of the documents in deploy/iam, from templates/deploy/iam. */
  rights: { execution: readonly string[]; deployer: readonly string[] };
  /** It has no instances, and runs x86_64 images only. */
  serverless?: true;
}

export const targets = {
  realtime: {
    room: 'endpoint',
    label: 'an endpoint that is always on',
    words: 'a real-time endpoint',
    settings: {
      names: 'endpoint.sh',
      machines: 'instances.sh.ejs',
      gpu: 'gpu.sh.ejs',
      more: ['hosting.sh.ejs', 'scaling.sh', 'requests.sh', 'capture.sh', 'metrics.sh', 'network.sh'],
    },
    resources: ['instances', 'realtime', 'requests', 'endpoint'],
    boto3: ['aws.py', 'checks.py'],
    rights: { execution: ['capture', 'network'], deployer: ['endpoint', 'invoke', 'network'] },
  },
  serverless: {
    room: 'endpoint',
    label: 'an endpoint that costs nothing while idle',
    words: 'a serverless endpoint',
    settings: { names: 'endpoint.sh', machines: 'serverless.sh.ejs', more: [] },
    resources: ['serverless', 'endpoint'],
    boto3: ['aws.py', 'checks.py'],
    rights: { execution: [], deployer: ['endpoint', 'invoke'] },
    serverless: true,
  },
  async: {
    room: 'endpoint',
    invoke: 'async',
    label: 'an endpoint with a queue, for slow or large requests',
    words: 'an asynchronous endpoint',
    settings: {
      names: 'endpoint.sh',
      machines: 'instances.sh.ejs',
      gpu: 'gpu.sh.ejs',
      more: ['hosting.sh.ejs', 'async.sh', 'network.sh'],
    },
    resources: ['instances', 'async', 'endpoint'],
    boto3: ['aws.py', 'checks.py', 'bucket.py'],
    rights: { execution: ['async', 'network'], deployer: ['endpoint', 'async', 'network'] },
  },
  batch: {
    room: 'batch',
    label: 'a job over files in S3',
    words: 'a batch transform job',
    settings: {
      names: 'job.sh',
      machines: 'instances.sh.ejs',
      gpu: 'gpu-batch.sh.ejs',
      more: ['batch.sh', 'network.sh'],
    },
    resources: ['batch'],
    boto3: ['aws.py', 'checks.py', 'bucket.py'],
    rights: { execution: ['batch', 'network'], deployer: ['batch', 'network'] },
  },
} as const satisfies Record<string, Omit<TargetEntry, 'models'>>;

/** What is otherwise where many models are behind one endpoint. */
const many = { words: 'a real-time endpoint for many models', invoke: 'multi-model' } as const;
/** A language model scales by the requests that it works on, however long each takes, and its answers are streamed. */
const otherwise: Readonly<Record<string, string>> = {
  'requests.sh': 'concurrency.sh',
  requests: 'concurrency',
  invoke: 'streaming',
};
const ofLanguage = (parts: readonly string[]) => parts.map((part) => otherwise[part] ?? part);

export type Target = keyof typeof targets;
export const targetNames = Object.keys(targets) as [Target, ...Target[]];

export function targetOf(target: Target, models: Models = 'single-model'): TargetEntry {
  const entry: Omit<TargetEntry, 'models'> = targets[target];
  if (models === 'single-model') return { ...entry, models };
  if (models === 'multi-model') return { ...entry, ...many, models };
  const { settings, resources, rights, invoke = models } = entry;
  return {
    ...entry,
    models,
    invoke,
    settings: { ...settings, more: ofLanguage(settings.more) },
    resources: ofLanguage(resources),
    rights: { ...rights, deployer: ofLanguage(rights.deployer) },
  };
}
