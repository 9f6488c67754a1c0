// Multi-model images with AWS's Multi Model Server, started as SageMaker does, with only the resources it promises.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type http from 'node:http';
import path from 'node:path';
import {
  build,
  type Container,
  must,
  project,
  ready,
  request,
  rig,
  run,
  scratch,
  stop,
  train,
  unique,
  until,
} from '../support/rig.js';
import { root, tool } from '../support/tools.js';

const modelNames = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'];
const json = { 'content-type': 'application/json' };

for (const framework of ['sklearn', 'xgboost'] as const) {
  describe(`the multi-model image for ${framework} with mms`, function () {
    this.timeout(900_000);
    const folder = scratch();
    const image = unique(`mms-${framework}`);
    const models = path.join(folder, 'models');
    const started: string[] = [];
    let directory: string;
    let container: Container;
    let sample: string;

    before(async () => {
      const answers = { framework, multiModel: true, modelServer: 'mms' };
      directory = await project(folder, { projectName: `mms-${framework}`, ...answers });
      await build(directory, image, rig('BASE_IMAGE').BASE_IMAGE);
      await train(directory, image);
      sample = readFileSync(path.join(directory, 'test/sample_request.json'), 'utf8');
      for (const name of [...modelNames, 'broken', 'empty'])
        mkdirSync(path.join(models, name, 'model'), { recursive: true });
      for (const name of modelNames)
        cpSync(path.join(directory, 'model'), path.join(models, name, 'model'), { recursive: true });
      const [file = ''] = (await must('ls', [path.join(directory, 'model')])).split('\n');
      writeFileSync(path.join(models, 'broken', 'model', file), 'no model');
      await must('chmod', ['-R', 'a+rX', folder]);
      container = await start();
    });
    after(async () => {
      await run('docker', ['rm', '--force', ...started]);
      await run('docker', ['image', 'rm', '--force', image]);
    });

    async function start(options: readonly string[] = [], port = 8080): Promise<Container> {
      const restricted = ['--read-only', '--user', '1000', '--tmpfs', '/tmp', '--publish', `127.0.0.1::${port}`];
      const mode = ['--env=SAGEMAKER_MULTI_MODEL=true', '--volume', `${models}:/opt/ml/models:ro`];
      const id = await must('docker', ['run', '--detach', ...restricted, ...mode, ...options, image, 'serve']);
      started.push(id);
      const own = { id, url: `http://${await must('docker', ['port', id, `${port}/tcp`])}` };
      await ready(own);
      return own;
    }
    const call = (method: string, route: string, body = '', headers: http.OutgoingHttpHeaders = json, of = container) =>
      request(`${of.url}${route}`, { method, headers, body });
    const load = (name: string, of = container) =>
      call('POST', '/models', JSON.stringify({ model_name: name, url: `/opt/ml/models/${name}/model` }), json, of);
    const invoke = (name: string, body = sample, headers: http.OutgoingHttpHeaders = json, of = container) =>
      call('POST', `/models/${name}/invoke`, body, headers, of);
    const names = async (of = container) =>
      (await call('GET', '/models', '', json, of)).body.models.map(({ modelName }: { modelName: string }) => modelName);

    it('has Python that passes mypy and a Dockerfile that passes hadolint', async () => {
      const config = [
        '--config-file',
        path.join(root, 'test/serve/pyproject.toml'),
        '--cache-dir',
        path.join(folder, 'mypy'),
      ];
      await must(tool('mypy'), [...config, 'serving', 'serve'], { cwd: path.join(directory, 'code') });
      await must(tool('hadolint'), [path.join(directory, 'Dockerfile')]);
    });

    it('is healthy without a model', async () => {
      assert.equal((await call('GET', '/ping')).status, 200);
      assert.deepEqual(await names(), []);
    });

    it('loads models, lists them, and refuses to load one twice', async () => {
      for (const name of ['one', 'two']) {
        const { status, body } = await load(name);
        assert.deepEqual([status, body], [200, { status: 'Workers scaled' }]);
      }
      assert.deepEqual(await names(), ['one', 'two']);
      const { status, body } = await load('one');
      assert.deepEqual([status, body.message], [409, 'Model one is already registered.']);
      const shown = await call('GET', '/models/one');
      assert.deepEqual([shown.status, shown.body.modelUrl], [200, '/opt/ml/models/one/model']);
    });

    it('predicts with each model, and responds as the contract requires', async () => {
      const rows = JSON.parse(sample).instances;
      for (const name of ['one', 'two']) {
        const { status, body } = await invoke(name);
        assert.equal(status, 200, JSON.stringify(body));
        assert.equal(body.predictions.length, rows.length);
      }
      const { body: expected } = await invoke('one');
      const csv = rows.map((row: number[]) => row.join(', ')).join('\n');
      const fromCsv = await invoke('one', `${csv}\n`, { 'content-type': 'Text/CSV; charset=utf-8' });
      assert.deepEqual([fromCsv.status, fromCsv.body], [200, expected]);
      const { body: lines } = await invoke('one', sample, { ...json, accept: 'text/csv' });
      assert.equal(lines.trimEnd().split('\n').length, rows.length);
      for (const [status, body, headers] of [
        [400, '{"instances": ', json],
        [400, '{"instances": [[1]]}', json],
        [415, '1', { 'content-type': 'application/x-unheard-of' }],
        [415, 'a=1', { 'content-type': 'application/x-www-form-urlencoded' }],
        [406, sample, { ...json, accept: 'image/png' }],
      ] as const) {
        const refused = await invoke('one', body, headers);
        assert.equal(refused.status, status, JSON.stringify(refused.body));
        assert.deepEqual(Object.keys(refused.body), ['error']);
      }
    });

    it('returns 404 for a model that does not exist or is not loaded, and 500 for one that does not load', async () => {
      const message = 'Model not found: none';
      for (const [method, route] of [
        ['GET', '/models/none'],
        ['DELETE', '/models/none'],
        ['POST', '/models/none/invoke'],
      ] as const) {
        const { status, body } = await call(method, route, sample);
        assert.deepEqual([status, body.message], [404, message]);
      }
      assert.equal((await load('none')).status, 404);
      for (const name of ['broken', 'empty']) assert.equal((await load(name)).status, 500);
      assert.deepEqual(await names(), ['one', 'two']);
    });

    it('accepts bodies up to 25 MB', async () => {
      const { status, body } = await invoke('one', ' '.repeat(25 * 2 ** 20 - sample.length) + sample);
      assert.equal(status, 200, JSON.stringify(body));
      const larger = await invoke('one', '', { ...json, 'content-length': 25 * 2 ** 20 + 1 });
      assert.equal(larger.status, 413);
    });

    it('unloads models, and ends their processes', async () => {
      const { status, body } = await call('DELETE', '/models/one');
      assert.deepEqual([status, body], [200, { status: 'Model "one" unregistered' }]);
      assert.equal((await invoke('one')).status, 404);
      assert.equal((await invoke('two')).status, 200);
      const processes = await must('docker', ['top', container.id, '-eo', 'pid,args']);
      assert.deepEqual([/--model-name one/.test(processes), /--model-name two/.test(processes)], [false, true]);
      assert.equal((await load('one')).status, 200);
    });

    it('logs JSON with the model, and without the content of requests', async () => {
      const { err } = await run('docker', ['logs', container.id]);
      const lines = err.split('\n').filter((line) => line.startsWith('{'));
      const parsed = lines.map((line) => JSON.parse(line));
      assert.ok(
        parsed.some(({ message, model, status }) => message === 'invocation' && model === 'two' && status === 200),
      );
      assert.ok(parsed.some(({ message, model }) => model === 'empty' && /There is no model/.test(message)));
    });

    it('completes running and waiting requests, then exits with 0 after SIGTERM', async () => {
      const big = JSON.stringify({ instances: Array(60_000).fill(JSON.parse(sample).instances[0]) });
      const requests = Array.from({ length: 6 }, () => invoke('two', big));
      const ended = stop(container);
      assert.deepEqual(
        (await Promise.all(requests)).map(({ status }) => status),
        Array(6).fill(200),
      );
      const { code, err } = await ended;
      assert.equal(code, 0, err);
    });

    it('returns 507 when memory runs out, and loads the model once there is enough', async () => {
      const small = await start(['--memory=400m']);
      const loaded: string[] = [];
      let refused: string | undefined;
      for (const name of modelNames) {
        const { status } = await load(name, small);
        if (status === 507) refused = name;
        if (refused) break;
        assert.equal(status, 200);
        loaded.push(name);
      }
      assert.ok(refused && loaded.length, `loaded: ${loaded}`);
      for (const name of loaded.slice(0, 2))
        assert.equal((await call('DELETE', `/models/${name}`, '', json, small)).status, 200);
      await until('the list without the refused model', 10, async () =>
        (await names(small)).includes(refused) ? undefined : true,
      );
      assert.equal((await load(refused, small)).status, 200);
      assert.equal((await invoke(refused, sample, json, small)).status, 200);
      assert.equal((await stop(small)).code, 0);
    });

    it('listens on SAGEMAKER_BIND_TO_PORT, and has the labels for that and for multi-model', async () => {
      const other = await start(['--env=SAGEMAKER_BIND_TO_PORT=9123'], 9123);
      assert.equal((await stop(other)).code, 0);
      const labels = JSON.parse(
        await must('docker', ['image', 'inspect', '--format', '{{json .Config.Labels}}', image]),
      );
      for (const name of ['accept-bind-to-port', 'multi-models'])
        assert.equal(labels[`com.amazonaws.sagemaker.capabilities.${name}`], 'true');
    });
  });
}
