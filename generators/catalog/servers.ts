// What a project gets for its server: from templates/servers/SERVER and, for many models, from templates/multi-model.

/** An engine for language models: its own image serves, with our files of templates/engines in it. */
export interface Engine {
  /** The official image, by its exact version. */
  image: string;
  /** The CUDA and the Python in it. */
  cuda: number;
  python: string;
  /** Where its options are described. */
  guide: string;
  /** Options of its command line beside the model, in code/options.json. */
  options: Readonly<Record<string, string | true>>;
}

export interface ServerEntry {
  /** In a few words, for the prompt. */
  label: string;
  /** Its files in templates/servers/SERVER/code. */
  files: readonly string[];
  /** Packages of Python that it needs, beyond those of an engine's own image. */
  requirements: readonly string[];
  /** Those of them, or of what they need, that PyPI has no built packages of. */
  sources?: readonly string[];
  /** It serves many models only. */
  onlyMany?: true;
  /** For many models: more of its files, and what it takes of templates/multi-model/code/serving. */
  many?: { files: readonly string[]; modules: readonly string[] };
  /** Debian's packages that the image gets. */
  packages?: readonly string[];
  /** It has routes of a web framework beside SageMaker's. */
  routes?: true;
  engine?: Engine;
}

const web = {
  files: ['serving/app.py', 'serving/server.py'],
  many: {
    files: ['serving/multi_app.py'],
    modules: ['multi', 'spawner', 'host', 'wire', 'link', 'registry', 'loading', 'memory'],
  },
  routes: true,
} as const;

export const servers = {
  fastapi: {
    ...web,
    label: 'asynchronous, the fastest',
    requirements: ['fastapi', 'httptools', 'orjson', 'prometheus-client', 'uvicorn', 'uvloop'],
  },
  flask: {
    ...web,
    label: 'gunicorn behind nginx',
    files: [...web.files, 'nginx.conf'],
    requirements: ['flask', 'gevent', 'gunicorn', 'orjson', 'packaging', 'prometheus-client'],
    packages: ['nginx'],
  },
  vllm: {
    label: 'GPU engine for language models',
    files: ['serving/engine.py'],
    requirements: ['boto3'],
    engine: {
      image: 'vllm/vllm-openai:v0.32.0',
      guide: 'https://docs.vllm.ai/en/stable/cli/serve/',
      cuda: 13,
      python: '3.12',
      options: {
        'max-model-len': 'auto', // what fits beside the weights, at most what the model was made for
        'load-format': 'safetensors',
        'disable-access-log-for-endpoints': '/ping,/metrics',
        'shutdown-timeout': '25', // to finish what it works on: SageMaker kills it after 30 s
      },
    },
  },
  sglang: {
    label: 'GPU engine for language models',
    files: ['serving/engine.py', 'serving/server.py'],
    requirements: ['boto3'],
    engine: {
      image: 'lmsysorg/sglang:v0.5.23',
      guide: 'https://docs.sglang.ai/advanced_features/server_arguments.html',
      cuda: 13,
      python: '3.12',
      options: { 'load-format': 'safetensors', 'log-level-http': 'warning', 'enable-metrics': true },
    },
  },
  mms: {
    label: 'AWS’s Multi Model Server, in Java: legacy, fastapi is recommended',
    onlyMany: true,
    files: ['log4j2.xml', 'serving/app.py', 'serving/multi.py', 'serving/handler_service.py', 'serving/unregister.py'],
    many: { files: [], modules: ['memory'] },
    requirements: ['multi-model-server', 'orjson', 'sagemaker-inference'],
    sources: ['sagemaker-inference'],
    packages: ['default-jre-headless'],
  },
} as const satisfies Record<string, ServerEntry>;

export type Server = keyof typeof servers;
export const serverNames = Object.keys(servers) as [Server, ...Server[]];

export const serverOf = (server: Server): ServerEntry => servers[server];

/** Servers that need a GPU of the instance: the engines. */
export const gpuServers: ReadonlySet<string> = new Set(serverNames.filter((name) => serverOf(name).engine));
