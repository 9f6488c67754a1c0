// What all shells complete, derived from the table of parameters.
import { type CommandName, commands } from '../commands.js';
import { flagOf, type Key, keys, table } from '../config/parameters.js';
import { runFlags } from '../config/sources.js';
import { kindOf, valuesOf } from '../config/values.js';

export const program = 'ml-container-creator';
export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** The kind of value that a flag takes. */
export type Takes = 'nothing' | 'file' | 'folder' | 'text' | 'value' | 'list';

/** A flag of the command line. */
export interface Flag {
  /** Including the dashes: --framework. */
  readonly name: string;
  readonly about: string;
  readonly takes: Takes;
  /** The values to choose from, with their descriptions. */
  readonly values: readonly { readonly value: string; readonly about: string }[];
}

/** Flags whose value is a path on this machine. */
export const paths: Partial<Record<Key | 'config', Takes>> = {
  model: 'file',
  code: 'file',
  requirements: 'file',
  config: 'file',
  projectDir: 'folder',
};

function takesOf(key: Key): Takes {
  if (kindOf(key) === 'boolean') return 'nothing';
  return paths[key] ?? (valuesOf(key).length === 0 ? 'text' : kindOf(key) === 'array' ? 'list' : 'value');
}

function flagsOf(key: Key): Flag[] {
  const { about, labels } = table[key];
  const values = valuesOf(key).map((value) => ({ value: `${value}`, about: labels?.(`${value}`, {}) ?? '' }));
  const flag: Flag = { name: flagOf(key), about, takes: takesOf(key), values };
  return flag.takes === 'nothing' ? [flag, { ...flag, name: flag.name.replace('--', '--no-') }] : [flag];
}

/** All flags, including those for this run only. */
export const flags: readonly Flag[] = [
  ...keys.flatMap(flagsOf),
  ...Object.entries(runFlags).map(
    ([key, about]): Flag => ({
      name: flagOf(key),
      about,
      takes: paths[key as 'config'] ?? 'nothing',
      values: [],
    }),
  ),
];

/** What a command accepts: its own flags, words to choose from, or a path. Other commands accept all flags. */
export const ownWords: Readonly<Partial<Record<CommandName, { words: readonly string[]; path?: true }>>> = {
  inspect: { words: ['--json'], path: true },
  schema: { words: [] },
  completion: { words: shells },
};

export const commandList = Object.entries(commands).map(([name, about]) => ({ name, about }));
