// What the table says to people and to editors: help, the parameter reference, --explain, the JSON Schema.
import { z } from 'zod';
import { typeFor } from '../catalog/instances.js';
import { flagOf, type Key, keys, table, variableOf } from './parameters.js';
import type { Settled } from './settle.js';
import { runFlags } from './sources.js';
import { kindOf, valuesOf } from './values.js';
import { wrap } from './wrap.js';

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

const HELP_COLUMNS = 26;

/** A flag and what it does, to the right of it or, where it is long, below. */
function helpFor(flag: string, texts: readonly string[]): string {
  const margin = ' '.repeat(HELP_COLUMNS);
  const lines = texts.map((text) => wrap(margin + text, { indent: HELP_COLUMNS })).join('\n');
  const name = `  ${flag}`;
  return name.length < HELP_COLUMNS ? name.padEnd(HELP_COLUMNS) + lines.slice(HELP_COLUMNS) : `${name}\n${lines}`;
}

/** The text of --help. */
export function help(): string {
  const parameters = keys.map((key) => {
    const flag = kindOf(key) === 'boolean' ? `--[no-]${flagOf(key).slice(2)}` : `${flagOf(key)}=…`;
    return helpFor(flag, [table[key].about, `${valuesInWords(key)} (default: ${defaultInWords(key)})`]);
  });
  const run = Object.entries(runFlags).map(([key, about]) =>
    helpFor(`${flagOf(key)}${key === 'config' ? '=FILE' : ''}`, [about]),
  );
  return `Generates a project that serves your model on Amazon SageMaker in your own
container.

Usage:
  ml-container-creator [project-name] [flags]
                          generate a project; prompts on a terminal
  ml-container-creator configure [flags]
                          same prompts; writes ml-container.config.json only
  ml-container-creator update [flags]
                          in a project: apply other answers or a newer
                          generator, and keep your edits
  ml-container-creator inspect PATH [--json]
                          describe a model file or folder without running it
  ml-container-creator schema
                          print the JSON Schema of ml-container.config.json
  ml-container-creator completion bash|zsh|fish
                          print the completion script of a shell

Parameters (also variables, such as ML_FRAMEWORK, and keys of the config file,
such as "framework"):
${parameters.join('\n')}

For this run only:
${run.join('\n')}

Precedence, highest first: flag, argument, ML_* variable, --config file,
ml-container.config.json, "ml-container-creator" in package.json, model file,
.yo-rc.json of the project, your answer, default. In prompts, .yo-rc.json only
gives the defaults.
Exit status: 0 done, 1 internal error, 2 invalid request, 3 files in the way,
4 the update left conflicts,
130 cancelled.

Try:
  ml-container-creator churn --model=churn.pkl --skip-prompts
  ml-container-creator demo --framework=sklearn --include-sample-model \\
    --skip-prompts
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

Each is a flag, a variable, and a key of \`ml-container.config.json\`. Precedence, highest first: flag, argument, \`ML_*\`
variable, \`--config\` file, \`ml-container.config.json\`, \`"ml-container-creator"\` in \`package.json\`, the model file, the
project's \`.yo-rc.json\`, your answer, default. In prompts, \`.yo-rc.json\` only gives the defaults. \`--explain\` shows where
each value came from.

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

0 done, 1 internal error, 2 invalid request (nothing written), 3 files in the way (nothing written), 4 the update left conflicts,
130 cancelled.
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
