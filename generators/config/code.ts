// Reads --code, a Python file or package that is copied next to the handler, and checks that it defines what the model needs.
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { packageName } from '../catalog/versions.js';
import { ownModules } from '../model/judge.js';
import type { Model, ModelFile } from '../model/read.js';
import { type Brought, nothing } from './model.js';
import type { Answers } from './parameters.js';

/** The functions by which SageMaker's own containers call a script. */
const scriptFunction = /^(async )?def (model_fn|input_fn|predict_fn|output_fn|transform_fn)\(/m;
const readsRequests = /^(async )?def (input_fn|transform_fn)\(/m;
const loadsModel = /^(async )?def model_fn\(/m;

/** Reads what `code` names. A script with SageMaker's functions makes the framework custom, where nothing else tells one. */
export function bringCode(path: string, from: string, cwd: string, model: Model | undefined): Brought {
  const refuse = (message: string, hint: string): Brought => ({
    ...nothing,
    problems: [{ key: 'code', from, message: `${path}: ${message}`, hint }],
  });
  const place = resolve(cwd, path);
  if (!existsSync(place)) return refuse('no such file or folder', `expected at ${place}`);
  if (place.endsWith('.ipynb'))
    return refuse('a notebook', `make a script of it: jupyter nbconvert --to script ${basename(path)}, and give that`);
  const files = statSync(place).isDirectory() ? filesIn(place, model) : [fileAt(place, basename(place))];
  const scripts = files.filter((file) => file.path.endsWith('.py'));
  if (!scripts.length) return refuse('no Python code', 'give a .py file, or a folder with them');
  const taken = files.find((file) => /^(serve|model_handler\.py|serving\/.*|serving\.py)$/.test(file.path));
  if (taken) return refuse(`${taken.path} is a name of the project's own`, 'rename the file');
  const texts = scripts.filter((file) => !file.path.includes('/')).map(({ source }) => readFileSync(source, 'utf8'));
  const isScript = texts.some((text) => scriptFunction.test(text));
  return {
    ...nothing,
    values: isScript ? [{ key: 'framework', value: 'custom', from: basename(place) }] : [],
    files: files.map((file) => ({ ...file, path: `code/${file.path}` })),
    warnings: texts.some((text) => readsRequests.test(text))
      ? [`${basename(place)} reads requests itself: test/sample_request.json must be one that it takes`]
      : [],
    loads: texts.some((text) => loadsModel.test(text)),
  };
}

const fileAt = (source: string, path: string): ModelFile => ({
  source: realpathSync(source),
  path,
  size: statSync(source).size,
});

/** The files of a package, or those in a folder that is none: they are modules themselves. */
function filesIn(folder: string, model: Model | undefined): ModelFile[] {
  const name = basename(folder);
  const isPackage =
    existsSync(join(folder, '__init__.py')) ||
    (model && ownModules(model).some((module) => module.split('.')[0] === name));
  const within = (place: string, path: string): ModelFile[] =>
    readdirSync(place, { withFileTypes: true })
      .filter((entry) => !/^(\.|__pycache__$|__MACOSX$)/.test(entry.name))
      .flatMap((entry) => {
        const [source, below] = [join(place, entry.name), path ? `${path}/${entry.name}` : entry.name];
        return statSync(source).isDirectory() ? within(source, below) : [fileAt(source, below)];
      });
  return within(folder, isPackage ? name : '');
}

/** What the model needs that neither a package nor the code has, a sentence each. */
export function missingCode(model: Model, { packages = [] }: Answers, files: readonly ModelFile[]): string[] {
  const name = basename(model.path);
  const code = files.filter(({ path }) => path.startsWith('code/'));
  const named = new Set(packages.map((each) => packageName(each).replaceAll('-', '_')));
  return ownModules(model).flatMap((module) => {
    const [top = ''] = module.split('.');
    if (module === '__main__') return missingNames(model, name, code);
    if (
      named.has(top.toLowerCase()) ||
      code.some(({ path }) => path.startsWith(`code/${top}/`) || path === `code/${top}.py`)
    )
      return [];
    return [
      `loading ${name} imports ${module}, which is of no package that is known: give your own code with --code=PATH, or the package with --packages=NAME`,
    ];
  });
}

function missingNames(model: Model, name: string, code: readonly ModelFile[]): string[] {
  const texts = code
    .filter(({ path }) => /^code\/[^/]+\.py$/.test(path))
    .map(({ source }) => readFileSync(source, 'utf8'));
  const defines = (each: string) =>
    texts.some((text) => new RegExp(`^(class|(async )?def) ${each}\\b|^${each}\\s*[:=]`, 'm').test(text));
  const missing = [...(model.modules?.get('__main__') ?? [])].filter((each) => !defines(each.split('.')[0] ?? each));
  if (!missing.length) return [];
  const where = code.length ? `${code[0]?.path.slice(5)} does not define: it was` : 'was';
  return [
    `loading ${name} needs ${missing.join(', ')}, which ${where} defined in the notebook or script that saved it: give that with --code=FILE.py`,
  ];
}
