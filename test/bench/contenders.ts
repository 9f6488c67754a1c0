// The contenders: one entry per server.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { has } from '../support/tools.js';
import { type Contender, predictions, sagemaker } from './contender.js';
import { program, version } from './environments.js';
import { python } from './models.js';
import { own } from './ours.js';

const front = has('nginx') ? 'behind nginx' : 'without nginx, which is not installed';
const workers = '2'; // for contenders that accept a number, except our own

const others: readonly Contender[] = [
  {
    ...sagemaker,
    name: 'pattern',
    about: `the common setup, Flask ${version('ours', 'flask')} on gunicorn with ${workers} sync workers`,
    environment: 'ours',
    predictions,
    setUp: ({ file, ports }) => ({
      command: program('ours', 'gunicorn'),
      args: ['--workers', workers, '--bind', `127.0.0.1:${ports[0]}`, '--chdir', python(''), 'pattern:app'],
      env: { MODEL: file },
    }),
  },
  mlserver('mlserver', 'default settings', {}, {}),
  mlserver(
    'mlserver-batching',
    'tuned for throughput: adaptive batching, predictions in the server process',
    { parallel_workers: 0 },
    { max_batch_size: 64, max_batch_time: 0.002 },
  ),
  {
    name: 'bentoml',
    about: `BentoML ${version('bentoml', 'bentoml')}, adaptive batching, ${workers} workers`,
    environment: 'bentoml',
    ping: '/readyz',
    path: '/predict',
    body: (record) => ({ records: [record] }),
    predictions: (answer) => answer,
    setUp: ({ folder, file, ports }) => ({
      command: program('bentoml', 'bentoml'),
      args: ['serve', 'bento_service:Classifier', '--working-dir', python(''), '--port', `${ports[0]}`],
      env: { MODEL: file, WORKERS: workers, BENTOML_HOME: folder, BENTOML_DO_NOT_TRACK: 'True' },
    }),
  },
  {
    ...sagemaker,
    name: 'mlflow',
    about: `\`mlflow models serve\` ${version('mlflow', 'mlflow')}, ${workers} workers`,
    environment: 'mlflow',
    body: (record) => ({ inputs: [record] }),
    predictions,
    setUp: ({ folder, file, ports }) => {
      const saved = join(folder, 'saved');
      must(program('mlflow', 'python'), [python('save_mlflow.py'), file, saved]);
      const args = ['models', 'serve', '-m', saved, '--env-manager', 'local', '--workers', workers];
      const env = { MLFLOW_DISABLE_TELEMETRY: 'true' };
      return { command: program('mlflow', 'mlflow'), args: [...args, '--port', `${ports[0]}`], cwd: folder, env };
    },
  },
  toolkit('mms', ['sagemaker-inference', 'multi-model-server'], "as in AWS's images"),
  toolkit('gevent', ['sagemaker-containers', 'gunicorn', 'gevent'], `as in AWS's scikit-learn image, ${front}`),
  {
    ...sagemaker,
    name: 'bare',
    about: 'the upper bound: predicts nothing, on one bare uvicorn process with uvloop, httptools and no log',
    environment: 'ours',
    setUp: ({ ports }) => ({
      command: program('ours', 'uvicorn'),
      args: ['bare:app', '--app-dir', python(''), '--port', `${ports[0]}`, '--no-access-log', '--log-level', 'warning'],
    }),
  },
];

/** Adds the environment variables of the model. */
const withVariables = (contender: Contender): Contender => ({
  ...contender,
  setUp: (place) => {
    const launch = contender.setUp(place);
    return { ...launch, env: { ...launch.env, ...place.model.env } };
  },
});

export const contenders: readonly Contender[] = [
  own('fastapi', ['--model-server=fastapi'], 'a generated project, `--model-server=fastapi`, default settings'),
  own('flask', ['--model-server=flask'], `the same with \`--model-server=flask\`: gunicorn ${front}`),
  own(
    'fastapi-onnx',
    ['--model-server=fastapi', '--runtime=onnx'],
    '`fastapi` with the model converted to ONNX: `--runtime=onnx`',
  ),
  ...others.map(withVariables),
];

function mlserver(name: string, how: string, settings: object, batching: object): Contender {
  return {
    name,
    about: `MLServer ${version('mlserver', 'mlserver')} with its scikit-learn runtime, ${how}`,
    environment: 'mlserver',
    ping: '/v2/models/model/ready',
    path: '/v2/models/model/infer',
    body: (record) => ({ inputs: [{ name: 'predict', shape: [1, record.length], datatype: 'FP64', data: record }] }),
    predictions: (answer) => answer.outputs[0].data,
    setUp: ({ folder, file, ports: [http_port, grpc_port, metrics_port] }) => {
      copyFileSync(file, join(folder, basename(file)));
      const runtime = { name: 'model', implementation: 'mlserver_sklearn.SKLearnModel' };
      const model = { ...runtime, parameters: { uri: `./${basename(file)}` }, ...batching };
      writeFileSync(join(folder, 'model-settings.json'), JSON.stringify(model));
      writeFileSync(join(folder, 'settings.json'), JSON.stringify({ http_port, grpc_port, metrics_port, ...settings }));
      return { command: program('mlserver', 'mlserver'), args: ['start', '.'], cwd: folder };
    },
  };
}

/** A serving stack from AWS's own images, installed from its packages. python/NAME_service.py starts it. */
function toolkit(name: 'mms' | 'gevent', packages: readonly string[], how: string): Contender {
  return {
    ...sagemaker,
    name,
    about: `${packages.map((each) => `${each} ${version(name, each)}`).join(', ')}, ${how}, ${workers} workers`,
    environment: name,
    body: (record) => [record],
    predictions: (answer) => answer,
    setUp: ({ folder, file, ports }) => {
      if (name === 'mms' && !has('java'))
        throw new Error('it needs Java. On Debian: apt-get install default-jre-headless');
      mkdirSync(join(folder, 'model'));
      copyFileSync(file, join(folder, 'model', basename(file)));
      const env = {
        PYTHONPATH: python(''),
        SAGEMAKER_BASE_DIR: folder,
        SAGEMAKER_BIND_TO_PORT: `${ports[0]}`,
        SAGEMAKER_MODEL_SERVER_WORKERS: workers,
        SAGEMAKER_USE_NGINX: `${has('nginx')}`,
        TEMP: folder, // of MMS
        TMPDIR: folder,
      };
      return { command: program(name, 'python'), args: [python(`${name}_service.py`)], cwd: folder, env };
    },
  };
}

function must(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  if (status !== 0) throw new Error(`${basename(args[0] ?? command)} failed:\n${stderr}`);
}
