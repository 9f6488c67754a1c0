// The commands that deploy a project, use the deployment and remove it. next.ts and README.md list them.
import type { Project } from './project.js';

/** A command and a short description. */
export interface Step {
  readonly command: string;
  readonly about: string;
}

/** The commands of each deploy tool. */
const commands = {
  cli: { deploy: 'deploy/deploy.sh', remove: 'deploy/delete.sh' },
  boto3: { deploy: 'python3 deploy/deploy.py deploy', remove: 'python3 deploy/deploy.py delete' },
  cdk: {
    deploy: '(cd deploy/cdk && cdk deploy)',
    remove: '(cd deploy/cdk && cdk destroy)',
  },
};

const invocations = {
  realtime: 'sends one request',
  serverless: 'sends one request',
  async: 'sends one request and waits for the response',
  batch: 'runs a job on one file',
};

/** The model's name in commands of multi-model projects, so that they can be pasted as they are. */
const modelNames = { upload: ' model-a', invoke: ' --target-model model-a' };

type Facts = Pick<
  Project,
  'target' | 'tools' | 'build' | 'roleArn' | 'modelDelivery' | 'multiModel' | 'image' | 'language'
>;

/** The commands up to the deployment, with the first of the project's deploy tools. */
export function deploySteps({
  target,
  tools,
  build,
  roleArn,
  modelDelivery,
  multiModel,
  image,
  language,
}: Facts): Step[] {
  const [tool] = tools;
  const hasRole = tool === 'cdk' || roleArn !== '';
  const upload = `deploy/upload_model.sh${multiModel ? modelNames.upload : ''}`;
  const contents = modelDelivery === 'image' ? 'image, with the model,' : 'image';
  return [
    ...(hasRole
      ? []
      : [{ command: 'deploy/iam/create_role.sh', about: 'once: creates the role that SageMaker assumes' }]),
    {
      command: build === 'codebuild' ? 'deploy/submit_build.sh' : 'deploy/build_and_push.sh',
      about: `builds the ${contents} for ${image.platform} and pushes it to ECR`,
    },
    ...(modelDelivery === 's3' && !language // a language model is on the Hub, or already in S3
      ? [{ command: upload, about: `packs model/ and uploads it to S3${multiModel ? ' under the name model-a' : ''}` }]
      : []),
    {
      command: commands[tool].deploy,
      about:
        target === 'batch'
          ? 'runs a batch transform job on BATCH_INPUT (default: test/sample_request.csv)'
          : 'creates the endpoint, or updates it in place',
    },
  ];
}

/** The commands after the deployment. */
export function useSteps({ target, tools, multiModel }: Facts): Step[] {
  return [
    {
      command: `deploy/invoke.sh${multiModel ? modelNames.invoke : ''} test/sample_request.json`,
      about: invocations[target],
    },
    {
      command: commands[tools[0]].remove,
      about:
        target === 'batch'
          ? 'stops running jobs and deletes the model'
          : 'deletes the endpoint; you are billed until you run this',
    },
  ];
}
