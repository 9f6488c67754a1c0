// Which files a project has. Reads like the tree that is generated.
import type { Project } from './project.js';

interface Spec {
  /** Where it lies in the project. */
  readonly path: string;
  readonly executable?: boolean;
}
/** One file to write: from a template, from several as its parts, from requirement sets or IAM statements merged, or of a text. */
export type FileSpec = Spec &
  ({ template: string } | { parts: readonly string[] } | { merge: readonly string[] } | { statements: readonly string[] } | { text: string });

/** The name under which .yo-rc.json keeps a project's answers. */
export const storageName = 'generator-ml-container-creator';

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
const when = (condition: boolean, files: readonly FileSpec[]) => (condition ? files : []);
/** Files of a folder, taken from a room of templates/, where they lie as they will lie in the project. */
const from = (room: string, folder: string, names: readonly string[]): FileSpec[] =>
  names.map((name) => ({ path: `${folder}/${name}`, template: `${room}/${folder}/${name}` }));
const programs = (room: string, folder: string, names: readonly string[]) =>
  from(room, folder, names).map((spec) => ({ ...spec, executable: true }));

/** The files of a project. Pure: reads nothing, writes nothing. */
export function manifest(project: Project): FileSpec[] {
  const { framework, entry, format, server, image, sample, tests, answers } = project;
  const handler = `frameworks/${framework}/code/${format?.handler ?? 'model_handler.py'}`;
  const own = image.gpu && entry.gpu?.cuda ? `${framework}-gpu` : framework;
  const sets = [own, ...(format?.requirements ?? []), server];
  const modules =
    'settings models request invocation content batching tabular media_types file_types errors logs processes';
  return [
    { path: 'README.md', parts: readme(project).map((part) => `project/readme/${part}`) },
    { path: '.gitignore', template: 'project/_gitignore' },
    { path: '.yo-rc.json', text: json({ [storageName]: answers }) },
    { path: '.dockerignore', template: 'container/_dockerignore.ejs' },
    { path: 'Dockerfile', template: 'container/Dockerfile.ejs' },
    { path: 'requirements.txt', merge: sets.map((set) => `requirements/${set}.txt`) },
    { path: 'code/model_handler.py', template: handler },
    ...programs('container', 'code', ['serve']),
    ...from(
      'container',
      'code/serving',
      [...modules.split(' '), '__init__', ...(entry.modules ?? [])].map((module) => `${module}.py`),
    ),
    ...from(`servers/${server}`, 'code/serving', ['app.py', 'server.py']),
    ...when(server === 'flask', from('servers/flask', 'code', ['nginx.conf'])),
    { path: 'model/.gitkeep', text: '' },
    ...when(sample, sampleFiles(project)),
    ...when(tests, programs('test', 'test', ['run_local.sh', 'check_contract.py'])),
    ...deployment(project),
  ];
}

/** deploy/: the scripts of every project, those of its target, and those of its tools. */
function deployment({ targetEntry, image, target, tools }: Project): FileSpec[] {
  const { room, invoke, settings, resources } = targetEntry;
  const gpu = target === 'batch' ? 'gpu-batch.sh' : 'gpu.sh.ejs';
  const parts = [
    'names.sh.ejs',
    settings.names,
    'account.sh.ejs',
    ...settings.machines,
    ...(image.gpu ? [gpu] : []),
    ...settings.more,
    'container.sh.ejs',
    'waiting.sh',
  ];
  return [
    { path: 'deploy/settings.sh', parts: parts.map((part) => `deploy/settings/${part}`) },
    {
      path: 'deploy/resources.py',
      parts: ['common', ...resources].map((part) => `deploy/resources/${part}.py`),
      executable: true,
    },
    ...from('deploy', 'deploy', ['common.sh']),
    ...from(`targets/${room}`, 'deploy', ['target.sh']),
    ...programs('deploy', 'deploy', ['build_and_push.sh', 'upload_model.sh', 'model_archive.py', 'delete.sh']),
    ...when(tools.includes('cli'), [
      ...from('deploy', 'deploy', ['checks.sh']),
      ...programs(`targets/${room}`, 'deploy', ['deploy.sh']),
      ...programs(`targets/${invoke ?? room}`, 'deploy', ['invoke.sh']),
    ]),
  ];
}

function sampleFiles({ framework, entry }: Project): FileSpec[] {
  const room = `frameworks/${framework}`;
  return [
    { path: 'sample_model/train.py', template: `${room}/sample_model/train.py.ejs` },
    ...from('sample', 'sample_model', ['sample.py']),
    ...when(entry.sampleRequirements === true, from(room, 'sample_model', ['requirements.txt'])),
  ];
}

function readme({ entry, format, image, cpuBuild, modelDelivery, sample, tests }: Project): string[] {
  const has = (module: string) => entry.modules?.includes(module) ?? false;
  return [
    'about.md.ejs',
    tests && sample ? 'try-sample.md' : `${tests ? 'try' : 'serve'}-${sample ? 'sample' : 'own'}.md.ejs`,
    ...(entry.systemPackage ? ['system-package.md.ejs'] : []),
    ...(tests ? ['contract.md.ejs'] : []),
    entry.formats.length ? 'model.md.ejs' : 'model-custom.md',
    ...(cpuBuild ? ['cpu-build.md.ejs'] : []),
    'handler.md',
    ...(format?.pickle ? ['pickle.md.ejs'] : []),
    'requests.md',
    ...(has('tensors') ? ['named.md'] : []),
    ...(has('libsvm') ? ['libsvm.md'] : []),
    ...(image.gpu ? [entry.gpu?.cuda ? 'gpu.md.ejs' : 'gpu-custom.md'] : []),
    `deploy-${modelDelivery}.md.ejs`,
    'deploy-notes.md',
  ];
}
