// Reads --code, a Python file or package to copy next to the handler, and checks that it defines what the model needs.
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { packageName } from '../catalog/versions.js';
import { ownModules } from '../model/judge.js';
import type { Model, ModelFile } from '../model/read.js';
import { quoteFor } from '../project/quote.js';
import { emptyImport, type Imported } from './model.js';
import type { Answers } from './parameters.js';

const shell = quoteFor('next.sh');

/** The functions that SageMaker's own containers call in a script. */
const scriptFunction = /^(async )?def (model_fn|input_fn|predict_fn|output_fn|transform_fn)\(/m;
const readsRequests = /^(async )?def (input_fn|transform_fn)\(/m;
const loadsModel = /^(async )?def model_fn\(/m;

/** Reads `code`. A script with SageMaker's functions sets the framework to custom, unless another source sets one. */
export function importCode(path: string, from: string, cwd: string, model: Model | undefined): Imported {
  const refuse = (message: string, hint: string): Imported => ({
    ...emptyImport,
    problems: [{ key: 'code', from, message: `${path} ${message}`, hint }],
  });
  const location = resolve(cwd, path);
  if (!existsSync(location)) return refuse('does not exist', `expected at ${location}`);
  if (location.endsWith('.ipynb'))
    return refuse(
      'is a notebook, not Python code',
      `run: jupyter nbconvert --to script ${shell(path)}; then pass the .py file`,
    );
  const files = statSync(location).isDirectory() ? filesIn(location, model) : [fileAt(location, basename(location))];
  const scripts = files.filter((file) => file.path.endsWith('.py'));
  if (!scripts.length) return refuse('contains no Python files', 'pass a .py file, or a folder with .py files');
  const reserved = files.find((file) => /^(serve|model_handler\.py|serving\/.*|serving\.py)$/.test(file.path));
  if (reserved) return refuse(`is refused: the project already generates code/${reserved.path}`, 'rename your file');
  const texts = scripts.filter((file) => !file.path.includes('/')).map(({ source }) => readFileSync(source, 'utf8'));
  const isScript = texts.some((text) => scriptFunction.test(text));
  return {
    ...emptyImport,
    values: isScript ? [{ key: 'framework', value: 'custom', from: basename(location) }] : [],
    files: files.map((file) => ({ ...file, path: `code/${file.path}` })),
    warnings: texts.some((text) => readsRequests.test(text))
      ? [`${basename(location)} parses requests itself: change test/sample_request.json to a request that it accepts`]
      : [],
    loads: texts.some((text) => loadsModel.test(text)),
  };
}

const fileAt = (source: string, path: string): ModelFile => ({
  source: realpathSync(source),
  path,
  size: statSync(source).size,
});

/** The files of a folder. A package keeps its folder name; in any other folder, each file is a module of its own. */
function filesIn(folder: string, model: Model | undefined): ModelFile[] {
  const name = basename(folder);
  const isPackage =
    existsSync(join(folder, '__init__.py')) ||
    (model && ownModules(model).some((module) => module.split('.')[0] === name));
  const within = (folderPath: string, path: string): ModelFile[] =>
    readdirSync(folderPath, { withFileTypes: true })
      .filter((entry) => !/^(\.|__pycache__$|__MACOSX$)/.test(entry.name))
      .flatMap((entry) => {
        const [source, below] = [join(folderPath, entry.name), path ? `${path}/${entry.name}` : entry.name];
        return statSync(source).isDirectory() ? within(source, below) : [fileAt(source, below)];
      });
  return within(folder, isPackage ? name : '');
}

/** What the model needs that neither a package nor the code provides, and how to provide it. */
export interface Missing {
  readonly what: string;
  readonly advice: string;
}

/** What the model needs that neither a package nor the code provides. */
export function missingCode(model: Model, { packages = [] }: Answers, files: readonly ModelFile[]): Missing[] {
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
      {
        what: `loading ${name} imports ${module}, which is not in any known package`,
        advice: 'pass your own code with --code=PATH, or the package with --packages=NAME',
      },
    ];
  });
}

function missingNames(model: Model, name: string, code: readonly ModelFile[]): Missing[] {
  const texts = code
    .filter(({ path }) => /^code\/[^/]+\.py$/.test(path))
    .map(({ source }) => readFileSync(source, 'utf8'));
  const defines = (each: string) =>
    texts.some((text) => new RegExp(`^(class|(async )?def) ${each}\\b|^${each}\\s*[:=]`, 'm').test(text));
  const missing = [...(model.modules?.get('__main__') ?? [])].filter((each) => !defines(each.split('.')[0] ?? each));
  if (!missing.length) return [];
  const except = code.length ? `, but not in ${code[0]?.path.slice(5)}` : '';
  return [
    {
      what: `loading ${name} needs ${missing.join(', ')}, which was defined in the notebook or script that saved the model${except}`,
      advice: 'pass that code with --code=FILE.py',
    },
  ];
}
