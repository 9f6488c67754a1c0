// Everything decided and derived: the only thing the manifest and the templates see.
import { entryOf, type Format, type Framework, type FrameworkEntry, type Server } from '../catalog/frameworks.js';
import { type Image, imageFor } from '../catalog/images.js';
import type { Instance } from '../catalog/instances.js';
import { partitionOf } from '../catalog/regions.js';
import type { Answers } from '../config/parameters.js';
import { instanceFor } from '../config/rules.js';

export interface Project {
  readonly name: string;
  readonly framework: Framework;
  /** What the catalogue says of the framework. */
  readonly entry: FrameworkEntry;
  /** Absent for frameworks without a format of their own. */
  readonly format: Format | undefined;
  /** The file in model/ that the sample writes and the handler looks for first. */
  readonly modelFile: string;
  readonly server: Server;
  readonly target: NonNullable<Answers['deployTarget']>;
  readonly instance: Instance & { readonly count: number };
  readonly image: Image;
  readonly region: string;
  readonly partition: string;
  /** Debian's packages that the image gets. */
  readonly packages: readonly string[];
  /** Set where the image gets a package from another index than PyPI. */
  readonly cpuBuild: FrameworkEntry['cpuBuild'];
  /** Empty where it is given at deployment. */
  readonly roleArn: string;
  readonly modelDelivery: 's3' | 'image';
  readonly sample: boolean;
  readonly tests: boolean;
  /** What .yo-rc.json remembers: the answers, without the folder, which is this machine's. */
  readonly answers: Readonly<Answers>;
}

/** The project that complete answers describe. */
export function projectFrom(complete: Answers): Project {
  const { projectDir: _, ...answers } = complete;
  const { framework, projectName, modelServer, deployTarget, awsRegion, modelDelivery } = answers;
  const instance = instanceFor(answers);
  if (!framework || !projectName || !modelServer || !deployTarget || !awsRegion || !modelDelivery || !instance) {
    throw new TypeError('projectFrom takes complete answers only');
  }
  const entry = entryOf(framework);
  const image = imageFor(instance, entry);
  const format = entry.formats.find(({ name }) => name === answers.modelFormat);
  return Object.freeze({
    name: projectName,
    framework,
    entry,
    format,
    modelFile: format?.file ?? `model.${format?.name ?? 'json'}`,
    server: modelServer,
    target: deployTarget,
    instance: { ...instance, count: answers.instanceCount ?? 1 },
    image,
    packages: [
      ...(modelServer === 'flask' ? ['nginx'] : []),
      ...(entry.systemPackage ? [entry.systemPackage.debian] : []),
    ],
    cpuBuild: image.gpu ? undefined : entry.cpuBuild,
    region: awsRegion,
    partition: partitionOf(awsRegion),
    roleArn: answers.awsRoleArn ?? '',
    modelDelivery,
    sample: answers.includeSampleModel ?? false,
    tests: answers.includeTests ?? false,
    answers,
  });
}
