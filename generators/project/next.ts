// What to type next: the last lines of a run. Each line works when pasted.
import { relative, sep } from 'node:path';
import type { Project } from './project.js';
import { quoteFor } from './quote.js';

const shell = quoteFor('next.sh');

/** The commands that lead from a generated project to an answer, then to an endpoint. */
export function nextSteps(
  project: Project,
  directory: string,
  cwd: string,
  { locked, model, source = 'MODEL' }: { locked: boolean; model: boolean; source?: string | undefined } = {
    locked: true,
    model: false,
  },
): string {
  const { entry, sample, tests, modelFile, steps, language } = project;
  const below = relative(cwd, directory);
  const folder = below === '' ? '.' : below.startsWith('..') ? directory : below.split(sep).join('/');
  const enter = `cd ${shell(folder)}`;
  const train = tests
    ? []
    : [
        'python3 -m venv .venv',
        '.venv/bin/pip install -r requirements.txt',
        ...(entry.trainingPackages ? ['.venv/bin/pip install -r sample_model/requirements.txt'] : []),
        '.venv/bin/python sample_model/train.py',
      ];
  const first = sample ? train : [];
  const [image] = steps.up.filter(({ command }) => !command.includes('/iam/'));
  const commands = [
    enter,
    ...(locked ? [] : ['./lock.sh']),
    ...first,
    tests ? 'test/run_local.sh' : (image?.command ?? ''),
  ];
  const place = (name: string) => shell(`${folder}/model/${name}`);
  const own = project.folder ? `the files of your model into ${place('')}` : `your model at ${place(modelFile)}`;
  const convert = `python ${shell(`${folder}/tools/convert.py`)} ${shell(source)} ROWS.csv`;
  const how =
    project.runtime === 'onnx'
      ? `First convert the model, with the Python that trained it:\n\n  ${convert}\n\n`
      : `First put ${own}. `;
  const put = sample || model ? '' : how;
  if (language) {
    const all = [enter, ...steps.up.map(({ command }) => command)];
    const needs = [...(project.build === 'local' ? ['Docker'] : []), 'boto3 (pip install boto3)'].join(', ');
    return `It needs ${needs} and an account with ${project.instance.type}.\nNext, type:\n\n  ${all.join(' && ')}\n`;
  }
  const later = `Then, to deploy it (README.md says how): ${steps.up.map(({ command }) => command).join(' && ')}`;
  return `${later}\n${put}Next, type:\n\n  ${commands.join(' && ')}\n`;
}
