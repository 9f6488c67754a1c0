// Which files a project has. Reads like the tree that is generated.
import type { Project } from './project.js';

interface Spec {
  /** Where it lies in the project. */
  readonly path: string;
  readonly executable?: boolean;
}
/** One file to write: from a template, from several as its parts, from requirement sets merged, or of a text. */
export type FileSpec = Spec &
  ({ template: string } | { parts: readonly string[] } | { merge: readonly string[] } | { text: string });

/** The name under which .yo-rc.json keeps a project's answers. */
export const storageName = 'generator-ml-container-creator';

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
const when = (condition: boolean, files: readonly FileSpec[]) => (condition ? files : []);
/** Files that lie in the room of templates/ as they will lie in the project. */
const from = (room: string, paths: readonly string[]): FileSpec[] =>
  paths.map((path) => ({ path, template: `${room}/${path}` }));
const programs = (room: string, paths: readonly string[]) =>
  from(room, paths).map((spec) => ({ ...spec, executable: true }));

/** The files of a project, sorted as they are listed here. Pure: reads nothing, writes nothing. */
export function manifest(project: Project): FileSpec[] {
  const { framework, format, server, sample, tests, answers } = project;
  return [
    { path: 'README.md', parts: readme(project).map((part) => `project/readme/${part}`) },
    { path: '.gitignore', template: 'project/_gitignore' },
    { path: '.yo-rc.json', text: json({ [storageName]: answers }) },
    { path: '.dockerignore', template: 'container/_dockerignore.ejs' },
    { path: 'Dockerfile', template: 'container/Dockerfile.ejs' },
    {
      path: 'requirements.txt',
      merge: [framework, ...(format?.requirements ?? []), server].map((set) => `requirements/${set}.txt`),
    },
    ...programs('container', ['code/serve']),
    ...from(
      'container',
      serving.map((name) => `code/serving/${name}.py`),
    ),
    ...from(`servers/${server}`, ['code/serving/app.py', ...(server === 'flask' ? ['code/nginx.conf'] : [])]),
    ...from(`frameworks/${framework}`, ['code/model_handler.py']),
    { path: 'model/.gitkeep', text: '' },
    ...when(sample, from(`frameworks/${framework}`, ['sample_model/train.py'])),
    ...when(tests, programs('test', ['test/run_local.sh'])),
    { path: 'deploy/settings.sh', template: 'deploy/deploy/settings.sh.ejs' },
    ...from('deploy', ['deploy/common.sh']),
    ...programs(
      'deploy',
      deployScripts.map((name) => `deploy/${name}.sh`),
    ),
  ];
}

function readme({ format, modelDelivery, sample, tests }: Project): string[] {
  return [
    'about.md.ejs',
    `${tests ? 'try' : 'serve'}-${sample ? 'sample.md' : 'own.md.ejs'}`,
    'model.md.ejs',
    ...(format?.pickle ? ['pickle.md.ejs'] : []),
    'requests.md',
    `deploy-${modelDelivery}.md.ejs`,
    'deploy-notes.md.ejs',
  ];
}

const serving = ['__init__', 'content', 'errors', 'invocation', 'logs', 'models', 'processes', 'settings', 'tabular'];
const deployScripts = ['build_and_push', 'upload_model', 'deploy', 'invoke', 'delete'];
