// The model servers: one entry each. Their files are in templates/servers/SERVER and templates/multi-model.

/** An engine for language models: its own image is the base, with the files in templates/engines added. */
export interface Engine {
  /** The official image, at an exact version. */
  image: string;
  /** Major version of CUDA, and version of Python, in the image. */
  cuda: number;
  python: string;
  /** URL of the documentation of its options. */
  guide: string;
  /** Command line options besides the model, written to code/options.json. */
  options: Readonly<Record<string, string | true>>;
}

export interface ServerEntry {
  /** The name of the product. */
  name: string;
  /** Shown in the prompt. */
  label: string;
  /** Its files in templates/servers/SERVER/code. */
  files: readonly string[];
  /** Python packages that it needs; for an engine, those missing from its image. */
  requirements: readonly string[];
  /** Packages among these and their dependencies that PyPI has only as source distributions. */
  sources?: readonly string[];
  /** It supports multi-model endpoints only. */
  multiModelOnly?: true;
  /** For multi-model endpoints: additional files of its own, and modules in templates/multi-model/code/serving. */
  multiModel?: { files: readonly string[]; modules: readonly string[] };
  /** Debian packages to install in the image. */
  packages?: readonly string[];
  /** It is a web framework, so users can add routes to SageMaker's. */
  routes?: true;
  engine?: Engine;
}

const web = {
  files: ['serving/app.py', 'serving/server.py'],
  multiModel: {
    files: ['serving/multi_app.py'],
    modules: ['multi', 'spawner', 'host', 'wire', 'link', 'registry', 'loading', 'memory'],
  },
  routes: true,
} as const;

export const servers = {
  fastapi: {
    ...web,
    name: 'FastAPI',
    label: 'FastAPI on uvicorn, the fastest',
    requirements: ['fastapi', 'httptools', 'orjson', 'prometheus-client', 'uvicorn', 'uvloop'],
  },
  flask: {
    ...web,
    name: 'Flask',
    label: 'Flask on gunicorn behind nginx',
    files: [...web.files, 'nginx.conf'],
    requirements: ['flask', 'gevent', 'gunicorn', 'orjson', 'packaging', 'prometheus-client'],
    packages: ['nginx'],
  },
  vllm: {
    name: 'vLLM',
    label: 'GPU engine for language models',
    files: ['serving/engine.py'],
    requirements: ['boto3'],
    engine: {
      image: 'vllm/vllm-openai:v0.32.0',
      guide: 'https://docs.vllm.ai/en/stable/cli/serve/',
      cuda: 13,
      python: '3.12',
      options: {
        'max-model-len': 'auto', // what fits next to the weights, up to the model's own context length
        'load-format': 'safetensors',
        'disable-access-log-for-endpoints': '/ping,/metrics',
        'shutdown-timeout': '25', // seconds to finish open requests: SageMaker kills it after 30 s
      },
    },
  },
  sglang: {
    name: 'SGLang',
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
    name: 'Multi Model Server',
    label: 'AWS’s Multi Model Server, in Java (legacy; fastapi is recommended)',
    multiModelOnly: true,
    files: ['log4j2.xml', 'serving/app.py', 'serving/multi.py', 'serving/handler_service.py', 'serving/unregister.py'],
    multiModel: { files: [], modules: ['memory'] },
    requirements: ['multi-model-server', 'orjson', 'sagemaker-inference'],
    sources: ['sagemaker-inference'],
    packages: ['default-jre-headless'],
  },
} as const satisfies Record<string, ServerEntry>;

export type Server = keyof typeof servers;
export const serverNames = Object.keys(servers) as [Server, ...Server[]];

export const serverOf = (server: Server): ServerEntry => servers[server];

/** Servers that need an instance with a GPU: the engines. */
export const gpuServers: ReadonlySet<string> = new Set(serverNames.filter((name) => serverOf(name).engine));
