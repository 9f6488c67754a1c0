// Multi-model images, started as SageMaker does: their label, their API, and running out of memory.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
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
  unique,
} from '../support/rig.js';
import { tool } from '../support/tools.js';

const json = { 'content-type': 'application/json' };
const record = JSON.stringify({ instances: [[1, 2, 3, 4, 5, 6, 7, 8]] });
/** Writes models of given sizes in MB: a nearest-neighbour model contains its training data. */
const make = `
import sys, joblib, numpy as np
from pathlib import Path
from sklearn.neighbors import KNeighborsRegressor
for folder, size in (each.split("=") for each in sys.argv[1:]):
    rows = int(float(size) * 2**20 / 72)
    x = np.random.default_rng(rows).uniform(size=(rows, 8))
    model = KNeighborsRegressor(1, algorithm="brute").fit(x, np.full(rows, float(rows)))
    joblib.dump(model, Path(folder) / "model.joblib")
`;
const large = ['large-1', 'large-2', 'large-3', 'large-4', 'large-5', 'large-6'];
const sizes: Record<string, number> = {
  ...Object.fromEntries(large.map((name) => [name, 60])),
  'small-1': 0.1,
  'small-2': 0.2,
  huge: 700,
};

for (const server of ['fastapi', 'flask']) {
  describe(`the multi-model image for ${server}`, function () {
    this.timeout(600_000);
    const folder = scratch();
    const image = unique(`many-${server}`);
    const models = path.join(folder, 'models');
    let directory: string;
    let container: Container;

    before(async () => {
      directory = await project(folder, { projectName: server, modelServer: server, multiModel: true });
      await build(directory, image, rig('BASE_IMAGE').BASE_IMAGE);
      const folders = Object.entries(sizes).map(([name, size]) => {
        mkdirSync(path.join(models, name, 'model'), { recursive: true });
        return `${path.join(models, name, 'model')}=${size}`;
      });
      await must(tool('python'), ['-c', make, ...folders]);
      await must('chmod', ['-R', 'a+rX', folder]);
      const restricted = [
        '--read-only',
        '--user',
        '1000',
        '--tmpfs',
        '/tmp',
        '--memory',
        '512m',
        '--memory-swap',
        '512m',
      ];
      const mode = ['--env=SAGEMAKER_MULTI_MODEL=true', '--volume', `${models}:/opt/ml/models:ro`];
      const id = await must('docker', ['run', '--detach', ...restricted, ...mode, '--publish=127.0.0.1::8080', image]);
      container = { id, url: `http://${await must('docker', ['port', id, '8080/tcp'])}` };
      await ready(container);
    });
    after(async () => {
      if (container) await run('docker', ['rm', '--force', container.id]);
      await run('docker', ['image', 'rm', '--force', image]);
    });

    const call = async (method: string, route: string, body = '') => {
      const response = await request(`${container.url}${route}`, { method, headers: json, body });
      return [response.status, response.body] as const;
    };
    const load = (name: string) =>
      call('POST', '/models', JSON.stringify({ model_name: name, url: `/opt/ml/models/${name}/model` }));
    const unload = (name: string) => call('DELETE', `/models/${name}`);
    const listed = async () =>
      (await call('GET', '/models'))[1].models.map(({ modelName }: { modelName: string }) => modelName);

    it('meets the contract, single-model and multi-model', async () => {
      await must(tool('python'), [path.join(directory, 'sample_model/train.py')]);
      const { out, err } = await run(path.join(directory, 'test/check_contract.py'), ['--image', image]);
      assert.match(out, /\n\d+ passed, 0 failed\n$/, out + err);
    });

    it('has the label for multi-model', async () => {
      const label = '{{index .Config.Labels "com.amazonaws.sagemaker.capabilities.multi-models"}}';
      assert.equal(await must('docker', ['image', 'inspect', '--format', label, image]), 'true');
    });

    it('loads, lists, invokes and unloads models', async () => {
      for (const name of ['small-1', 'small-2'])
        assert.deepEqual(await load(name), [200, { status: 'Workers scaled' }]);
      assert.deepEqual(await load('small-1'), [409, { message: 'Model small-1 is already registered.' }]);
      const [[, one], [, two]] = [
        await call('POST', '/models/small-1/invoke', record),
        await call('POST', '/models/small-2/invoke', record),
      ];
      assert.equal(two.predictions[0], Math.floor((0.2 * 2 ** 20) / 72));
      assert.notDeepEqual(one, two);
      assert.deepEqual(await unload('small-1'), [200, { status: 'Model "small-1" unregistered' }]);
      assert.deepEqual(await call('POST', '/models/small-1/invoke', record), [
        404,
        { message: 'Model not found: small-1' },
      ]);
    });

    it('returns 507 before memory runs out, and loads the model once SageMaker has unloaded others', async () => {
      const loaded: string[] = [];
      let refused = '';
      for (const name of large) {
        const [status] = await load(name);
        assert.ok(status === 200 || status === 507, `${name}: ${status}`);
        if (status === 200) loaded.push(name);
        else refused ||= name;
      }
      assert.ok(loaded.length >= 2 && refused, `loaded: ${loaded}`);
      for (const name of loaded)
        assert.equal((await call('POST', `/models/${name}/invoke`, record))[0], 200, `${name} responds`);
      let status: number | undefined;
      while (status !== 200) {
        const first = loaded.shift();
        assert.ok(first, 'the model never fits');
        assert.equal((await unload(first))[0], 200);
        [status] = await load(refused);
      }
      for (const name of [...loaded, refused]) assert.equal((await unload(name))[0], 200);
    });

    it('survives a model that is larger than its memory', async () => {
      const [status, body] = await load('huge');
      assert.deepEqual([status, body], [507, { message: 'There is not enough memory to load model huge.' }]);
      assert.deepEqual(await listed(), ['small-2']);
      assert.equal((await call('POST', '/models/small-2/invoke', record))[0], 200);
      assert.equal(await must('docker', ['inspect', '--format', '{{.State.Running}}', container.id]), 'true');
    });

    it('returns 507 at the limit of processes, and survives', async () => {
      await must('docker', ['update', '--pids-limit', '30', container.id]);
      const loaded: string[] = [];
      for (let number = 0; ; number++) {
        const order = { model_name: `copy-${number}`, url: '/opt/ml/models/small-1/model' };
        const [status] = await call('POST', '/models', JSON.stringify(order));
        if (status === 507) break;
        assert.ok(status === 200 && number < 30, `${status} for model ${number}`);
        loaded.push(order.model_name);
      }
      for (const name of loaded) assert.equal((await unload(name))[0], 200);
      assert.equal((await load('small-1'))[0], 200);
    });

    it('exits with 0 after SIGTERM', async () => {
      const { code, out, err } = await stop(container);
      assert.equal(code, 0, out + err);
      assert.doesNotMatch(err, /Traceback/);
    });
  });
}
