// The cost of each framework, with its sample served by fastapi: time to the first successful ping, memory, image size.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Framework } from '../../generators/catalog/frameworks.js';
import { combinations } from '../support/combinations.js';
import { framework as prepareFramework } from '../support/frameworks.js';
import { must } from '../support/rig.js';
import { installTools } from '../support/tools.js';
import { sagemaker } from './contender.js';
import { install, program } from './environments.js';
import { ask } from './http.js';
import { type Images, weighImages } from './images.js';
import { say } from './lineup.js';
import { median } from './numbers.js';
import type { Options } from './options.js';
import { readMemory } from './processes.js';
import { findPort, type Startable, start, stop } from './servers.js';

/** The cost of serving the sample of a framework. */
export interface Costs {
  seconds: number; // to the first successful ping; the median
  memory: number; // MB of all processes after a request
  processes: number;
}
export interface FrameworkRow {
  framework: string;
  format: string | undefined; // its first; undefined if it has none
  costs: Costs | undefined;
}
export interface Frameworks {
  rows: readonly FrameworkRow[];
  images: Images | undefined; // undefined without Docker, or if not requested
}

/** A generated project of a framework, and the Python of its environment. */
export interface Sample {
  framework: Framework;
  format: string | undefined;
  project: string;
  python: string;
}

const all = [...new Set(combinations.map(({ framework }) => framework))];

/** Generates a project of each framework in its first format and installs its packages. Throws if that fails. */
export async function prepareSamples(frameworks: readonly Framework[] = all): Promise<Sample[]> {
  await installTools();
  const samples: Sample[] = [];
  for (const framework of frameworks) {
    const { python, projects, prepare } = prepareFramework(framework);
    await prepare();
    const [first] = combinations.filter((each) => each.framework === framework && each.modelServer === 'fastapi');
    const format = first?.modelFormat;
    samples.push({ framework, format, project: join(projects, `${framework}-${format ?? 'own'}-fastapi`), python });
  }
  return samples;
}

/** Measures the frameworks. Images come last, because Docker's writes would slow down the starts. */
export async function measureFrameworks(samples: readonly Sample[], { starts, quick }: Options): Promise<Frameworks> {
  const rows: FrameworkRow[] = [];
  for (const sample of samples) {
    const { framework, format } = sample;
    say(`${framework}: training, ${starts + 1} starts`);
    const costs = await serve(sample, starts).catch((error: Error) => {
      console.error(`${framework}: ${error.message}`);
      return undefined;
    });
    rows.push({ framework, format, costs });
  }
  return { rows, images: quick || samples.length === 0 ? undefined : await weighImages(samples) };
}

/** Trains the sample of a project and starts its server repeatedly. */
async function serve({ framework, project, python }: Sample, starts: number): Promise<Costs> {
  await must(python, [join(project, 'sample_model/train.py')]);
  // The test environment has pandas, which scikit-learn imports if it is installed.
  const command = framework === 'sklearn' && install('ours') ? program('ours', 'python') : python;
  await must(command, ['-m', 'compileall', '-q', join(project, 'code')]); // as in its image
  const port = await findPort();
  const env = { SM_MODEL_DIR: 'model', SAGEMAKER_BIND_TO_PORT: `${port}` };
  const launch = { command, args: ['code/serve'], cwd: project, env };
  const { ping } = sagemaker;
  const startable = { launch, port, ping, bin: join(command, '..'), log: join(project, 'server.log') };
  const runs: Costs[] = [];
  for (let time = 0; time <= starts; time++) runs.push(await startOnce(startable, project));
  const measured = runs.slice(1); // the first loads the files into the page cache
  const middle = (key: keyof Costs) => median(measured.map((each) => each[key]));
  return { seconds: middle('seconds'), memory: middle('memory'), processes: middle('processes') };
}

/** Starts the server once and sends one request, which must succeed. */
async function startOnce(startable: Startable, project: string): Promise<Costs> {
  const { pid, port, seconds } = await start(startable);
  try {
    const { status, text } = await ask(
      port,
      sagemaker.path,
      readFileSync(join(project, 'test/sample_request.json'), 'utf8'),
    );
    if (status !== 200) throw new Error(`the sample request returned ${status}: ${text}`);
    return { seconds, ...readMemory(pid) };
  } finally {
    await stop(pid);
  }
}
