// The generated servers: projects generated with the package's own command, with a benchmark model in model/.
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { run } from '../support/bin.js';
import { type Contender, type Launch, type Place, predictions, sagemaker } from './contender.js';
import { program } from './environments.js';
import { python } from './models.js';

type Variables = Readonly<Record<string, string>>;

/** A generated server: the flags for its project, and its settings as environment variables. */
export const own = (name: string, flags: readonly string[], about: string, env: Variables = {}): Contender => ({
  ...sagemaker,
  name,
  about,
  environment: 'ours',
  predictions,
  setUp: (place) => generate(name, flags, place, env),
});

const common = ['project', '--project-dir=./project', '--framework=sklearn', '--model-format=joblib', '--skip-prompts'];

/** Generates a project with the model of `place` and returns the command that serves it. */
function generate(name: string, flags: readonly string[], place: Place, settings: Variables): Launch {
  const { folder, model, file, ports } = place;
  const { status, stderr } = run(folder, [...common, ...flags]);
  if (status !== 0) throw new Error(`the project for ${name} could not be generated:\n${stderr}`);
  const project = join(folder, 'project');
  const known = readFileSync(join(project, 'code/serving/settings.py'), 'utf8');
  const unknown = Object.keys(settings).filter((variable) => !known.includes(`"${variable}"`));
  if (unknown.length > 0) throw new Error(`the server has no setting ${unknown}, so it would measure nothing`);
  if (flags.includes('--runtime=onnx')) convert(project, file);
  else copyFileSync(file, join(project, 'model', basename(file)));
  if (model.handler) copyFileSync(python(model.handler), join(project, 'code/model_handler.py'));
  spawnSync(program('ours', 'python'), ['-m', 'compileall', '-q', join(project, 'code')]); // as in its image
  const env = { SM_MODEL_DIR: 'model', SAGEMAKER_BIND_TO_PORT: `${ports[0]}`, ...settings };
  return { command: program('ours', 'python'), args: ['code/serve'], cwd: project, env };
}

/** Converts a model as a user would. */
function convert(project: string, file: string): void {
  const rows = join(dirname(dirname(file)), 'rows.csv');
  const args = [join(project, 'tools/convert.py'), file, rows, '--no-header'];
  const { status, stderr } = spawnSync(program('ours', 'python'), args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${basename(file)} could not be converted:\n${stderr}`);
}

const off = { SM_BATCH_ROWS: '1' };

/** Settings of the fastapi server, for the table that justifies the defaults. */
const settings: Readonly<Record<string, Variables>> = {
  default: {},
  '1 process': { SM_WORKERS: '1' },
  '2 processes': { SM_WORKERS: '2' },
  '1 process, batching off': { SM_WORKERS: '1', ...off },
  '2 processes, batching off': { SM_WORKERS: '2', ...off },
};

/** The fastapi server with each of these settings. */
export const variants: readonly Contender[] = Object.entries(settings).map(([name, env]) => {
  const set = Object.entries(env).map((variable) => variable.join('='));
  return own(name, ['--model-server=fastapi'], set.length > 0 ? `\`${set.join(' ')}\`` : 'no variables set', env);
});
