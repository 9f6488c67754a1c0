// The AWS CDK in its own environment, and access to CloudFormation templates.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { must, run, until } from './rig.js';
import { aws, role } from './scripts.js';
import { root, tool } from './tools.js';

const command = 'aws-cdk@2.1148.1';
const linter = 'cfn-lint==1.58.0';
const pins = path.join(root, 'templates/deploy/cdk/requirements.txt');
const folder = path.join(root, '.venvs/cdk');
export const cdkTool = (name: string) => path.join(folder, 'bin', name);

/** Installs the CDK's library and command, and cfn-lint, into .venvs/cdk unless they are up to date. */
export function installCdk(): void {
  const stamp = path.join(folder, 'installed');
  const wanted = createHash('sha256')
    .update(`${command} ${linter} ${readFileSync(pins, 'utf8')}`)
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.error('Installing the AWS CDK and cfn-lint into .venvs/cdk from PyPI and npm …');
  const install = (program: string, ...args: string[]) =>
    assert.equal(spawnSync(program, args, { stdio: 'inherit' }).status, 0, `${program} ${args.join(' ')} failed`);
  const into = ['--python', cdkTool('python')];
  install(tool('uv'), 'venv', '--quiet', '--clear', '--python', tool('python'), folder);
  install(tool('uv'), 'pip', 'install', '--quiet', ...into, '-r', pins, linter);
  install('npm', 'install', '--silent', '--no-audit', '--no-fund', '--prefix', folder, command);
  writeFileSync(stamp, wanted);
}

/** Runs the cdk command in deploy/cdk of a project, with a timeout, because it can wait for an AWS emulator forever. */
export const cdk = (project: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  run('timeout', ['120', path.join(folder, 'node_modules/.bin/cdk'), ...args], {
    cwd: path.join(project, 'deploy/cdk'),
    env: { ...quiet, PATH: `${path.dirname(cdkTool('python'))}:${process.env.PATH}`, ...env },
  });

/** Runs the CDK app directly, which writes the template to `out`. */
export const synthesize = (project: string, out: string, env: NodeJS.ProcessEnv = {}) =>
  run(cdkTool('python'), ['deploy/cdk/app.py'], {
    cwd: project,
    env: { ...quiet, CDK_OUTDIR: out, CDK_DEFAULT_ACCOUNT: '123456789012', ...env },
  });

// Silences the CDK's warnings about the version of Node.
const quiet = { JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION: '1', JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION: '1' };

export interface Resource {
  Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it asked for
  Properties: any;
  DependsOn?: string[];
}
export interface Template {
  Resources: Record<string, Resource>;
}

export const readTemplate = (file: string): Template => JSON.parse(readFileSync(file, 'utf8'));

/** The only resource of a type; undefined if there is none. */
export const only = ({ Resources }: Template, type: string) =>
  Object.values(Resources).find(({ Type }) => Type.endsWith(`::${type}`));

/** Resolves the references in a part of a template, as if resources had the names in it and the role were `role`. */
// biome-ignore lint/suspicious/noExplicitAny: any JSON
export function resolve(template: Template, value: any): any {
  if (Array.isArray(value)) return value.map((each) => resolve(template, each));
  if (value === null || typeof value !== 'object') return value;
  if (value.Ref) return value.Ref === 'AWS::Partition' ? 'aws' : `arn:${value.Ref}`;
  if (value['Fn::Join']) return resolve(template, value['Fn::Join'][1]).join('');
  const [id, attribute] = value['Fn::GetAtt'] ?? [];
  if (id) return attribute === 'Arn' ? role : template.Resources[id]?.Properties[attribute];
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, resolve(template, each)]));
}

/** The types of the resources that must exist before this one. */
export function waitsFor({ Resources }: Template, { DependsOn = [], Properties }: Resource): string[] {
  const references = JSON.stringify(Properties).matchAll(/"(?:Ref":|Fn::GetAtt":\[)"(\w+)"/g);
  const ids = new Set([...DependsOn, ...[...references].map(([, id]) => `${id}`)]);
  return [...ids].map((id) => Resources[id]?.Type.split('::')[2] ?? id).sort();
}

/** A permission of the role: an action on a resource, under a condition. */
export interface Permission {
  action: string;
  resource: string;
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  condition: any;
}
/** The permissions of the role in a template. */
export function permissionsOf(template: Template): Permission[] {
  const [policy] = resolve(template, only(template, 'Role')?.Properties.Policies);
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  return policy.PolicyDocument.Statement.flatMap(({ Action, Resource, Condition }: any) =>
    [Action]
      .flat()
      .flatMap((action) => [Resource].flat().map((resource) => ({ action, resource, condition: Condition }))),
  );
}

/** The names of the roles in a stack. */
export const rolesOf = async (stack: string): Promise<string[]> =>
  (await aws('iam', 'list-roles', '--query', 'Roles[].RoleName')).filter((name: string) => name.startsWith(stack));

/** Waits until an endpoint is in service. */
export const inService = (name: string) =>
  until(`${name} in service`, 90, async () => {
    const { EndpointStatus } = await aws('sagemaker', 'describe-endpoint', '--endpoint-name', name);
    return EndpointStatus === 'InService' || undefined;
  });

/** Creates a resource with the API call that CloudFormation would make. */
export async function create(type: string, properties: object): Promise<void> {
  const [, service = '', kind = ''] = type.split('::');
  const verb = { ScalableTarget: 'register', ScalingPolicy: 'put', Alarm: 'put-metric' }[kind] ?? 'create';
  const noun = kind.replace(/\B[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
  const request = JSON.stringify(properties);
  // The AWS emulator cannot scale serverless endpoints: in that case, the AWS CLI only validates the properties.
  const validateOnly =
    request.includes('ProvisionedConcurrency"') && verb !== 'create' ? ['--generate-cli-skeleton', 'output'] : [];
  const call = [service.replace('Application', 'application-').toLowerCase(), `${verb}-${noun}`];
  await must('aws', [...call, '--cli-input-json', request, ...validateOnly]);
}
