// Which files a project has. Reads like the tree that is generated.
import { packageName, setOf, standardRelease } from '../catalog/versions.js';
import { storageName } from '../config/files.js';
import { deployerModules, projectModule, requestModules, settingsChapters } from './deployer.js';
import type { LanguageModel, Project } from './project.js';
import { chapters } from './readme.js';
import type { Requirements } from './requirements.js';

interface Spec {
  /** Where it lies in the project. */
  readonly path: string;
  readonly executable?: boolean;
}
/** One file to write: from a template, from several as its chapters, of requirements, from IAM statements merged, or of a text. */
export type FileSpec = Spec &
  (
    | { template: string }
    | { chapters: readonly string[] }
    | { asked: Requirements }
    | { locked: Requirements }
    | { added: readonly string[]; from?: string }
    | { statements: readonly string[] }
    | { text: string }
  );

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
const when = (condition: boolean, files: readonly FileSpec[]) => (condition ? files : []);
/** Files of a folder, taken from a room of templates/, where they lie as they will lie in the project. */
const from = (room: string, folder: string, names: readonly string[]): FileSpec[] =>
  names.map((name) => [folder, name].filter(Boolean).join('/')).map((path) => ({ path, template: `${room}/${path}` }));
/** Files that lie in templates/ as they will lie in the project. */
const same = (folder: string, names: readonly string[]): FileSpec[] =>
  names.map((name) => `${folder}/${name}`).map((path) => ({ path, template: path }));
const scripts = (folder: string, names: readonly string[]) =>
  same(folder, names).map((spec) => ({ ...spec, executable: true }));
const programs = (room: string, folder: string, names: readonly string[]) =>
  from(room, folder, names).map((spec) => ({ ...spec, executable: true }));

/** The files of a project. Pure: reads nothing, writes nothing. */
export function manifest(project: Project): FileSpec[] {
  const { language, sample, tests, training, answers } = project;
  const trial = language
    ? from('engines', 'test', ['chat_request.json'])
    : [
        ...programs('test', 'test', ['run_local.sh', 'check_contract.py']),
        ...from('test', 'test', ['local_server.py']),
      ];
  return [
    { path: 'README.md', chapters: chapters(project) },
    { path: '.gitignore', template: 'project/_gitignore' },
    { path: '.yo-rc.json', text: json({ [storageName]: answers }) },
    ...installed('', project.requirements),
    { path: '.python-version', text: `${project.python}\n` },
    ...programs('project', '', ['lock.sh']),
    ...(language ? engine(project, language) : container(project)),
    ...when(language !== undefined, from('engines', 'test', ['sample_request.json'])),
    { path: 'model/.gitkeep', text: '' },
    ...when(sample, sampleFiles(project)),
    ...when(tests, trial),
    ...when(training, trainingFiles(project)),
    ...deployment(project),
  ];
}

/** The image of a language model: that of its engine, and what is added to it. */
function engine({ server, serverEntry }: Project, { options }: LanguageModel): FileSpec[] {
  const modules = '__init__ adapter classic errors model options token';
  return [
    { path: '.dockerignore', template: 'engines/_dockerignore' },
    { path: 'Dockerfile', template: 'engines/Dockerfile.ejs' },
    { path: 'code/options.json', text: json(options) },
    ...programs('engines', 'code', ['serve']),
    ...from('engines', 'code/serving', modulesOf(modules)),
    ...from(`servers/${server}`, 'code', serverEntry.files),
  ];
}

const modulesOf = (names: string) => names.split(' ').map((name) => `${name}.py`);

/** The image of any other model: our server, and the file that the user edits. */
function container(project: Project): FileSpec[] {
  const { framework, runtime, entry, server, serverEntry, multiModel } = project;
  const room = runtime === 'native' ? `frameworks/${framework}` : `runtimes/${runtime}`;
  const { files, many } = serverEntry;
  const modules =
    'settings single models script_mode toolkit user_code plain_code versions advice expected request stages invocation content arrays dataframes columns values signature tables batching tabular media_types file_types errors logs processes metrics_memory metrics_server';
  return [
    { path: '.dockerignore', template: 'container/_dockerignore.ejs' },
    { path: 'Dockerfile', template: 'container/Dockerfile.ejs' },
    { path: 'code/model_handler.py', template: `${room}/code/${handlerOf(project)}` },
    ...programs('container', 'code', ['serve']),
    ...when(framework !== 'transformers', describingFiles(project)),
    ...from(
      'container',
      'code/serving',
      [...modules.split(' '), '__init__', ...(entry.modules ?? [])].map((module) => `${module}.py`),
    ),
    ...from(`servers/${server}`, 'code', files),
    ...when(
      Boolean(serverEntry.routes),
      from('container', 'code/serving', ['openapi.py', 'docs.html', 'metrics.py', 'metrics_page.py']),
    ),
    ...(multiModel && many
      ? [
          ...from(`servers/${server}`, 'code', many.files),
          ...from(
            'multi-model',
            'code/serving',
            many.modules.map((module) => `${module}.py`),
          ),
        ]
      : []),
  ];
}

/** The modules of tools/convert.py. */
const converting = 'boosters check estimators graph models pipelines skl2onnx steps'
  .split(' ')
  .map((name) => `convert_${name}.py`);

/** tools/: run where the model was trained. Models on texts have no rows to describe. */
function describingFiles({ framework, runtime, entry }: Project): FileSpec[] {
  const library = entry.describes ? `frameworks/${framework}` : 'tools/describe';
  return [
    ...programs('tools/describe', 'tools', ['describe_model.py']),
    ...from('tools/describe', 'tools', ['describe_rows.py', 'describe_json.py']),
    ...from(library, 'tools', ['describe_library.py']),
    ...when(entry.modules?.includes('tensors') ?? false, from('tools/networks', 'tools', ['describe_network.py'])),
    ...when(runtime === 'onnx', [
      ...programs('tools/convert', 'tools', ['convert.py']),
      ...from('tools/convert', 'tools', converting),
    ]),
  ];
}

/** The handler's template: the format's; of custom code that has mlflow and no sample, the one that calls mlflow.pyfunc. */
function handlerOf({ framework, runtime, format, answers, sample }: Project): string {
  if (runtime === 'onnx') return 'model_handler.py';
  const pyfunc = framework === 'custom' && !sample && answers.packages?.some((each) => packageName(each) === 'mlflow');
  return pyfunc ? 'model_handler.mlflow.py' : (format?.handler ?? 'model_handler.py');
}

/** requirements.in of an image, and its lock. */
const installed = (folder: string, requirements: Requirements): FileSpec[] => [
  { path: `${folder}requirements.in`, asked: requirements },
  { path: `${folder}requirements.txt`, locked: requirements },
];

/** train/: the training image, what runs in it, and what starts the job. */
function trainingFiles(project: Project): FileSpec[] {
  const { framework, entry, trainingRequirements } = project;
  const ending = entry.formats.length > 1 ? 'py.ejs' : 'py';
  return [
    { path: 'train/Dockerfile', template: 'training/train/Dockerfile.ejs' },
    { path: 'train/.dockerignore', template: 'training/train/_dockerignore' },
    ...installed('train/', trainingRequirements),
    { path: 'train/train.py', template: `frameworks/${framework}/train/train.${ending}` },
    ...from('training', 'train', ['job.py', 'inputs.py', 'local_job.py']),
    ...programs('training', 'train', ['run_local.sh', 'build_and_push.sh', 'fit.py']),
  ];
}

/** deploy/: the program, and the scripts that call it. */
function deployment(project: Project): FileSpec[] {
  const { tools, build } = project;
  return [
    { path: 'deploy/settings.env', chapters: settingsChapters(project) },
    ...scripts('deploy', ['build_and_push.sh', 'upload_model.sh', 'invoke.sh', 'delete.sh']),
    ...when(tools.includes('cli'), scripts('deploy', ['deploy.sh'])),
    ...when(tools.includes('boto3'), scripts('deploy', ['deploy.py'])),
    ...when(build === 'codebuild', scripts('deploy', ['submit_build.sh'])),
    ...when(build === 'codebuild', same('deploy', ['buildspec.yml'])),
    ...scripts('deploy/deployer', ['run']),
    { path: 'deploy/deployer/project.py', text: projectModule(project) },
    ...same('deploy/deployer', modulesOf(deployerModules(project).join(' '))),
    ...same('deploy/deployer/requests', modulesOf(requestModules(project).join(' '))),
    ...when(
      tools.includes('cdk'),
      same('deploy/cdk', ['app.py', 'endpoint_stack.py', 'execution_role.py', 'cdk.json', 'requirements.txt']),
    ),
    ...rights(project),
  ];
}

/** deploy/iam: who may do what. */
function rights({ targetEntry, tools, build, modelDelivery, training, language }: Project): FileSpec[] {
  const document = (name: string, parts: readonly string[]) => ({
    path: `deploy/iam/${name}.json`,
    statements: parts.map((part) => `deploy/iam/${name}/${part}.json`),
  });
  const others = [...(tools.includes('cdk') ? ['cdk'] : []), ...(build === 'codebuild' ? ['codebuild'] : [])];
  const { execution, deployer } = targetEntry.rights;
  const jobs = training ? ['training'] : [];
  const model = modelDelivery === 's3' ? [targetEntry.models] : [];
  return [
    ...scripts('deploy/iam', ['create_role.sh']),
    ...same('deploy/iam', ['trust.json']),
    ...when(build === 'codebuild', same('deploy/iam', ['codebuild-role.json', 'codebuild-trust.json'])),
    document('execution-role', ['common', ...model, ...(language?.id ? ['hub'] : []), ...execution, ...jobs]),
    document('deployer', ['common', ...model, ...deployer]),
    // Policies of their own: all in one would be longer than IAM allows.
    ...[...others, ...jobs].map((tool) => ({
      path: `deploy/iam/deployer-${tool}.json`,
      statements: [`deploy/iam/deployer/${tool}.json`],
    })),
    document('role-maker', ['common', ...others]),
  ];
}

function sampleFiles({ framework, runtime, entry, format }: Project): FileSpec[] {
  const room = `frameworks/${framework}`;
  const packages = {
    path: 'sample_model/requirements.txt',
    added: [...(entry.makingPackages ?? []), ...(format?.packages ?? [])],
    ...(runtime === 'onnx' && { from: setOf(framework, standardRelease(framework), false) }),
  };
  return [
    { path: 'sample_model/train.py', template: `${room}/sample_model/train.py.ejs` },
    ...from(runtime === 'onnx' ? 'runtimes/onnx' : 'sample', 'sample_model', ['sample.py']),
    ...when(runtime === 'onnx', [{ path: 'sample_model/data.py', template: 'sample/sample_model/sample.py' }]),
    ...(entry.makingPackages ? [packages] : []),
  ];
}
