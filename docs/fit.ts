// docs/fit.md: which language model fits on which instance, as the generator sees it. npm run docs writes it.
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type Instance, instanceOf } from '../generators/catalog/instances.js';
import {
  holds,
  isTooSlowFromHub,
  sizeOf,
  smallestFor,
  timeoutsFor,
  weightCapacityGiB,
  weightsGiB,
} from '../generators/catalog/models.js';

const models =
  `Qwen/Qwen3-0.6B Qwen/Qwen3-4B Qwen/Qwen3-8B meta-llama/Llama-3.1-8B-Instruct Qwen/Qwen3-14B-AWQ Qwen/Qwen3-14B
  openai/gpt-oss-20b google/gemma-3-27b-it Qwen/Qwen3-30B-A3B Qwen/Qwen3-32B-AWQ Qwen/Qwen3-32B
  mistralai/Mixtral-8x7B-Instruct-v0.1 meta-llama/Llama-3.3-70B-Instruct openai/gpt-oss-120b
  meta-llama/Llama-4-Scout-17B-16E-Instruct Qwen/Qwen3-235B-A22B-FP8 meta-llama/Llama-3.1-405B-Instruct-FP8 deepseek-ai/DeepSeek-R1`.split(
    /\s+/,
  );
const types =
  'g4dn.xlarge g5.xlarge g6e.xlarge g6.12xlarge g6e.12xlarge g7e.12xlarge g6.48xlarge p4d.24xlarge p5.48xlarge p5en.48xlarge'
    .split(' ')
    .map((name) => instanceOf(`ml.${name}`));

const gpus = ({ gpu }: Instance) => `${gpu?.count} × ${gpu?.name.toUpperCase()}, ${gpu?.memoryGiB} GiB`;

export function fitPage(): string {
  const rows = models.map((name) => {
    const size = sizeOf(name);
    if (!size) throw new Error(`the name says no size: ${name}`);
    const weights = weightsGiB(size);
    const startup = isTooSlowFromHub(weights) ? 'from S3 only' : `${timeoutsFor(weights, true).startup}`;
    const smallest = smallestFor(weights, name)?.type ?? 'none';
    const fits = types.map((type) => (holds(type, weights, name) ? 'yes' : '–'));
    const cells = [`\`${name}\``, `${size.bits}`, weights.toFixed(1), ...fits, `\`${smallest}\``, startup];
    return `| ${cells.join(' | ')} |`;
  });
  const rooms = types.map(
    (type) => `| \`${type.type}\` | ${gpus(type)} | ${(weightCapacityGiB(type) ?? 0).toFixed(0)} |`,
  );
  const columns = types.map(({ type }) => type.slice(3));
  return `<!-- Made by npm run docs from generators/catalog/models.ts: change that. -->
# Which language model fits where

Estimates, from the name of a model and the memory of an instance's GPUs. \`--model-memory=GIB\` overrides the first.
[language-models.md](language-models.md) says how they are made.

| model | bits | GiB of weights | ${columns.join(' | ')} | the smallest | seconds to start, from the Hub |
| --- | --- | --- | ${columns.map(() => '---').join(' | ')} | --- | --- |
${rows.join('\n')}

| instance | GPUs | GiB of weights that they hold |
| --- | --- | --- |
${rooms.join('\n')}
`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  writeFileSync(new URL('fit.md', import.meta.url), fitPage());
