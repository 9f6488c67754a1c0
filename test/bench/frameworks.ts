// What each framework costs, with its own sample served by fastapi: the time to the first good ping, memory, the image.
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

/** What serving the sample of a framework takes; undefined where that failed. */
export interface Costs {
  seconds: number; // to the first good ping: the median
  memory: number; // MB, of all its processes after a request
  processes: number;
}
export interface FrameworkRow {
  framework: string;
  format: string | undefined; // the first; none where the framework has none of its own
  costs: Costs | undefined;
}
export interface Frameworks {
  rows: readonly FrameworkRow[];
  images: Images | undefined; // none where there is no Docker, or where they were not asked for
}

/** A framework that can be generated: its project, and the Python of its environment. */
export interface Sample {
  framework: Framework;
  format: string | undefined;
  project: string;
  python: string;
}

const all = [...new Set(combinations.map(({ framework }) => framework))];

/** Generates a project of each framework, in its first format, and installs what it needs. Throws where that fails. */
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

/** Measures them. The images come last: what Docker writes would slow the starts. */
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

/** Trains the sample of a project and serves it, again and again. */
async function serve({ framework, project, python }: Sample, starts: number): Promise<Costs> {
  await must(python, [join(project, 'sample_model/train.py')]);
  // The environment of its tests has pandas, too, which scikit-learn imports where it is installed.
  const command = framework === 'sklearn' && install('ours') ? program('ours', 'python') : python;
  await must(command, ['-m', 'compileall', '-q', join(project, 'code')]); // as in its image
  const port = await findPort();
  const env = { SM_MODEL_DIR: 'model', SAGEMAKER_BIND_TO_PORT: `${port}` };
  const launch = { command, args: ['code/serve'], cwd: project, env };
  const { ping } = sagemaker;
  const startable = { launch, port, ping, bin: join(command, '..'), log: join(project, 'server.log') };
  const runs: Costs[] = [];
  for (let time = 0; time <= starts; time++) runs.push(await startOnce(startable, project));
  const measured = runs.slice(1); // the first brings the files into the page cache
  const middle = (key: keyof Costs) => median(measured.map((each) => each[key]));
  return { seconds: middle('seconds'), memory: middle('memory'), processes: middle('processes') };
}

/** One start, one request, which has to be answered. */
async function startOnce(startable: Startable, project: string): Promise<Costs> {
  const { pid, port, seconds } = await start(startable);
  try {
    const { status, text } = await ask(
      port,
      sagemaker.path,
      readFileSync(join(project, 'test/sample_request.json'), 'utf8'),
    );
    if (status !== 200) throw new Error(`the sample request was answered with ${status}: ${text}`);
    return { seconds, ...readMemory(pid) };
  } finally {
    await stop(pid);
  }
}
