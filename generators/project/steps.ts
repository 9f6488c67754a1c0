// The commands that lead from a project that works on this machine to a deployment and back; next.ts and README.md list them.
import type { Project } from './project.js';

/** One command, and what it does in a few words. */
export interface Step {
  readonly command: string;
  readonly about: string;
}

/** What each tool is called with. */
const calls = {
  cli: { deploy: 'deploy/deploy.sh', remove: 'deploy/delete.sh' },
  boto3: { deploy: 'python3 deploy/deploy.py deploy', remove: 'python3 deploy/deploy.py delete' },
  cdk: {
    deploy: '(cd deploy/cdk && cdk deploy)',
    remove: '(cd deploy/cdk && cdk destroy)',
  },
};

const asks = {
  realtime: 'one request',
  serverless: 'one request',
  async: 'one request; waits for the answer',
  batch: 'predicts one file, in a job of its own',
};

/** How a model is named where there are many: pasted as they stand, these commands work. */
const named = { upload: ' first', invoke: ' --target-model first' };

type Facts = Pick<
  Project,
  'target' | 'tools' | 'build' | 'roleArn' | 'modelDelivery' | 'multiModel' | 'image' | 'language'
>;

/** Up to the deployment, with the first of the project's tools. */
export function stepsUp({ target, tools, build, roleArn, modelDelivery, multiModel, image, language }: Facts): Step[] {
  const [tool] = tools;
  const own = tool === 'cdk' || roleArn !== '';
  const upload = `deploy/upload_model.sh${multiModel ? named.upload : ''}`;
  const inside = modelDelivery === 'image' ? ' with the model in it' : '';
  return [
    ...(own ? [] : [{ command: 'deploy/iam/create_role.sh', about: 'once: the role that SageMaker assumes' }]),
    {
      command: build === 'codebuild' ? 'deploy/submit_build.sh' : 'deploy/build_and_push.sh',
      about: `the image for ${image.platform}${inside}, to ECR`,
    },
    ...(modelDelivery === 's3' && !language // which is on the Hub, or in S3 already
      ? [{ command: upload, about: `packs model/ and uploads it to S3${multiModel ? ', as the model first' : ''}` }]
      : []),
    {
      command: calls[tool].deploy,
      about: target === 'batch' ? 'predicts BATCH_INPUT in a job' : 'creates the endpoint, or updates it in place',
    },
  ];
}

/** From the deployment on. */
export function stepsOn({ target, tools, multiModel }: Facts): Step[] {
  return [
    { command: `deploy/invoke.sh${multiModel ? named.invoke : ''} test/sample_request.json`, about: asks[target] },
    {
      command: calls[tools[0]].remove,
      about: target === 'batch' ? 'removes the model, stops jobs' : 'removes it: it bills until then',
    },
  ];
}
