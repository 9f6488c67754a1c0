// What works, and may not be what was meant: a sentence each.
import { entryIn } from '../catalog/frameworks.js';
import { doubtAbout, type Instance, instanceFor, instanceOf, specOf } from '../catalog/instances.js';
import { isTooSlowFromHub, memoryOf } from '../catalog/models.js';
import { smallerTypeFor, x86TypeFor } from './instances.js';
import { onEngine } from './language-models.js';
import type { Answers, Machine } from './parameters.js';

/** The doubts about the answers, where the instance was chosen knowingly or not, on this machine. */
export function doubts(answers: Answers, isChosen = false, machine: Machine = {}): string[] {
  const instance = instanceFor(answers);
  const { framework, modelFormat, modelName, customInstanceType, instanceType, pythonVersion, runtime } = answers;
  const memory = memoryOf(answers);
  const entry = framework && entryIn(framework, runtime);
  const idle = entry && (entry.gpu ? instance?.neuron : instance?.gpu || instance?.neuron);
  const format = entry?.formats.find(({ name }) => name === modelFormat);
  return [
    pythonVersion === '3.10' &&
      'Python 3.10 gets no more security fixes: serve the model with it until it is trained again',
    instanceType === 'custom' && customInstanceType && doubtAbout(customInstanceType),
    onEngine(answers) &&
      modelName &&
      !memory &&
      `nothing in ${modelName} says how large it is: whether it fits is not checked. --model-memory=GIB says it`,
    onEngine(answers) &&
      !modelName?.startsWith('s3://') &&
      isTooSlowFromHub(memory?.gib ?? 0) &&
      `from the Hugging Face Hub, ${modelName} starts in more than the hour that SageMaker allows: copy it to S3 first, with deploy/upload_model.sh`,
    !isChosen && smallerType(answers),
    notHere(answers, machine),
    idle && `${entry.label} does not use the accelerator of ${instance?.type}: a CPU type costs less`,
    format?.pickle &&
      runtime !== 'onnx' &&
      `a .${format.name} file ${format.pickle.what}: loading it runs the code it holds. Serve only files you trust, or use --model-format=${format.pickle.instead}`,
  ].filter((each): each is string => Boolean(each));
}

const gpuMemoryOf = ({ gpu }: Instance) => (gpu ? gpu.count * gpu.memoryGiB : 0);

/** A smaller type than gpu-enabled stands for, where that holds the language model. */
function smallerType(answers: Answers): string | undefined {
  const smaller = smallerTypeFor(answers);
  const instance = instanceFor(answers);
  if (!onEngine(answers) || answers.instanceType !== 'gpu-enabled' || !smaller || !instance) return undefined;
  const { gpu } = instanceOf(smaller);
  const [count, memory] = [gpu?.count ?? 0, gpuMemoryOf(instanceOf(smaller))];
  if (count >= (instance.gpu?.count ?? 0) || memory >= gpuMemoryOf(instance)) return undefined;
  const [one, other] = [smaller, instance.type].map((type) => `${type} (${specOf(instanceOf(type))})`);
  return `${answers.modelName} fits ${one}, which costs less than ${other}: --instance-type=${smaller}`;
}

/** An image that Docker on this machine cannot build. */
function notHere(answers: Answers, machine: Machine): string | undefined {
  const instance = instanceFor(answers);
  const { buildTarget, deployTarget } = answers;
  if (buildTarget !== 'local' || !instance || deployTarget === 'serverless') return undefined;
  if (!machine.unbuildable?.includes(instance.arch)) return undefined;
  const x86 = x86TypeFor(answers, machine) ?? 'ml.m5.large';
  return `${instance.type} is ${instance.arch}, which Docker on this machine cannot build for: use --instance-type=${x86}, or --build-target=codebuild, or install QEMU`;
}
