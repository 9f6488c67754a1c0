// A language model, from the Hub and from S3, with a stand-in for the engine: deployed, invoked, deleted.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { installCdk, only, permissionsOf, readTemplate, synthesize } from '../support/cdk.js';
import { generateProject } from '../support/generate.js';
import { buildEngine, clearAway, describeEndpoint, writeLanguageModel } from '../support/lives.js';
import { must, run, scratch, unique } from '../support/rig.js';
import { recordCalls } from '../support/rights.js';
import { aws, leftOf, refuse, role, script, succeed } from '../support/scripts.js';

const TEXT = 'Once upon a time…';
const commit = 'c'.repeat(40);

/** The Hub API's responses for some models. */
const known: Readonly<Record<string, object>> = {
  'org/tiny-1b': { sha: commit, siblings: [{ rfilename: 'config.json' }, { rfilename: 'model.safetensors' }] },
  'org/pickled-1b': { sha: commit, siblings: [{ rfilename: 'pytorch_model.bin' }] },
  'org/gated-1b': { sha: commit, gated: 'manual', siblings: [{ rfilename: 'model.safetensors' }] },
};

/** The files of each model on the Hub. */
const files: Readonly<Record<string, string>> = {
  'config.json': '{"num_attention_heads": 8}',
  'model.safetensors': 'weights of the Hub',
  'pytorch_model.bin': 'a pickle',
  'README.md': '# Tiny',
};

describe('a language model', function () {
  this.timeout(600_000);
  const folder = scratch(); // its name has a space
  const image = unique('engine');
  const names: string[] = [];
  let hub: Server;
  let requestCount = 0;
  let withheld = ''; // a file that the Hub does not serve
  let HF_ENDPOINT: string;

  const project = async (stem: string, answers: Record<string, unknown>) => {
    const projectName = unique(stem);
    const directory = path.join(folder, projectName);
    names.push(projectName);
    const common = { framework: 'transformers', deployTool: ['cli', 'boto3', 'cdk'] };
    await generateProject({ ...common, projectName, ...answers }, directory);
    return { directory, name: projectName };
  };
  const env = () => ({ HF_ENDPOINT, BASE_IMAGE: image });
  const file = (directory: string, request: object) => {
    const file = path.join(directory, 'request.json');
    writeFileSync(file, JSON.stringify(request));
    return file;
  };
  const ask = async (directory: string, request: object, ...options: string[]) =>
    succeed(directory, 'invoke.sh', [...options, file(directory, request)], env());
  /** The command line that the engine was started with. */
  const command = async (directory: string): Promise<string[]> =>
    JSON.parse(JSON.parse(await ask(directory, { inputs: 'command' }))[0].generated_text);
  const modelOf = async (endpoint: string) => {
    const { EndpointConfigName } = await describeEndpoint(endpoint);
    return (await aws('sagemaker', 'describe-model', '--model-name', EndpointConfigName)).PrimaryContainer;
  };

  before(async () => {
    await buildEngine(image);
    hub = createServer(({ url = '', method }, response) => {
      requestCount += 1;
      const model = known[/^\/api\/models\/(.+)\/revision\/main$/.exec(url)?.[1] ?? ''];
      const file = url.split('/resolve/')[1]?.split('/')[1] ?? '';
      const content = files[file];
      if (content !== undefined && file === withheld) response.writeHead(404).end();
      else if (content !== undefined) {
        const headers = { 'x-repo-commit': commit, etag: `"${content.length}"`, 'content-length': content.length };
        response.writeHead(200, headers).end(method === 'HEAD' ? '' : content);
      } else if (url.includes('/tree/')) {
        const entries = Object.entries(files).map(([name, { length }]) => ({ path: name, size: length }));
        const tree = entries.map((entry) => ({ type: 'file', oid: commit, ...entry }));
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(tree));
      } else response.writeHead(model ? 200 : 404).end(JSON.stringify(model ?? { error: 'Repository not found' }));
    });
    await new Promise<void>((resolve) => hub.listen(0, '127.0.0.1', resolve));
    HF_ENDPOINT = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
  });
  after(async () => {
    hub.close();
    for (const name of names) await clearAway(path.join(folder, name), name);
    await run('docker', ['image', 'rm', '--force', image]);
  });

  describe('from the Hub', () => {
    let directory: string;
    let name: string;
    let recording: Awaited<ReturnType<typeof recordCalls>>;
    after(() => recording.close());

    it('is deployed at the newest commit, without a token, and accepts every form of request', async () => {
      ({ directory, name } = await project('hub', { modelName: 'org/tiny-1b', deployTool: ['cli', 'boto3'] }));
      recording = await recordCalls(name);
      recording.start();
      await succeed(directory, 'iam/create_role.sh', [], env());
      await succeed(directory, 'iam/create_role.sh', [], env());
      await succeed(directory, 'build_and_push.sh', [], env());
      const { result, err } = await script(directory, 'deploy.sh', [], env());
      assert.equal(result, name, err);
      assert.match(err, new RegExp(`downloads org/tiny-1b from the Hugging Face Hub, revision ${commit}`));
      assert.match(err, /^Next: .*invoke\.sh' .*sample_request\.json/m);
      const { Environment, ModelDataUrl, ModelDataSource } = await modelOf(name);
      assert.deepEqual(
        [Environment, ModelDataUrl, ModelDataSource],
        [{ MODEL_REVISION: commit }, undefined, undefined],
      );
      assert.deepEqual(JSON.parse(await ask(directory, { inputs: 'Once' })), [{ generated_text: TEXT }]);
      const chat = JSON.parse(readFileSync(path.join(directory, 'test/chat_request.json'), 'utf8'));
      assert.equal(JSON.parse(await ask(directory, chat)).choices[0].message.content, 'Paris');
    });

    it('can be streamed', async () => {
      for (const request of [{ inputs: 'Once' }, { prompt: 'Once' }]) {
        assert.equal(await ask(directory, request, '--stream'), TEXT);
        const py = ['invoke', '--stream', file(directory, request)];
        assert.equal(await succeed(directory, 'deploy.py', py, env()), TEXT);
      }
      const broken = await script(directory, 'invoke.sh', ['--stream', file(directory, { inputs: 'break' })], env());
      assert.equal(broken.code, 1);
      assert.match(broken.err, /The model returned an error: The request was aborted/);
      const loud = await refuse(/unrecognized arguments: --loud\n/, directory, 'invoke.sh', ['--loud', 'x']);
      assert.equal(loud.code, 2);
    });

    it('is started with its options and those in the environment', async () => {
      const words = await command(directory);
      assert.deepEqual(words.slice(0, 2), ['serve', 'org/tiny-1b']);
      for (const word of [
        `--revision=${commit}`,
        '--tensor-parallel-size=4',
        '--load-format=safetensors',
        '--port=8080',
      ])
        assert.ok(words.includes(word), `${word} in ${words}`);
      assert.ok(words.includes('pid=1')); // it has to receive SageMaker's signals
      const CONTAINER_ENV = JSON.stringify({ OPTION_OVERRIDE: '{"a": "b c"}', OPTION_TENSOR_PARALLEL_SIZE: '2' });
      await succeed(directory, 'deploy.sh', [], { ...env(), CONTAINER_ENV });
      const changed = await command(directory);
      assert.ok(changed.includes('--override={"a": "b c"}') && changed.includes('--tensor-parallel-size=2'));
    });

    it('keeps its commit, which is looked up only once', async () => {
      const before = requestCount;
      assert.equal(await succeed(directory, 'deploy.sh', [], env()), name);
      assert.equal(await succeed(directory, 'deploy.py', ['deploy'], env()), name);
      assert.equal(requestCount, before);
      await refuse(/must be the ARN of a secret/, directory, 'deploy.sh', [], {
        ...env(),
        HF_TOKEN_SECRET: 'hf_abc',
      });
      await refuse(/the container cannot reach the Hub\. Run .* first/, directory, 'deploy.sh', [], {
        ...env(),
        NETWORK_ISOLATION: 'true',
      });
    });

    it('scales by concurrent requests per instance', async () => {
      await succeed(directory, 'deploy.sh', [], { ...env(), MAX_INSTANCE_COUNT: '3' });
      const { ScalingPolicies } = await aws(
        ...['application-autoscaling', 'describe-scaling-policies', '--service-namespace', 'sagemaker'],
        ...['--resource-id', `endpoint/${name}/variant/AllTraffic`],
      );
      const tracking = ScalingPolicies[0].TargetTrackingScalingPolicyConfiguration;
      const metric = 'SageMakerVariantConcurrentRequestsPerModelHighResolution';
      assert.deepEqual(
        [tracking.TargetValue, tracking.PredefinedMetricSpecification.PredefinedMetricType],
        [16, metric],
      );
    });

    it('is downloaded to model/, even in two runs, and copied to S3, without files that are not needed', async () => {
      const own = { ...env(), HF_HOME: path.join(folder, 'hub') };
      withheld = 'model.safetensors';
      await refuse(
        /could not be downloaded: .*Try again: the download resumes/s,
        directory,
        'upload_model.sh',
        [],
        own,
      );
      withheld = '';
      const uri = await succeed(directory, 'upload_model.sh', [], own);
      const [bucket = '', ...key] = uri.slice('s3://'.length).split('/');
      const { Contents } = await aws('s3api', 'list-objects-v2', '--bucket', bucket, '--prefix', key.join('/'));
      const names = Contents.map(({ Key }: { Key: string }) => path.basename(Key));
      assert.deepEqual(names, ['config.json', 'model.safetensors']);
      assert.equal(readFileSync(path.join(directory, 'model/model.safetensors'), 'utf8'), files['model.safetensors']);
      const MODEL_REVISION = 'd'.repeat(40);
      await refuse(
        /contains org\/tiny-1b@c+, not org\/tiny-1b@d+\. Empty the folder/,
        directory,
        'upload_model.sh',
        [],
        {
          ...own,
          MODEL_REVISION,
        },
      );
    });

    it('is read from S3 once it is uploaded, with its adapters, under network isolation', async () => {
      writeLanguageModel(directory);
      const { result: uri, err } = await script(directory, 'upload_model.sh', [], env());
      assert.match(uri, new RegExp(`^s3://${recording.bucket}/${name}/model/[0-9a-f]{64}/$`), err);
      assert.equal(await succeed(directory, 'upload_model.sh', [], env()), uri);
      assert.equal(await succeed(directory, 'deploy.sh', [], { ...env(), NETWORK_ISOLATION: 'true' }), name);
      const { Environment, ModelDataSource } = await modelOf(name);
      const source = { S3Uri: uri, S3DataType: 'S3Prefix', CompressionType: 'None' };
      assert.deepEqual([Environment, ModelDataSource?.S3DataSource], [{}, source]);
      const words = await command(directory);
      assert.equal(words[1], '/opt/ml/model');
      assert.ok(words.includes('loud=/opt/ml/model/adapters/loud'));
      assert.ok(words.includes('--tensor-parallel-size=2')); // of 6 heads
    });

    it('shows the log of an engine that does not start', async () => {
      const CONTAINER_ENV = '{"SM_MODEL_DIR": "/opt/program"}';
      await refuse(/ {2}\| /, directory, 'deploy.sh', [], { ...env(), CONTAINER_ENV });
    });

    it('is removed, with its uploads', async () => {
      assert.equal(Number(await succeed(directory, 'delete.sh', [], env())) > 2, true);
      assert.deepEqual(await leftOf(name), []);
      await succeed(directory, 'delete.sh', ['--all'], env());
      const left = await aws('s3api', 'list-objects-v2', '--bucket', recording.bucket, '--prefix', `${name}/`);
      assert.equal(left?.Contents, undefined);
      assert.equal(await succeed(directory, 'delete.sh', [], env()), '0');
    });

    it('needs exactly the permissions in deploy/iam', async () => {
      await recording.check(directory);
    });
  });

  describe('that is not available', () => {
    const refused = async (modelName: string, reason: RegExp, more: Record<string, string> = {}) => {
      const { directory, name } = await project('not', { modelName, awsRoleArn: role });
      const IMAGE_URI = 'public.ecr.aws/x/y:1';
      await refuse(reason, directory, 'deploy.sh', [], { ...env(), IMAGE_URI, ...more });
      await refuse(reason, directory, 'deploy.py', ['deploy'], { ...env(), IMAGE_URI, ...more });
      assert.deepEqual(await leftOf(name), []);
      return directory;
    };
    it('is refused at once', async () => {
      await refused('org/pickled-1b', /org\/pickled-1b has no \.safetensors files; other formats can be pickles/);
      await refused('org/gated-1b', /org\/gated-1b is gated\. Accept its terms at https:.*HF_TOKEN_SECRET/);
      await refused('org/none-1b', /The Hub has no public model org\/none-1b .*\(404\)/);
      await refused('org/tiny-1b', /The Hub could not be reached .*Set a commit/, {
        HF_ENDPOINT: 'http://127.0.0.1:1',
      });
    });
    it('can be copied to S3 with a token, or if pickles are trusted', async () => {
      const own = { ...env(), HF_HOME: path.join(folder, 'hub') };
      const gated = await refused('org/gated-1b', /HF_TOKEN_SECRET/);
      assert.match(await succeed(gated, 'upload_model.sh', [], { ...own, HF_TOKEN: 'hf_abc' }), /^s3:/);
      const pickled = await refused('org/pickled-1b', /"load-format": "auto" in code\/options\.json/);
      const options = path.join(pickled, 'code/options.json');
      writeFileSync(options, readFileSync(options, 'utf8').replace('"safetensors"', '"auto"'));
      assert.match(await succeed(pickled, 'upload_model.sh', [], own), /^s3:/);
      assert.equal(readFileSync(path.join(pickled, 'model/pytorch_model.bin'), 'utf8'), files['pytorch_model.bin']);
    });
    it('is refused at once if S3 has none, and is not uploaded if it is incomplete', async () => {
      const directory = await refused(
        's3://some-bucket/llama-1b/',
        /There is no model at s3:\/\/some-bucket\/llama-1b\//,
      );
      await refuse(/There is no model in .*model/, directory, 'upload_model.sh', [], env());
      writeLanguageModel(directory);
      const index = path.join(directory, 'model/model.safetensors.index.json');
      writeFileSync(index, '{"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}');
      await refuse(
        /Files of the model are missing in .*: model-2\.safetensors/,
        directory,
        'upload_model.sh',
        [],
        env(),
      );
      rmSync(index);
      rmSync(path.join(directory, 'model/model.safetensors'));
      await refuse(/no \.safetensors files/, directory, 'upload_model.sh', [], env());
      rmSync(path.join(directory, 'model/config.json'));
      await refuse(/config\.json is missing/, directory, 'upload_model.sh', [], env());
      await refuse(/There is no folder \/none/, directory, 'upload_model.sh', ['/none'], env());
    });
  });

  it('in S3 is deployed as an asynchronous endpoint, with boto3', async () => {
    const modelName = 's3://sagemaker-us-east-1-123456789012/shared/llama-1b/';
    const { directory, name } = await project('asy', { modelName, deployTarget: 'async', awsRoleArn: role });
    writeLanguageModel(directory);
    await succeed(directory, 'upload_model.sh', [], env()); // creates the bucket
    await must('aws', ['s3', 'cp', '--recursive', '--quiet', path.join(directory, 'model'), modelName]);
    await succeed(directory, 'build_and_push.sh', [], env());
    assert.equal(await succeed(directory, 'deploy.py', ['deploy'], env()), name);
    assert.equal((await modelOf(name)).ModelDataSource.S3DataSource.S3Uri, modelName);
    const request = file(directory, { inputs: 'Once' });
    assert.deepEqual(JSON.parse(await succeed(directory, 'deploy.py', ['invoke', request], env())), [
      { generated_text: TEXT },
    ]);
    assert.deepEqual(JSON.parse(await succeed(directory, 'invoke.sh', [request], env())), [{ generated_text: TEXT }]);
    assert.ok(Number(await succeed(directory, 'deploy.py', ['delete'], env())) > 2);
  });

  it('has a CDK stack whose role can read the token and the model', async () => {
    installCdk();
    const { directory, name } = await project('cdk', { modelName: 'org/tiny-1b' });
    const HF_TOKEN_SECRET = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:huggingface-AbCdEf';
    const IMAGE_URI = 'public.ecr.aws/x/y:1';
    const out = path.join(folder, 'cdk.out');
    const ended = await synthesize(directory, out, { ...env(), HF_TOKEN_SECRET, IMAGE_URI });
    assert.equal(ended.code, 0, ended.err);
    const template = readTemplate(path.join(out, `${name}.template.json`));
    const { Environment } = only(template, 'Model')?.Properties.PrimaryContainer ?? {};
    assert.deepEqual(Environment, { MODEL_REVISION: commit, HF_TOKEN_SECRET });
    const reads = permissionsOf(template).filter(({ action }) => action === 'secretsmanager:GetSecretValue');
    assert.deepEqual(
      reads.map(({ resource }) => resource),
      [HF_TOKEN_SECRET],
    );
  });
});
