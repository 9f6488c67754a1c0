// Sources on disk: config files, and the answers stored in a project. A broken file is a problem, never skipped.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Problem } from './problems.js';
import { readObject, type Source } from './sources.js';

export const configFile = 'ml-container.config.json';
const packageKey = 'ml-container-creator';
/** The file in a project with its answers, which other generators may share. */
export const answersFile = '.yo-rc.json';
/** The key of the answers in that file. */
export const storageName = 'generator-ml-container-creator';

/** Reads the config files, highest precedence first: --config, ml-container.config.json, package.json. */
export function readConfigFiles(cwd: string, named: string | undefined, without = ''): Source[] {
  const standard = existsSync(join(cwd, configFile)) && configFile !== without ? [configFile] : [];
  const files = new Map(
    [...(named === undefined ? [] : [named]), ...standard].map((name) => [resolve(cwd, name), name]),
  );
  return [
    ...[...files].map(([path, name]) => readJson(path, name, (object) => readObject(object, name))),
    readIfThere(join(cwd, 'package.json'), 'package.json', (object) => readPart(object, packageKey, 'package.json')),
  ];
}

/** Reads the standard config file, which `configure` writes again. */
export const readOwnConfig = (cwd: string): Source =>
  readIfThere(join(cwd, configFile), configFile, (object) => readObject(object, configFile));

/** Reads the answers stored in a project. An unknown key comes from another version, so it is only a warning. */
export function readStored(directory: string): Source {
  const from = answersFile;
  const source = readIfThere(join(directory, from), from, (object) => readPart(object, storageName, from));
  const unknown = source.problems.filter(({ message }) => message.startsWith('unknown key'));
  const warnings = unknown.map(({ message }) => `${join(directory, from)}: ignoring ${message}`);
  return { ...source, problems: source.problems.filter((each) => !unknown.includes(each)), warnings };
}

const empty: Source = { values: [], problems: [], warnings: [] };

function readPart(object: unknown, key: string, from: string): Source {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return readObject(object, from);
  return Object.hasOwn(object, key)
    ? readObject((object as Record<string, unknown>)[key], `"${key}" in ${from}`)
    : empty;
}

function readIfThere(path: string, from: string, parse: (object: unknown) => Source): Source {
  return existsSync(path) ? readJson(path, from, parse) : empty;
}

function readJson(path: string, from: string, parse: (object: unknown) => Source): Source {
  const refuse = (message: string, hint: string): Source => ({
    ...empty,
    problems: [{ key: '', from, message, hint } satisfies Problem],
  });
  let text: string;
  try {
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return refuse(code === 'ENOENT' ? `${from} does not exist` : `cannot read ${from}: ${code}`, `expected at ${path}`);
  }
  try {
    return parse(JSON.parse(text));
  } catch (error) {
    const reason = String((error as Error).message)
      .replace(/[^\x20-\x7e]/g, ' ')
      .slice(0, 120);
    return refuse(`${from} is not valid JSON: ${reason}`, 'fix the file, or move it elsewhere');
  }
}
