// The next steps, printed at the end of a run. Each command can be pasted as it is.
import { relative, sep } from 'node:path';
import type { Project } from './project.js';
import { quoteFor } from './quote.js';

const shell = quoteFor('next.sh');

/** What the project has already: a lock, the model, a request, the user's code. `source` is where the model came from. */
interface Present {
  locked: boolean;
  model: boolean;
  request: boolean;
  code?: boolean;
  source?: string | undefined;
}

/** The next steps after generating a project: first a prediction on this machine, then the deployment. */
export function nextSteps(
  project: Project,
  directory: string,
  cwd: string,
  { locked, model, request, code = false, source = 'MODEL' }: Present = { locked: true, model: false, request: false },
): string {
  const { entry, sample, tests, modelFile, steps, language } = project;
  const path = relative(cwd, directory);
  const folder = path === '' ? '.' : path.startsWith('..') ? directory : path.split(sep).join('/');
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
  const [image] = steps.deploy.filter(({ command }) => !command.includes('/iam/'));
  const commands = [
    enter,
    ...(locked ? [] : ['./lock.sh']),
    ...first,
    tests ? 'test/run_local.sh' : (image?.command ?? ''),
  ];
  const inModel = (name: string) => shell(`${folder}/model/${name}`);
  const copy = project.folder
    ? `copy the files of your model to ${inModel('')}`
    : `copy your model to ${inModel(modelFile)}`;
  const handler = shell(`${folder}/code/model_handler.py`);
  const put = code
    ? [`put your model into ${inModel('')}`]
    : [`edit ${handler} to load your model`, `put the model into ${inModel('')}`];
  const convert = `python ${shell(`${folder}/tools/convert.py`)} ${shell(source)} ROWS.csv`;
  const missing = [
    ...(model ? [] : project.framework === 'custom' ? put : [copy]),
    ...(tests && !request ? [`write a request to ${shell(`${folder}/test/sample_request.json`)} (see README.md)`] : []),
  ];
  const list = [missing.slice(0, -1).join(', '), ...missing.slice(-1)].filter(Boolean).join(', and ');
  const prepare =
    project.runtime === 'onnx' && !model
      ? `First convert the model in its training environment:\n\n  ${convert}\n\n`
      : list && `First ${list}.\n`;
  if (language) {
    const deployment = [enter, ...steps.deploy.map(({ command }) => command)];
    const needs = [...(project.build === 'local' ? ['Docker'] : []), 'boto3 (pip install boto3)'].join(', ');
    return `To deploy, you need ${needs} and an AWS account with quota for ${project.instance.type}.\nNext, run:\n\n  ${deployment.join(' && ')}\n`;
  }
  const deploy = steps.deploy.map(({ command }) => command).join(' && ');
  const later = `Then, to deploy the project, in the same folder (see README.md):\n\n  ${deploy}\n`;
  return `${sample ? '' : prepare}Next, run:\n\n  ${commands.join(' && ')}\n\n${later}`;
}
