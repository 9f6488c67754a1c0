// Warnings about answers that work but are probably not what the user wants, one sentence each.
import { entryIn } from '../catalog/frameworks.js';
import { doubtAbout, type Instance, instanceFor, instanceOf, specOf } from '../catalog/instances.js';
import { isTooSlowFromHub, memoryOf } from '../catalog/models.js';
import { gpuTypeFor, x86TypeFor } from './instances.js';
import { usesEngine } from './language-models.js';
import type { Answers, Machine } from './parameters.js';

/** The warnings. */
export function doubts(answers: Answers, machine: Machine = {}): string[] {
  const instance = instanceFor(answers);
  const { framework, modelFormat, modelName, customInstanceType, instanceType, pythonVersion, runtime, deployTarget } =
    answers;
  const memory = memoryOf(answers);
  const entry = framework && entryIn(framework, runtime);
  const idle = entry && (entry.gpu ? instance?.neuron : instance?.gpu || instance?.neuron);
  const format = entry?.formats.find(({ name }) => name === modelFormat);
  return [
    pythonVersion === '3.10' &&
      'Python 3.10 no longer gets security fixes: retrain the model with a newer Python when you can',
    instanceType === 'custom' && customInstanceType && doubtAbout(customInstanceType),
    instanceType === 'custom' &&
      deployTarget === 'serverless' &&
      customInstanceType &&
      `${customInstanceType} is ignored: a serverless endpoint has no instances`,
    usesEngine(answers) &&
      modelName &&
      !memory &&
      `the size of ${modelName} is unknown, so the generator cannot check whether it fits: set the size with --model-memory=GIB`,
    usesEngine(answers) &&
      !modelName?.startsWith('s3://') &&
      isTooSlowFromHub(memory?.gib ?? 0) &&
      `${modelName} takes longer to download from the Hugging Face Hub than SageMaker allows (one hour): copy it to S3 first, with deploy/upload_model.sh`,
    smallerType(answers),
    unbuildableHere(answers, machine),
    idle &&
      `${entry.label} does not use the ${instance?.neuron ? 'accelerator' : 'GPU'} of ${instance?.type}: a CPU instance type costs less`,
    format?.pickle &&
      runtime !== 'onnx' &&
      `a .${format.name} file ${format.pickle.what}, and loading a pickle can run any code. Serve only files that you trust, or ${answers.model ? `save the model as ${format.pickle.instead} instead: ${format.pickle.save}` : `save the model as ${format.pickle.instead} and use --model-format=${format.pickle.instead}`}`,
  ].filter((each): each is string => Boolean(each));
}

const gpuMemoryOf = ({ gpu }: Instance) => (gpu ? gpu.count * gpu.memoryGiB : 0);

/** Recommends a type smaller than the one of gpu-enabled, if it can hold the language model. */
function smallerType(answers: Answers): string | undefined {
  const smaller = gpuTypeFor(answers);
  const instance = instanceFor(answers);
  if (answers.instanceType !== 'gpu-enabled' || !smaller || !instance) return undefined;
  const { gpu } = instanceOf(smaller);
  const [count, memory] = [gpu?.count ?? 0, gpuMemoryOf(instanceOf(smaller))];
  if (count >= (instance.gpu?.count ?? 0) || memory >= gpuMemoryOf(instance)) return undefined;
  const [one, other] = [smaller, instance.type].map((type) => `${type} (${specOf(instanceOf(type))})`);
  return `${answers.modelName} fits on ${one}, which costs less than ${other}: use --instance-type=${smaller}`;
}

/** Warns about an image that Docker on this machine cannot build. */
function unbuildableHere(answers: Answers, machine: Machine): string | undefined {
  const instance = instanceFor(answers);
  const { buildTarget, deployTarget } = answers;
  if (buildTarget !== 'local' || !instance || deployTarget === 'serverless') return undefined;
  if (!machine.unbuildable?.includes(instance.arch)) return undefined;
  const x86 = x86TypeFor(answers, machine) ?? 'ml.m5.large';
  return `${instance.type} is ${instance.arch}, and Docker on this machine cannot build ${instance.arch} images: use --instance-type=${x86}, or --build-target=codebuild, or install QEMU`;
}
