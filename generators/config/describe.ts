// What the table says to people and to editors: help, the parameter reference, --explain, the JSON Schema.
import { z } from 'zod';
import { typeFor } from '../catalog/instances.js';
import { flagOf, type Key, keys, table, variableOf } from './parameters.js';
import type { Settled } from './settle.js';
import { runFlags } from './sources.js';
import { kindOf, valuesOf } from './values.js';

/** The values a parameter takes, in words. */
function valuesInWords(key: Key): string {
  const listed = valuesOf(key).map(String).join(', ');
  return table[key].rule ?? (listed || 'true or false');
}

function defaultInWords(key: Key): string {
  const { onlyFor, standard } = table[key];
  if (standard) return standard;
  const value = table[key].default?.({});
  return value === undefined
    ? table[key].required
      ? `required${onlyFor ? ` with ${onlyFor.why}` : ''}`
      : 'none'
    : String(value);
}

/** The text of --help. */
export function help(): string {
  const flag = (name: string, about: string) => `  ${name.padEnd(30)} ${about}`;
  const parameters = keys.flatMap((key) => [
    flag(kindOf(key) === 'boolean' ? `--[no-]${flagOf(key).slice(2)}` : `${flagOf(key)}=…`, table[key].about),
    flag('', `${valuesInWords(key)} (default: ${defaultInWords(key)})`),
  ]);
  const run = Object.entries(runFlags).map(([key, about]) =>
    flag(`${flagOf(key)}${key === 'config' ? '=FILE' : ''}`, about),
  );
  return `Generates a project that serves your model on Amazon SageMaker in your own container.

Usage:
  ml-container-creator [project-name] [flags]     generate a project; asks for what is open, on a terminal
  ml-container-creator configure [flags]          ask the same, write ml-container.config.json
  ml-container-creator update [flags]             in a project: other answers or a newer generator, merged with your edits
  ml-container-creator inspect PATH [--json]      say what a model file or folder is, without running anything of it
  ml-container-creator schema                     print the JSON Schema of that file
  ml-container-creator completion bash|zsh|fish   print that shell's completions

Parameters (each also as a variable, ML_FRAMEWORK, and as a key of the config file, "framework"):
${parameters.join('\n')}

This run only:
${run.join('\n')}

Precedence: flag, argument, ML_* variable, --config file, ml-container.config.json, "ml-container-creator" in
package.json, what --model tells, the project's .yo-rc.json, your answer, default.
Exit status: 0 done, 1 internal error, 2 the request is wrong, 3 files stand in the way, 4 an update left conflicts,
130 cancelled.

Try:
  ml-container-creator churn --model=churn.pkl --skip-prompts
  ml-container-creator demo --framework=sklearn --include-sample-model --skip-prompts
`;
}

/** The page docs/parameters.md: the parameter reference. */
export function referencePage(): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const rows = keys.map((key) => {
    const { about, onlyFor } = table[key];
    const notes = [about, onlyFor && `only for ${onlyFor.why}`];
    const named = [key, flagOf(key), variableOf(key)].map((name) => `\`${name}\``);
    const cells = [...named, valuesInWords(key), defaultInWords(key), notes.filter(Boolean).join('; ')];
    return `| ${cells.map(cell).join(' | ')} |`;
  });
  const run = Object.entries(runFlags).map(([key, about]) => `| \`${flagOf(key)}\` | ${about} |`);
  return `<!-- Made by npm run docs from generators/config/parameters.ts: change that. -->
# Parameters

Each is a flag, a variable, and a key of \`ml-container.config.json\`. A weaker source gives way to a stronger one: flag,
argument, \`ML_*\` variable, \`--config\` file, \`ml-container.config.json\`, \`"ml-container-creator"\` in \`package.json\`, the
project's \`.yo-rc.json\`, your answer, default. \`--explain\` shows what came from where.

| key | flag | variable | values | default | what it decides |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

\`AWS_REGION\` and \`AWS_DEFAULT_REGION\` feed \`awsRegion\` where \`ML_AWS_REGION\` does not. \`instanceType\` also takes a type
such as \`ml.m5.large\`. A list is given with commas or with the flag twice; a switch as \`--include-tests\`,
\`--no-include-tests\` or \`--include-tests=false\`.

## This run only

| flag | what it does |
| --- | --- |
${run.join('\n')}

## Instances

\`cpu-optimized\` is ${typeFor('cpu-optimized')} (${typeFor('cpu-optimized', 'batch')} for batch, which has no Graviton), \`gpu-enabled\` is
${typeFor('gpu-enabled')} (${typeFor('gpu-enabled', undefined, 'transformers')} for transformers). The image is built for the architecture of the type.

## Exit status

0 done, 1 internal error, 2 the request is wrong (nothing written), 3 files stand in the way (nothing written), 4 an update left
conflicts, 130 cancelled.
`;
}

/** The JSON Schema (2020-12) of the config file. */
export function jsonSchema(): object {
  const properties = keys.map((key) => {
    const { $schema: _, ...schema } = z.toJSONSchema(table[key].schema);
    return [key, { description: table[key].about, ...schema }];
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'ml-container.config.json',
    type: 'object',
    properties: { $schema: { type: 'string' }, ...Object.fromEntries(properties) },
    additionalProperties: false,
  };
}

/** Each value with the source it came from, one a line. */
export function explain({ answers, origins }: Pick<Settled, 'answers' | 'origins'>): string {
  const rows = keys
    .filter((key) => answers[key] !== undefined)
    .map((key) => [key, String(answers[key]), origins[key] ?? '']);
  const width = (column: number) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0));
  const [first, second] = [width(0), width(1)];
  return rows
    .map(([key = '', value = '', from = '']) => `${key.padEnd(first)}  ${value.padEnd(second)}  ${from}\n`)
    .join('');
}
