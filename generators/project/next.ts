// What to type next: the last lines of a run. Each line works when pasted.
import { relative, sep } from 'node:path';
import type { Project } from './project.js';
import { quoteFor } from './quote.js';

const shell = quoteFor('next.sh');

/** The commands that lead from a generated project to an answer, then to an endpoint. */
export function nextSteps(project: Project, directory: string, cwd: string): string {
  const { entry, format, sample, tests, modelFile, roleArn, modelDelivery } = project;
  const below = relative(cwd, directory);
  const folder = below === '' ? '.' : below.startsWith('..') ? directory : below.split(sep).join('/');
  const enter = `cd ${shell(folder)}`;
  const deploy = [
    'deploy/build_and_push.sh',
    ...(modelDelivery === 's3' ? ['deploy/upload_model.sh'] : []),
    `deploy/deploy.sh${roleArn ? '' : ' ROLE_ARN'}`,
  ].join(' && ');
  const train = tests
    ? []
    : [
        'python3 -m venv .venv',
        '.venv/bin/pip install -r requirements.txt',
        ...(entry.sampleRequirements ? ['.venv/bin/pip install -r sample_model/requirements.txt'] : []),
        '.venv/bin/python sample_model/train.py',
      ];
  const first = sample ? train : [];
  const steps = [enter, ...first, tests ? 'test/run_local.sh' : 'deploy/build_and_push.sh'];
  const place = (name: string) => shell(`${folder}/model/${name}`);
  const own = format?.folder ? `the files of your model into ${place('')}` : `your model at ${place(modelFile)}`;
  const put = sample ? '' : `First put ${own}. `;
  const later = `Then, to deploy it (README.md says how): ${deploy}`;
  return `${later}\n${put}Next, type:\n\n  ${steps.join(' && ')}\n`;
}
