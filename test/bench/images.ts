// The images of generated projects: built like deploy/ does, measured, and removed again.
import { entryOf, type Framework } from '../../generators/catalog/frameworks.js';
import { build, must, run, sizeOfPackages, unique } from '../support/rig.js';
import { say } from './lineup.js';

export interface Image {
  size: number; // MB
  packages: number; // MB that pip installs
  cuda?: string | undefined; // the version of CUDA that it contains although the project is for CPUs
}

export interface Images {
  base: { name: string; size: number };
  built: Readonly<Record<string, Image>>; // by framework, without those that could not be built
}

/** Measures the images of projects, by framework; undefined without Docker or a base image in BASE_IMAGE. */
export async function weighImages(
  projects: readonly { framework: Framework; project: string }[],
): Promise<Images | undefined> {
  const name = process.env.BASE_IMAGE;
  if (!name || !((await succeeds('image', 'inspect', name)) || (await succeeds('pull', name)))) return;
  const built: Record<string, Image> = {};
  for (const { framework, project } of projects) {
    say(`${framework}: building its image`);
    const tag = unique(`bench-${framework}`);
    try {
      await build(project, tag, name);
      const packages = (await sizeOfPackages(tag)) / 1e6;
      built[framework] = { size: await weigh(tag), packages, cuda: await findCuda(tag, framework) };
    } catch (error) {
      console.error(`${framework}: no image: ${error instanceof Error ? error.message : error}`);
    }
    await run('docker', ['image', 'rm', '--force', tag]);
  }
  return { base: { name, size: await weigh(name) }, built };
}

/** Whether Docker is available and the command succeeds. */
const succeeds = (...args: string[]): Promise<boolean> =>
  run('docker', args).then(
    ({ code }) => code === 0,
    () => false,
  );

/** Returns the megabytes of all layers, unpacked. (`inspect` returns the compressed size in some image stores.) */
async function weigh(image: string): Promise<number> {
  const sizes = await must('docker', ['history', '--human=false', '--format={{.Size}}', image]);
  return sizes.split('\n').reduce((sum, size) => sum + Number(size), 0) / 1e6;
}

/** Returns the version of CUDA in an image that should have the CPU build from its own index. */
async function findCuda(image: string, framework: Framework): Promise<string | undefined> {
  const name = entryOf(framework).cpuBuild?.package;
  if (!name) return;
  const program = `import ${name}; print(${name}.version.cuda or '')`;
  return (await must('docker', ['run', '--rm', image, 'python', '-c', program])) || undefined;
}
