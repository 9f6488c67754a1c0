// All valid combinations of choices that result in different containers.
import { type Framework, formatsOf, frameworkNames, frameworks } from '../../generators/catalog/frameworks.js';
import { type Server, serverOf } from '../../generators/catalog/servers.js';

/** The servers that are not an engine with its own image. */
const webServers = (servers: readonly Server[]) => servers.filter((each) => !serverOf(each).engine);

export const combinations = frameworkNames.flatMap((framework) =>
  webServers(frameworks[framework].servers).flatMap((modelServer) =>
    formatsOrNone(framework).flatMap((format) =>
      (['s3', 'image'] as const).map((modelDelivery) => ({
        framework,
        modelServer,
        ...format,
        ...(framework === 'transformers' && { modelName: 'org/tiny' }),
        modelDelivery,
      })),
    ),
  ),
);

/** Language models on each engine and target that engines support, from the Hub and from S3. */
export const languageModels = (['vllm', 'sglang'] as const).flatMap((modelServer) =>
  (['realtime', 'async'] as const).flatMap((deployTarget) =>
    ['Qwen/Qwen3-8B', 's3://bucket/models/llama-13b/'].map((modelName) => ({
      ...{ framework: 'transformers', modelServer, deployTarget, modelName, modelDelivery: 's3' },
    })),
  ),
);

/** The formats of a framework as answers; one empty answer if it has none. */
function formatsOrNone(framework: Framework): { modelFormat?: string }[] {
  const formats = formatsOf(framework).map(({ name }) => ({ modelFormat: name }));
  return formats.length ? formats : [{}];
}

/** Whether a framework has a training container. */
export const trains = (framework: Framework): boolean => framework !== 'transformers';

/** One combination for each framework; together they cover both servers and both ways of model delivery. */
export const oneOfEach = [...new Set(combinations.map(({ framework }) => framework))].flatMap((framework, at) => {
  const flask = at % 2 === 0 && (frameworks[framework].servers as readonly string[]).includes('flask');
  const [server, delivery] = [flask ? 'flask' : 'fastapi', at % 3 ? 's3' : 'image'];
  return combinations
    .filter((each) => each.framework === framework && each.modelServer === server && each.modelDelivery === delivery)
    .slice(0, 1);
});

/** Every target and delivery, with all tools. One framework suffices: targets and frameworks are independent. */
export const deployments = (['realtime', 'serverless', 'async', 'batch'] as const).flatMap((deployTarget) =>
  (['s3', 'image'] as const).map((modelDelivery) => ({
    framework: 'sklearn',
    deployTarget,
    modelDelivery,
    instanceType: 'ml.m5.large',
    deployTool: deployTarget === 'batch' ? ['cli', 'boto3'] : ['cli', 'boto3', 'cdk'],
    buildTarget: 'codebuild',
    includeTraining: true,
  })),
);

/** Multi-model endpoints, on each server that supports them. */
export const manyModels = (['fastapi', 'flask', 'mms'] as const).map((modelServer) => ({
  framework: 'sklearn',
  modelServer,
  multiModel: true,
  modelDelivery: 's3',
  deployTool: ['cli', 'boto3', 'cdk'],
  includeTraining: false,
}));

/** Language models, with all tools. */
export const engines = languageModels.map((each) => ({
  ...each,
  deployTool: ['cli', 'boto3', 'cdk'],
  buildTarget: 'codebuild',
  includeTests: each.deployTarget === 'realtime',
  includeTraining: false,
}));
