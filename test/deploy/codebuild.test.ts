import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { load } from 'js-yaml';
import { startCodeBuild } from '../support/codebuild.js';
import { must, project, run, scratch, train, unique } from '../support/rig.js';
import { aws, interrupt, leftOf, refuse, role, script, succeed } from '../support/scripts.js';
import { outcome, root, tool } from '../support/tools.js';

const account = '123456789012';
const bucket = `sagemaker-us-east-1-${account}`;

describe('an image built in CodeBuild', function () {
  this.timeout(300_000);
  const folder = scratch(); // its name has a space
  const name = unique('build');
  const builder = `${name}-us-east-1-build`;
  let directory: string;
  let codebuild: Awaited<ReturnType<typeof startCodeBuild>>;
  let env: NodeJS.ProcessEnv;
  const describeProject = async () => (await aws('codebuild', 'batch-get-projects', '--names', name)).projects[0];
  const repositories = async () =>
    (await aws('ecr', 'describe-repositories')).repositories.map(
      (each: { repositoryName: string }) => each.repositoryName,
    );
  const sources = async () =>
    (await aws(
      's3api',
      'list-objects-v2',
      '--bucket',
      bucket,
      '--prefix',
      `${name}/build/`,
      '--query',
      'Contents[].Key',
    )) ?? [];

  before(async () => {
    codebuild = await startCodeBuild('of-another');
    env = { AWS_ENDPOINT_URL: codebuild.url };
    directory = await project(folder, {
      projectName: name,
      awsRoleArn: role,
      buildTarget: 'codebuild',
      includeTraining: true,
    });
  });
  after(async () => {
    await script(directory, 'delete.sh', ['--all']);
    await codebuild.close();
    const images = await must('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}']);
    const mine = images.split('\n').filter((image) => image.includes(name));
    await run('docker', ['image', 'rm', '--force', ...mine]);
  });

  it('has scripts that pass shellcheck, and a buildspec that is YAML', () => {
    const deploy = path.join(directory, 'deploy');
    const scripts = ['submit_build.sh', 'delete.sh', 'deployer/run'];
    const { status, output } = outcome(tool('shellcheck'), ['-x', '--source-path=SCRIPTDIR', ...scripts], {
      cwd: deploy,
    });
    assert.equal(status, 0, output);
    const spec = load(readFileSync(path.join(deploy, 'buildspec.yml'), 'utf8')) as Record<string, unknown>;
    assert.equal(spec.version, 0.2);
  });

  it('is not built for a platform that CodeBuild does not support, nor from a folder with a link', async () => {
    await refuse(/--help/, directory, 'submit_build.sh', ['x'], env);
    await refuse(
      /CodeBuild builds for linux\/amd64 and linux\/arm64, but PLATFORM is 'linux\/vax'/,
      directory,
      'submit_build.sh',
      [],
      {
        ...env,
        PLATFORM: 'linux/vax',
      },
    );
    const link = path.join(directory, 'code/link');
    symlinkSync('serve', link);
    await refuse(/code\/link is a link/, directory, 'submit_build.sh', [], env);
    unlinkSync(link);
    assert.deepEqual(codebuild.calls, []);
  });

  it('is not uploaded to a bucket of another account', async () => {
    await must('aws', ['s3api', 'create-bucket', '--bucket', 'of-another']);
    await refuse(/AccessDenied/, directory, 'submit_build.sh', [], { ...env, S3_BUCKET: 'of-another' });
    assert.deepEqual(codebuild.calls, []);
  });

  it('leaves no repository behind when the build fails, and the log is shown', async () => {
    const dockerfile = path.join(directory, 'Dockerfile');
    const good = readFileSync(dockerfile, 'utf8');
    writeFileSync(dockerfile, `${good}RUN echo no such luck; exit 7\n`);
    const { err } = await refuse(
      /^ERROR: The build is FAILED\. BUILD: COMMAND_EXECUTION_ERROR: .*exit status 1$/m,
      directory,
      'submit_build.sh',
      [],
      env,
    );
    writeFileSync(dockerfile, good);
    assert.match(err, /^ {2}\| .*no such luck/m);
    assert.match(err, /exit code: 7/);
    assert.ok(!(await repositories()).includes(name));
    assert.equal(codebuild.calls.filter((action) => action === 'CreateProject').length, 2); // the role was too new
  });

  it('has a role with few permissions: only logging in to ECR applies to every resource', async () => {
    const { environment, serviceRole, tags } = await describeProject();
    assert.deepEqual(environment, {
      type: 'LINUX_CONTAINER',
      image: 'aws/codebuild/amazonlinux-x86_64-standard:5.0',
      computeType: 'BUILD_GENERAL1_SMALL',
      privilegedMode: true,
    });
    assert.deepEqual(tags, [{ key: 'ml-container-creator:project', value: name }]);
    assert.equal(serviceRole, `arn:aws:iam::${account}:role/${builder}`);
    const { Role } = await aws('iam', 'get-role', '--role-name', builder);
    const [trust] = Role.AssumeRolePolicyDocument.Statement;
    assert.deepEqual(trust.Condition, { StringEquals: { 'aws:SourceAccount': account } });
    const { PolicyDocument } = await aws('iam', 'get-role-policy', '--role-name', builder, '--policy-name', 'build');
    const statements = ['deployer', 'role-maker'].flatMap((list) =>
      JSON.parse(readFileSync(path.join(root, `templates/deploy/iam/${list}/codebuild.json`), 'utf8')),
    );
    for (const { Action, Resource } of [...PolicyDocument.Statement, ...statements]) {
      for (const action of [Action].flat()) assert.match(action, /^[a-z0-9]+:[A-Za-z]+$/);
      for (const resource of [Resource].flat())
        if (Action !== 'ecr:GetAuthorizationToken')
          assert.match(resource, /^(arn:[^*]+(\/build\/\*|:\*)?|\{\{BUILD_ROLE_ARN\}\})$/);
    }
  });

  it('is pushed to ECR and named by its digest, while the log is shown', async () => {
    const { result, out, err } = await script(directory, 'submit_build.sh', [], {
      ...env,
      DOCKER_BUILD_OPTS: '--label a="b',
    });
    assert.match(
      result,
      new RegExp(`^${account}\\.dkr\\.ecr\\.us-east-1\\.amazonaws\\.com/${name}@sha256:[0-9a-f]{64}$`),
      err,
    );
    assert.equal(out, `${result}\n`);
    const { imageIds } = await aws('ecr', 'list-images', '--repository-name', name);
    assert.deepEqual(
      imageIds.map((each: { imageDigest: string }) => each.imageDigest),
      [result.split('@')[1]],
    );
    assert.match(
      err,
      /^Cost: BUILD_GENERAL1_SMALL for linux\/amd64 in us-east-1, billed by the minute until the build ends/m,
    );
    assert.match(err, /^ {2}\| Building /m);
    assert.match(err, /^Next: .*upload_model\.sh'?$/m);
    assert.equal(await must('docker', ['image', 'inspect', '--format', '{{.Config.Labels.a}}', name]), '"b');
  });

  it('has a reproducible source of the build context and the build scripts', async () => {
    const keys = await sources();
    assert.equal(keys.length, 2); // with the broken Dockerfile, and without
    const list = 'import sys, zipfile; print(*zipfile.ZipFile(sys.argv[1]).namelist(), sep="\\n")';
    const pack = async (of: string) => {
      const archive = path.join(folder, 'source.zip');
      const code = 'import sys; from deployer import build_source as source; print(source.pack(sys.argv[1]))';
      const env = { PYTHONPATH: path.join(of, 'deploy') };
      const hash = await must(tool('python'), ['-B', '-c', code, archive], { env });
      return { hash, names: (await must('python3', ['-c', list, archive])).split('\n') };
    };
    const { hash, names } = await pack(directory);
    assert.ok(keys.some((key: string) => key === `${name}/build/${hash}/source.zip`));
    const programs = /^(code\/[\w./]+|(deploy|train)\/\w+\.(sh|py)|deploy\/deployer\/(requests\/)?\w+(\.py)?)$/;
    const others = names.filter((each) => !programs.test(each));
    const lock = ['lock.sh', 'requirements.in', 'requirements.txt'];
    const training = ['.dockerignore', 'Dockerfile', ...lock.slice(1)].map((name) => `train/${name}`);
    const image = [
      '.dockerignore',
      '.python-version',
      'Dockerfile',
      ...lock,
      'deploy/buildspec.yml',
      'deploy/settings.env',
    ];
    assert.deepEqual(others, [...image, ...training]);
    await must('touch', [path.join(directory, 'Dockerfile')]);
    assert.equal((await pack(directory)).hash, hash);
    const whole = await project(folder, { projectName: `${name}-w`, buildTarget: 'codebuild', modelDelivery: 'image' });
    writeFileSync(path.join(whole, 'model/model.joblib'), 'anything');
    assert.ok((await pack(whole)).names.includes('model/model.joblib'));
  });

  it('is deployed and serves requests', async () => {
    await train(directory, name);
    await succeed(directory, 'upload_model.sh');
    assert.equal(await succeed(directory, 'deploy.sh'), name);
    const request = path.join(directory, 'test/sample_request.json');
    assert.ok(JSON.parse(await succeed(directory, 'invoke.sh', [request])).predictions.length > 0);
  });

  it('is rebuilt by the same project from the same source', async () => {
    const before = await describeProject();
    codebuild.calls.length = 0;
    const { err, result } = await script(directory, 'submit_build.sh', [], env);
    assert.match(result, /@sha256:/, err);
    assert.match(err, /already uploaded/);
    assert.match(err, /^Next: .*deploy\.sh'?$/m);
    assert.deepEqual(await describeProject(), before);
    assert.deepEqual([...new Set(codebuild.calls)], ['BatchGetProjects', 'StartBuild', 'BatchGetBuilds']);
  });

  it('can be the training image', async () => {
    const { err, result } = await script(directory, 'submit_build.sh', ['train'], env);
    assert.match(result, /@sha256:/, err);
    assert.match(err, /^Next: python3 .*train\/fit\.py'? TRAIN\.csv$/m);
    const id = `imageDigest=${result.split('@')[1]}`;
    const { imageDetails } = await aws('ecr', 'describe-images', '--repository-name', name, '--image-ids', id);
    assert.match(imageDetails[0].imageTags[0], /^train-amd64-/);
  });

  it('is no longer built after Ctrl-C', async () => {
    appendFileSync(path.join(directory, 'Dockerfile'), 'RUN echo a long time && sleep 100\n');
    const { code, err } = await interrupt(/\| .*a long time\n/, directory, 'submit_build.sh', [], env);
    assert.equal(code, 130, err);
    assert.match(err, /^Stopping the build/m);
    assert.equal(codebuild.builds.at(-1)?.buildStatus, 'STOPPED');
  });

  it('is built on a machine of its architecture; if AWS refuses the build, the reason is shown', async () => {
    codebuild.refuse('StartBuild', 'AccountLimitExceededException', 'Cannot have more than 0 builds in queue');
    await refuse(/more than 0 builds in queue/, directory, 'submit_build.sh', [], { ...env, PLATFORM: 'linux/arm64' });
    const { environment } = await describeProject();
    assert.equal(environment.type, 'ARM_CONTAINER');
    assert.equal(environment.image, 'aws/codebuild/amazonlinux-aarch64-standard:3.0');
  });

  it('is not built with a role that belongs to another project', async () => {
    const owned = { ...env, PROJECT_NAME: `${name}-o` };
    await aws('iam', 'create-role', '--role-name', `${name}-o-us-east-1-build`, '--assume-role-policy-document', '{}');
    await refuse(/A role .* did not create/, directory, 'submit_build.sh', [], owned);
    await aws('iam', 'delete-role', '--role-name', `${name}-o-us-east-1-build`);
  });

  it('is removed by delete.sh --all, with everything that was created to build it', async () => {
    // endpoint 3, repository, model, sources, project and role
    const count = 3 + 1 + 1 + (await sources()).length + 2;
    assert.equal(await succeed(directory, 'delete.sh', ['--all'], env), String(count));
    assert.equal(await describeProject(), undefined);
    assert.notEqual((await run('aws', ['iam', 'get-role', '--role-name', builder])).code, 0);
    assert.deepEqual([...(await sources()), ...(await leftOf(name))], []);
    assert.equal(await succeed(directory, 'delete.sh', ['--all'], env), '0');
  });
});
