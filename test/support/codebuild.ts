// Emulates CodeBuild in front of the AWS emulator, which stores CodeBuild projects but does not run builds.
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { type Build, end, makeMachine, runBuild } from './builds.js';
import { emulator, proxyServer, Refusal } from './emulator.js';
import { rig } from './rig.js';

interface Project {
  name: string;
  source: { location: string; buildspec: string };
  environment: { type: string; image: string; privilegedMode?: boolean };
  serviceRole: string;
  logsConfig?: { cloudWatchLogs?: { groupName?: string } };
}
interface StartBuild {
  projectName: string;
  sourceLocationOverride?: string;
  environmentVariablesOverride?: Build['environment']['environmentVariables'];
}

const target = 'CodeBuild_20161006.';
/** CodeBuild's images that include Docker with buildx, by type of machine. */
const images: Readonly<Record<string, RegExp>> = {
  LINUX_CONTAINER: /^aws\/codebuild\/amazonlinux-x86_64-standard:[56]\.0$/,
  ARM_CONTAINER: /^aws\/codebuild\/amazonlinux-aarch64-standard:[34]\.0$/,
};

const begin = ({ name, source, environment, serviceRole, logsConfig }: Project, input: StartBuild): Build => ({
  id: `${name}:${randomUUID()}`,
  projectName: name,
  buildStatus: 'IN_PROGRESS',
  buildComplete: false,
  currentPhase: 'SUBMITTED',
  phases: [{ phaseType: 'SUBMITTED' }],
  source: { ...source, location: input.sourceLocationOverride ?? source.location },
  environment: { ...environment, environmentVariables: input.environmentVariablesOverride ?? [] },
  serviceRole,
  logs: {
    groupName: logsConfig?.cloudWatchLogs?.groupName ?? `/aws/codebuild/${name}`,
    deepLink: 'https://console.example/group=null',
  },
  exportedEnvironmentVariables: [],
});

/** Starts the server. Returns its URL, its calls and its builds. Buckets in `foreign` belong to another account. */
export async function startCodeBuild(...foreign: string[]) {
  const aws = emulator(rig('AWS_ENDPOINT_URL').AWS_ENDPOINT_URL);
  const machine = await makeMachine();
  const builds: Build[] = [];
  const calls: string[] = [];
  const refusals = new Map<string, Refusal>();
  const seen = new Set<string>();

  const projectNamed = async (name: string): Promise<Project> => {
    const { projects } = await aws.json(`${target}BatchGetProjects`, { names: [name] });
    if (!projects[0]) throw new Refusal('ResourceNotFoundException', `Project cannot be found: ${name}`);
    return projects[0];
  };
  /** Refuses what CodeBuild refuses, including the first use of a role, because IAM is eventually consistent. */
  const check = async ({ environment: { type, image, privilegedMode }, serviceRole, source }: Project) => {
    const invalid = (message: string) => new Refusal('InvalidInputException', message);
    if (!images[type]?.test(image)) throw invalid(`${type} has no image ${image}`);
    if (!privilegedMode) throw invalid('Docker in a build requires privilegedMode');
    if (!/^[^/:]+\/.+\.zip$/.test(source.location)) throw invalid(`Not an S3 location: ${source.location}`);
    const trusts = (await aws.trustOf(serviceRole.split('/').at(-1) ?? '')).includes('codebuild.amazonaws.com');
    if (trusts && seen.has(serviceRole)) return;
    if (trusts) seen.add(serviceRole);
    throw invalid(`CodeBuild is not authorized to perform: sts:AssumeRole on ${serviceRole}`);
  };

  const actions: Record<string, (input: never) => Promise<object>> = {
    async CreateProject(input: Project) {
      await check(input);
      return aws.json(`${target}CreateProject`, input);
    },
    // The AWS emulator does not have this action.
    async UpdateProject(input: Project) {
      const updated = { ...(await projectNamed(input.name)), ...input };
      await check(updated);
      await aws.json(`${target}DeleteProject`, { name: input.name });
      return aws.json(`${target}CreateProject`, updated);
    },
    async StartBuild(input: StartBuild) {
      const build = begin(await projectNamed(input.projectName), input);
      builds.push(build);
      void runBuild(build, aws, machine);
      return { build };
    },
    async BatchGetBuilds({ ids }: { ids: string[] }) {
      return { builds: builds.filter(({ id }) => ids.includes(id)) };
    },
    async StopBuild({ id }: { id: string }) {
      const build = builds.find((each) => each.id === id);
      if (!build) throw new Refusal('ResourceNotFoundException', `Build ${id} does not exist`);
      end(build, 'STOPPED', 'STOPPED', 'The build was stopped');
      return { build };
    },
  };

  const server = proxyServer(
    aws,
    (header) => {
      if (!header.startsWith(target)) return undefined;
      const name = header.slice(target.length);
      calls.push(name);
      const refused = refusals.get(name);
      refusals.delete(name);
      return refused ? () => Promise.reject(refused) : actions[name];
    },
    new Set(foreign),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    builds: builds as readonly Build[],
    calls,
    /** Refuses the next call of an action. */
    refuse: (action: string, type: string, message: string) => refusals.set(action, new Refusal(type, message)),
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}
