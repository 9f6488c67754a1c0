// Everything decided and derived: the only thing the manifest and the templates see.
import { type Format, type Framework, formatsOf, frameworks, imageFor, type Server } from '../catalog/frameworks.js';
import type { Instance } from '../catalog/instances.js';
import { partitionOf } from '../catalog/regions.js';
import type { Answers } from '../config/parameters.js';
import { instanceFor } from '../config/rules.js';

export interface Project {
  readonly name: string;
  readonly framework: Framework;
  readonly label: string;
  /** Absent for frameworks without a format of their own. */
  readonly format: Format | undefined;
  readonly server: Server;
  readonly target: NonNullable<Answers['deployTarget']>;
  readonly instance: Instance & { readonly count: number };
  readonly image: { readonly base: string; readonly platform: string };
  readonly region: string;
  readonly partition: string;
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
  return Object.freeze({
    name: projectName,
    framework,
    label: frameworks[framework].label,
    format: formatsOf(framework).find(({ name }) => name === answers.modelFormat),
    server: modelServer,
    target: deployTarget,
    instance: { ...instance, count: answers.instanceCount ?? 1 },
    image: imageFor(instance.arch),
    region: awsRegion,
    partition: partitionOf(awsRegion),
    roleArn: answers.awsRoleArn ?? '',
    modelDelivery,
    sample: answers.includeSampleModel ?? false,
    tests: answers.includeTests ?? false,
    answers,
  });
}
