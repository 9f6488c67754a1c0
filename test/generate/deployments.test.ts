// The deployment programs of the projects: their types and their settings.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readObject } from '../../generators/config/sources.js';
import { deployments, engines, manyModels } from '../support/combinations.js';
import { filesBelow, generateProject, resolve } from '../support/generate.js';
import { outcome, root, tool } from '../support/tools.js';

const gpu = { framework: 'xgboost', instanceType: 'gpu-enabled' };
const answers: Record<string, unknown>[] = [
  ...[...deployments, ...manyModels, ...engines],
  ...[{ framework: 'sklearn' }, gpu, { ...gpu, deployTarget: 'batch' }],
];

describe('the deployment programs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ml-deployments-'));
  const projects = answers.map((each, at) => ({ answers: each, directory: join(folder, `p${at}`) }));
  /** One folder for each different set of modules. */
  const programs = new Map<string, string>();
  before(async () => {
    for (const { answers, directory } of projects) {
      const deploy = join(await generateProject(answers, directory), 'deploy');
      programs.set(readFileSync(join(deploy, 'deployer/project.py'), 'utf8'), deploy);
    }
    assert.ok(programs.size > 10, `${programs.size} programs`);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('pass mypy', function () {
    this.timeout(300_000);
    const config = join(root, 'test/serve/pyproject.toml');
    const args = ['--config-file', config, '--cache-dir', join(folder, 'mypy')];
    for (const deploy of programs.values()) {
      const own = filesBelow(deploy).filter((path) => path.endsWith('.py') && !path.startsWith('cdk/'));
      const { status, output } = outcome(tool('mypy'), [...args, ...own], { cwd: deploy });
      assert.equal(status, 0, output);
    }
  });

  it('accept every setting in settings.env, and have no other settings', () => {
    const program = `import dataclasses, json, sys
for folder in json.load(sys.stdin):
    for name in [name for name in sys.modules if name.partition(".")[0] == "deployer"]:
        del sys.modules[name]
    sys.path[0] = f"{folder}/deploy"
    from deployer import project, settings
    settings.read(project.Settings, environment={})
    fields = {field.name.upper() for field in dataclasses.fields(project.Settings) if "parse" in field.metadata}
    given, _ = settings.read_file(settings.DEPLOY / "settings.env", fields)
    print(*sorted(fields - {*given}))`;
    const options = { input: JSON.stringify(projects.map(({ directory }) => directory)) };
    const { status, output } = outcome(tool('python'), ['-B', '-c', program], options);
    assert.equal(status, 0, output);
    const left = output.split('\n').slice(0, -1);
    assert.equal(left.length, projects.length);
    const network = ['KMS_KEY_ID', 'NETWORK_ISOLATION', 'VPC_SECURITY_GROUPS', 'VPC_SUBNETS'];
    const unused = projects.map(({ answers }) => {
      const { project } = resolve([readObject(answers, 'the test')]);
      const { target, image, language } = project ?? assert.fail();
      if (target === 'serverless') return network.join(' ');
      const onCpu = target === 'batch' ? 'TRANSFORM_AMI_VERSION' : 'INFERENCE_AMI_VERSION';
      const fromHub = ['HF_TOKEN_SECRET', 'MODEL_ID', 'MODEL_REVISION'];
      return [...(language?.s3Uri ? fromHub : []), ...(image.gpu ? [] : [onCpu])].sort().join(' ');
    });
    assert.deepEqual(left, unused);
  });

  it('let SageMaker collect metrics if METRICS is true, on a real-time endpoint', () => {
    const program = `import json, sys
from deployer import project, settings
from deployer.requests.endpoint import endpoint_config
try:
    print(json.dumps(endpoint_config(settings.read(project.Settings))))
except settings.SettingError as error:
    sys.exit(str(error))`;
    for (const deployTarget of ['realtime', 'serverless', 'async']) {
      const found = projects.find(({ answers }) => answers.deployTarget === deployTarget);
      const ask = (METRICS: string) => {
        const env = { ...process.env, METRICS };
        return outcome(tool('python'), ['-B', '-c', program], { cwd: join(found?.directory ?? '', 'deploy'), env });
      };
      const config = (METRICS: string) => JSON.parse(ask(METRICS).output).MetricsConfig;
      const realtime = deployTarget === 'realtime';
      assert.deepEqual(config('true'), realtime ? { EnableDetailedObservability: true } : undefined);
      assert.equal(config(''), undefined);
      if (realtime) assert.match(ask('yes').output, /METRICS must be one of false, true, not 'yes'/);
    }
  });
});
