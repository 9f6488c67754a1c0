// The files of a project, folder by folder. Each row has a condition, and the files to add if it is true.
import { packageName, setOf, standardRelease } from '../catalog/versions.js';
import { answersFile, storageName } from '../config/files.js';
import { deployerModules, projectModule, requestModules, settingsChapters } from './deployer.js';
import type { Project } from './project.js';
import { chapters } from './readme.js';
import type { Requirements } from './requirements.js';

interface Spec {
  /** The path in the project. */
  readonly path: string;
  readonly executable?: boolean;
}
/** A file to write: from a template, chapters, requirements or IAM statements, or with a fixed text. */
export type FileSpec = Spec &
  (
    | { template: string }
    | { chapters: readonly string[] }
    | { requirements: Requirements }
    | { lock: Requirements }
    | { additions: readonly string[]; from?: string }
    | { statements: readonly string[] }
    | { text: string }
  );

/** The files that a folder gets if the condition is true. */
type Row = readonly [condition: boolean, ...files: readonly FileSpec[]];

const always = true;
const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
/** Files of a folder, copied from the same path in a folder of templates/. */
const from = (templates: string, folder: string, names: readonly string[]): FileSpec[] =>
  names.map((name) => ({ path: `${folder}${name}`, template: `${templates}${folder}${name}` }));
const programs = (templates: string, folder: string, names: readonly string[]) =>
  from(templates, folder, names).map((spec) => ({ ...spec, executable: true }));
const modules = (names: string | readonly string[]) =>
  (typeof names === 'string' ? names.split(' ') : names).map((name) => `${name}.py`);
/** The requirements.in of an image, and its lock. */
const requirementsFiles = (folder: string, requirements: Requirements): FileSpec[] => [
  { path: `${folder}requirements.in`, requirements },
  { path: `${folder}requirements.txt`, lock: requirements },
];

/** The files of a project. Pure: reads nothing, writes nothing. */
export function manifest(project: Project): FileSpec[] {
  const folders = [root, code, serving, deploy, iam, model, sampleModel, test, tools, train];
  return folders.flatMap((folder) => folder(project)).flatMap(([condition, ...files]) => (condition ? files : []));
}

const root = (project: Project): Row[] => [
  [always, { path: 'README.md', chapters: chapters(project) }],
  [always, { path: '.gitignore', template: 'project/_gitignore' }],
  [always, { path: '.gitattributes', template: 'project/_gitattributes' }],
  [always, { path: answersFile, text: json({ [storageName]: project.answers }) }],
  [always, { path: '.python-version', text: `${project.python}\n` }],
  [always, ...requirementsFiles('', project.requirements)],
  [always, ...programs('project/', '', ['lock.sh'])],
  [!project.language, { path: '.dockerignore', template: 'container/_dockerignore.ejs' }],
  [!project.language, { path: 'Dockerfile', template: 'container/Dockerfile.ejs' }],
  [!!project.language, { path: '.dockerignore', template: 'engines/_dockerignore' }],
  [!!project.language, { path: 'Dockerfile', template: 'engines/Dockerfile.ejs' }],
];

/** code/: the program in the image, and the file that the user edits. */
function code(project: Project): Row[] {
  const { language, server, serverEntry } = project;
  const handler = `${folderOf(project)}/code/${handlerOf(project)}`;
  return [
    [!language, { path: 'code/model_handler.py', template: handler }],
    [!!language, { path: 'code/options.json', text: json(language?.options) }],
    [always, ...programs(language ? 'engines/' : 'container/', 'code/', ['serve'])],
    [always, ...from(`servers/${server}/`, 'code/', serverEntry.files)],
    [project.multiModel, ...from(`servers/${server}/`, 'code/', serverEntry.multiModel?.files ?? [])],
  ];
}

/** code/serving/: the server, or for an engine, the code that calls it. */
function serving({ entry, language, multiModel, serverEntry }: Project): Row[] {
  const folder = 'code/serving/';
  const own = [
    '__init__ settings single models script_mode toolkit user_code plain_code versions advice expected',
    'request stages invocation content arrays dataframes columns values signature tables batching tabular',
    'media_types file_types errors logs processes metrics_memory metrics_server',
  ];
  return [
    [!!language, ...from('engines/', folder, modules('__init__ adapter classic errors model options token'))],
    [!language, ...from('container/', folder, modules(own.join(' ')))],
    [!language, ...from('container/', folder, modules(entry.modules ?? []))],
    [!!serverEntry.routes, ...from('container/', folder, modules('openapi metrics metrics_page'))],
    [!!serverEntry.routes, ...from('container/', folder, ['docs.html'])],
    [multiModel, ...from('multi-model/', folder, modules(serverEntry.multiModel?.modules ?? []))],
  ];
}

/** deploy/: the program that deploys, the scripts that call it, and its settings. */
function deploy(project: Project): Row[] {
  const { tools, build } = project;
  return [
    [always, { path: 'deploy/settings.env', chapters: settingsChapters(project) }],
    [always, ...programs('', 'deploy/', ['build_and_push.sh', 'upload_model.sh', 'invoke.sh', 'delete.sh'])],
    [tools.includes('cli'), ...programs('', 'deploy/', ['deploy.sh'])],
    [tools.includes('boto3'), ...programs('', 'deploy/', ['deploy.py'])],
    [tools.includes('cdk'), ...from('', 'deploy/cdk/', ['cdk.json', 'requirements.txt'])],
    [tools.includes('cdk'), ...from('', 'deploy/cdk/', modules('app endpoint_stack execution_role'))],
    [build === 'codebuild', ...programs('', 'deploy/', ['submit_build.sh'])],
    [build === 'codebuild', ...from('', 'deploy/', ['buildspec.yml'])],
    [always, ...programs('', 'deploy/deployer/', ['run'])],
    [always, { path: 'deploy/deployer/project.py', text: projectModule(project) }],
    [always, ...from('', 'deploy/deployer/', modules(deployerModules(project)))],
    [always, ...from('', 'deploy/deployer/requests/', modules(requestModules(project)))],
  ];
}

/** deploy/iam/: the permissions of each role. */
function iam({ targetEntry, tools, build, modelDelivery, training, language }: Project): Row[] {
  const document = (name: string, parts: readonly string[], folder = name) => ({
    path: `deploy/iam/${name}.json`,
    statements: parts.map((part) => `deploy/iam/${folder}/${part}.json`),
  });
  const [cdk, codebuild] = [tools.includes('cdk'), build === 'codebuild'];
  const { execution, deployer } = targetEntry.permissions;
  const jobs = training ? ['training'] : [];
  const models = modelDelivery === 's3' ? [targetEntry.models] : [];
  const makers = ['common', ...(cdk ? ['cdk'] : []), ...(codebuild ? ['codebuild'] : [])];
  return [
    [always, ...programs('', 'deploy/iam/', ['create_role.sh'])],
    [always, ...from('', 'deploy/iam/', ['trust.json'])],
    [
      always,
      document('execution-role', ['common', ...models, ...(language?.id ? ['hub'] : []), ...execution, ...jobs]),
    ],
    [always, document('deployer', ['common', ...models, ...deployer])],
    // Separate policies, because IAM limits the length of each.
    [cdk, document('deployer-cdk', ['cdk'], 'deployer')],
    [codebuild, document('deployer-codebuild', ['codebuild'], 'deployer')],
    [training, document('deployer-training', ['training'], 'deployer')],
    [codebuild, ...from('', 'deploy/iam/', ['codebuild-role.json', 'codebuild-trust.json'])],
    [always, document('role-maker', makers)],
  ];
}

const model = (): Row[] => [[always, { path: 'model/.gitkeep', text: '' }]];

/** sample_model/: trains a model and writes a request for it, in the training environment. */
function sampleModel({ framework, runtime, entry, format, sample }: Project): Row[] {
  const onnx = runtime === 'onnx';
  const additions = [...(entry.trainingPackages ?? []), ...(format?.packages ?? [])];
  const set = onnx ? { from: setOf(framework, standardRelease(framework), false) } : {};
  return [
    [sample, { path: 'sample_model/train.py', template: `frameworks/${framework}/sample_model/train.py.ejs` }],
    [sample, ...from(onnx ? 'runtimes/onnx/' : 'sample/', 'sample_model/', ['sample.py'])],
    [sample && onnx, { path: 'sample_model/data.py', template: 'sample/sample_model/sample.py' }],
    [sample && !!entry.trainingPackages, { path: 'sample_model/requirements.txt', additions, ...set }],
  ];
}

const test = ({ language, tests }: Project): Row[] => [
  [!!language, ...from('engines/', 'test/', ['sample_request.json'])],
  [!!language && tests, ...from('engines/', 'test/', ['chat_request.json'])],
  [!language && tests, ...programs('test/', 'test/', ['run_local.sh', 'check_contract.py'])],
  [!language && tests, ...from('test/', 'test/', ['local_server.py'])],
];

/** tools/: programs for the training environment. Models of texts have no rows to describe. */
function tools({ framework, runtime, entry, language }: Project): Row[] {
  const describes = !language && framework !== 'transformers';
  const converts = describes && runtime === 'onnx';
  const library = entry.describes ? `frameworks/${framework}/` : 'tools/describe/';
  const steps = 'boosters check estimators graph models pipelines skl2onnx steps'.split(' ');
  return [
    [describes, ...programs('tools/describe/', 'tools/', ['describe_model.py'])],
    [describes, ...from('tools/describe/', 'tools/', modules('describe_rows describe_json'))],
    [describes, ...from(library, 'tools/', modules('describe_library'))],
    [describes && !!entry.modules?.includes('tensors'), ...from('tools/networks/', 'tools/', ['describe_network.py'])],
    [converts, ...programs('tools/convert/', 'tools/', ['convert.py'])],
    [converts, ...from('tools/convert/', 'tools/', modules(steps.map((step) => `convert_${step}`)))],
  ];
}

/** train/: the training image, the program in it, and the script that starts the job. */
function train({ framework, entry, training, trainingRequirements }: Project): Row[] {
  const template = `frameworks/${framework}/train/train.${entry.formats.length > 1 ? 'py.ejs' : 'py'}`;
  return [
    [training, { path: 'train/Dockerfile', template: 'training/train/Dockerfile.ejs' }],
    [training, { path: 'train/.dockerignore', template: 'training/train/_dockerignore' }],
    [training, ...requirementsFiles('train/', trainingRequirements)],
    [training, { path: 'train/train.py', template }],
    [training, ...from('training/', 'train/', modules('job inputs local_job'))],
    [training, ...programs('training/', 'train/', ['run_local.sh', 'build_and_push.sh', 'fit.py'])],
  ];
}

/** The folder of templates/ with the handler of a framework, or of the runtime that its models are converted for. */
const folderOf = ({ framework, runtime }: Project) =>
  runtime === 'native' ? `frameworks/${framework}` : `runtimes/${runtime}`;

/** The handler's template. Custom code with mlflow, but without the sample, gets the one that calls mlflow.pyfunc. */
function handlerOf({ framework, runtime, format, answers, sample }: Project): string {
  if (runtime === 'onnx') return 'model_handler.py';
  const pyfunc = framework === 'custom' && !sample && answers.packages?.some((each) => packageName(each) === 'mlflow');
  return pyfunc ? 'model_handler.mlflow.py' : (format?.handler ?? 'model_handler.py');
}
