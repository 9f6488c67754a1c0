// Many models in one container: the memory of a model in its own process, compared with all models in one process.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateProject } from '../support/generate.js';
import { must } from '../support/rig.js';
import type { Sample } from './frameworks.js';
import { ask } from './http.js';
import { say } from './lineup.js';
import { load, writeScript } from './load.js';
import { python as program } from './models.js';
import { median } from './numbers.js';
import type { Options } from './options.js';
import { readMemory } from './processes.js';
import { findPort, start, stop } from './servers.js';

/** Megabytes of a model in its own process and as an object, of `count` objects, and after deleting these. */
export interface ManyRow {
  framework: string;
  own: number;
  object: number;
  taken: number;
  left: number;
}
export interface Many {
  rows: readonly ManyRow[];
  count: number;
  among: number; // requests/s of one of many models
  alone: number; // requests/s of the same model alone in one process
}

const count = 20;

/** Measures every framework and, with scikit-learn, the overhead of the web server's separate process. */
export async function measureMany(samples: readonly Sample[], options: Options): Promise<Many> {
  const rows: ManyRow[] = [];
  let hop = { among: Number.NaN, alone: Number.NaN };
  // Language models have one endpoint each.
  for (const { framework, format, project: single, python } of samples.filter(
    (each) => each.framework !== 'transformers',
  )) {
    say(`${framework}: ${count} models`);
    const project = `${single}-many`;
    const formatOption = format ? { modelFormat: format } : {};
    await generateProject({ framework, ...formatOption, multiModel: true, includeSampleModel: true }, project);
    await must(python, [join(project, 'sample_model/train.py')]);
    await must(python, ['-m', 'compileall', '-q', join(project, 'code')]); // as in its image
    const own = await measureProcesses(project, python);
    const one = JSON.parse(
      (await must(python, [program('in_one_process.py'), project, `${count}`])).split('\n').at(-1) ?? '',
    );
    rows.push({ framework, own, object: one.taken / count, ...one });
    if (framework === 'sklearn') hop = await measureHop(project, python, options);
  }
  return { rows, count, ...hop };
}

/** Returns the megabytes that each of `count` models adds to a server with two models. */
async function measureProcesses(project: string, python: string): Promise<number> {
  return withServer(project, python, { SAGEMAKER_MULTI_MODEL: 'true' }, async (port, pid) => {
    for (const name of ['first', 'second']) await add(port, project, name); // the second finds all modules imported
    const before = readMemory(pid).memory;
    for (let number = 0; number < count; number++) await add(port, project, `m${number}`);
    return (readMemory(pid).memory - before) / count;
  });
}

/** Returns the requests/s of a model behind the web server's process and of the same model alone, alternately. */
async function measureHop(project: string, python: string, { seconds, rounds }: Options) {
  const lua = writeScript(project, [request(project)]);
  const rate = (url: string) => load(url, lua, 32, seconds).then((sample) => sample.rate);
  return withServer(project, python, { SM_WORKERS: '1', OMP_NUM_THREADS: '1' }, (alone) =>
    withServer(project, python, { SAGEMAKER_MULTI_MODEL: 'true' }, async (port) => {
      await add(port, project, 'a');
      const rates = { among: [] as number[], alone: [] as number[] };
      for (let round = 0; round <= rounds; round++) {
        rates.alone.push(await rate(`http://127.0.0.1:${alone}/invocations`));
        rates.among.push(await rate(`http://127.0.0.1:${port}/models/a/invoke`));
      }
      return { among: median(rates.among.slice(1)), alone: median(rates.alone.slice(1)) }; // the first warms up
    }),
  );
}

/** Loads the project's model under a name and sends it one request. */
async function add(port: number, project: string, name: string): Promise<void> {
  const order = JSON.stringify({ model_name: name, url: join(project, 'model') });
  for (const [path, body] of [
    ['/models', order],
    [`/models/${name}/invoke`, request(project)],
  ] as const) {
    const { status, text } = await ask(port, path, body);
    if (status !== 200) throw new Error(`${path} returned ${status}: ${text}`);
  }
}

const request = (project: string) => readFileSync(join(project, 'test/sample_request.json'), 'utf8');

async function withServer<T>(
  project: string,
  python: string,
  settings: Readonly<Record<string, string>>,
  measure: (port: number, pid: number) => Promise<T>,
): Promise<T> {
  const port = await findPort();
  const env = { SM_MODEL_DIR: 'model', SAGEMAKER_BIND_TO_PORT: `${port}`, ...settings };
  const launch = { command: python, args: ['code/serve'], cwd: project, env };
  const { pid } = await start({
    launch,
    port,
    ping: '/ping',
    bin: join(python, '..'),
    log: join(project, 'server.log'),
  });
  try {
    return await measure(port, pid);
  } finally {
    await stop(pid);
  }
}
