// Folders written by Hugging Face's save_pretrained().
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Facts, UnreadableError } from '../facts.js';

/** The handler's tasks, by the ending of the architecture's name. */
const tasks: readonly [ending: string, task: string][] = [
  ['ForSequenceClassification', 'text-classification'],
  ['ForCausalLM', 'text-generation'],
  ['LMHeadModel', 'text-generation'],
  ['ForMaskedLM', 'feature-extraction'],
  ['Model', 'feature-extraction'],
];

/** Weights in formats that the handler does not load: they are not copied. */
const otherWeights = /\.(h5|msgpack|ot|onnx|gguf|tflite)$/;

/** Reads a Hugging Face folder. Throws an UnreadableError if it has no weights. */
export function readHuggingFace(folder: string): Facts {
  const config = parse(join(folder, 'config.json'));
  const names = readdirSync(folder);
  const safe = names.some((name) => name.endsWith('.safetensors'));
  if (!safe && !names.some((name) => /\.bin$/.test(name)))
    throw new UnreadableError(
      'a Hugging Face folder without weights',
      'copy the *.safetensors files that model.save_pretrained() writes into it',
    );
  const [architecture = ''] = Array.isArray(config.architectures) ? config.architectures.map(String) : [];
  const task = tasks.find(([ending]) => architecture.endsWith(ending))?.[1];
  const version = text(config.transformers_version);
  const name = text(config._name_or_path) ?? '';
  return {
    what: `Hugging Face model ${architecture || text(config.model_type) || ''}${task ? ` for ${task}` : ''}`.trim(),
    framework: 'transformers',
    modelName: /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/.test(name)
      ? name
      : `local/${
          basename(folder)
            .replace(/[^\w.-]/g, '-')
            .replace(/^[^A-Za-z0-9]+/, '') || 'model'
        }`,
    ...(version && { savedBy: `Transformers ${version}` }),
    ...(version && !/^[5-9]\./.test(version) && { frameworkVersion: '4.57' }), // the last of the same major version
    inputs: [{ name: 'inputs', type: 'string', shape: [-1] }],
    warnings: warningsOf(config, safe, task, architecture),
  };
}

/** The files to serve: no weights in other formats, and no pickled weights if there are safetensors. */
export function filesOfHuggingFace(names: readonly string[]): readonly string[] {
  const safe = names.some((name) => name.endsWith('.safetensors'));
  return names.filter(
    (name) => !otherWeights.test(name) && !(safe && /^pytorch_model.*\.bin(\.index\.json)?$/.test(name)),
  );
}

function warningsOf(
  config: Record<string, unknown>,
  safe: boolean,
  task: string | undefined,
  architecture: string,
): string[] {
  return [
    !safe && 'Its weights are pickles (*.bin): the server loads them only with SM_ALLOW_PICKLE=true.',
    !config.model_type && 'config.json has no model_type, which is required to load the model.',
    !task &&
      (architecture
        ? `The server does not support the architecture ${architecture}, only the tasks ${[...new Set(tasks.map(([, each]) => each))].join(', ')}: write load() and predict() in code/model_handler.py.`
        : "config.json does not name an architecture, so the model's task is unknown: set SM_TASK."),
  ].filter((each) => each !== false && each !== undefined) as string[];
}

const text = (value: unknown) => (typeof value === 'string' && value ? value : undefined);

function parse(path: string): Record<string, unknown> {
  if (statSync(path).size > 1 << 24)
    throw new UnreadableError('a folder whose config.json is larger than 16 MiB', 'copy it again');
  const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (typeof value !== 'object' || value === null) throw new SyntaxError('not an object');
  return value as Record<string, unknown>;
}

/** Whether a folder is from Hugging Face: it has a config.json, and weights or a model type or architecture in that. */
export function isHuggingFace(folder: string): boolean {
  const path = join(folder, 'config.json');
  if (!existsSync(path)) return false;
  const names = readdirSync(folder);
  return (
    names.some((name) => /\.(safetensors|bin)$/.test(name)) ||
    /"(model_type|architectures)"/.test(readFileSync(path, 'utf8').slice(0, 1 << 16))
  );
}
