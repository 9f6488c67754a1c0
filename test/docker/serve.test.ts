import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  build,
  type Container,
  containersOf,
  must,
  post,
  project,
  ready,
  rig,
  run,
  scratch,
  sizeOfPackages,
  start,
  stop,
  train,
  unique,
} from '../support/rig.js';

for (const server of ['fastapi', 'flask']) {
  describe(`the image for ${server}`, function () {
    this.timeout(300_000);
    const folder = scratch();
    const image = unique(server);
    const password = `of-the-index-${server}`;
    let directory: string;
    let container: Container;
    const sample = (ending: string) => readFileSync(path.join(directory, `test/sample_request.${ending}`), 'utf8');

    before(async () => {
      const { BASE_IMAGE } = rig('BASE_IMAGE');
      const packages = server === 'flask' ? ['pandas'] : []; // for a model on a DataFrame
      directory = await project(folder, { projectName: server, modelServer: server, packages });
      // As after a checkout with umask 077; the container runs as another user.
      await must('chmod', ['-R', 'go-rwx', directory]);
      chmodSync(path.join(directory, 'code/serve'), 0o600);
      // An index with a password: PyPI, which accepts any.
      const configuration = path.join(folder, 'pip.conf');
      writeFileSync(configuration, `[global]\nindex-url = https://reader:${password}@pypi.org/simple\n`);
      await build(directory, image, BASE_IMAGE, 'linux/amd64', ['--secret', `id=pip.conf,src=${configuration}`]);
      await train(directory, image);
      await must('chmod', ['-R', 'a+rX', folder]);
      container = await start(image, { model: path.join(directory, 'model') });
      await ready(container);
    });
    after(async () => {
      if (container) await run('docker', ['rm', '--force', container.id]);
      await run('docker', ['image', 'rm', '--force', image]);
    });

    it('predicts from JSON and from csv, as any user on a read-only file system', async () => {
      const json = await post(container, 'application/json', sample('json'));
      assert.equal(json.status, 200, JSON.stringify(json.body));
      assert.equal(json.body.predictions.length, JSON.parse(sample('json')).instances.length);
      assert.deepEqual(await post(container, 'text/csv; charset=utf-8', sample('csv')), json);
    });

    it('returns 400 for an invalid body and 415 for an unknown content type', async () => {
      assert.equal((await post(container, 'application/json', '{"instances": ')).status, 400);
      assert.equal((await post(container, 'application/x-unheard-of', '1')).status, 415);
    });

    it('exits with 0 after SIGTERM', async () => {
      const { code, out, err } = await stop(await started());
      assert.equal(code, 0, out + err);
    });

    it('listens on SAGEMAKER_BIND_TO_PORT, and has the label for it', async () => {
      const other = await started({ port: 9123, env: ['SAGEMAKER_BIND_TO_PORT=9123'] });
      assert.equal((await stop(other)).code, 0);
      const label = '{{index .Config.Labels "com.amazonaws.sagemaker.capabilities.accept-bind-to-port"}}';
      assert.equal(await must('docker', ['image', 'inspect', '--format', label, image]), 'true');
    });

    it('serves without a command', async () => {
      assert.equal((await stop(await started({ command: [] }))).code, 0);
    });

    it('exits with an error status and a plain last line if there is no model', async () => {
      const { id } = await start(image);
      assert.notEqual(await must('docker', ['wait', id]), '0');
      const { code, out, err } = await stop({ id, url: '' });
      assert.notEqual(code, 0);
      assert.match(`${out}${err}`.trimEnd().split('\n').at(-1) ?? '', /no model in \/opt\/ml\/model/);
    });

    it('passes every rule of check_contract.py, which leaves no container behind', async () => {
      const before = await containersOf(image);
      const options = [
        '--request',
        path.join(directory, 'test/sample_request.json'),
        '--model',
        path.join(directory, 'model'),
      ];
      const { code, out, err } = await run(path.join(directory, 'test/check_contract.py'), [
        '--image',
        image,
        ...options,
      ]);
      const failures = out.split('\n').filter((line) => line && !line.startsWith('pass'));
      assert.deepEqual(failures, ['47 passed, 0 failed'], err);
      assert.equal(code, 0);
      assert.equal(await containersOf(image), before);
    });

    it('contains the base image, the packages and little else', async () => {
      const size = async (name: string) =>
        Number(await must('docker', ['image', 'inspect', '--format', '{{.Size}}', name]));
      const packages = await sizeOfPackages(image);
      const [whole, base] = [await size(image), await size(rig('BASE_IMAGE').BASE_IMAGE)];
      const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
      console.log(`      ${megabytes(whole)}: base ${megabytes(base)}, packages ${megabytes(packages)}`);
      assert.ok(whole < 1.12 * (base + packages), megabytes(whole));
      assert.match(await must('docker', ['run', '--rm', image, 'sh', '-c', 'ls /opt/venv/bin']), /^(?!.*\bpip)/s);
    });

    it('contains no tests, headers or static libraries of packages', async () => {
      const files = ['tests', 'include', '*.h', '*.hpp', '*.a', '*.pyx'].map((name) => `-name '${name}'`).join(' -o ');
      const find = `find /opt/venv -not -path '*.dist-info/*' \\( ${files} \\)`;
      assert.equal(await must('docker', ['run', '--rm', image, 'sh', '-c', find]), '');
    });

    if (server === 'flask')
      it('returns the predictions of the model for every form of request with named columns', async () => {
        const script = fileURLToPath(new URL('columns.py', import.meta.url));
        const volumes = [`--volume=${directory}:/project`, `--volume=${script}:/columns.py`];
        const output = await must('docker', ['run', '--rm', ...volumes, image, 'python', '/columns.py']);
        const { requests, predictions } = JSON.parse(output.split('\n').at(-1) ?? '');
        await must('chmod', ['-R', 'a+rX', folder]);
        const other = await started({ model: path.join(directory, 'columns/model') });
        for (const [type, body] of requests) {
          const response = await post(other, type, body);
          assert.deepEqual(response, { status: 200, body: { predictions } }, `${type}: ${body.slice(0, 200)}`);
        }
        const { out, err } = await stop(other);
        assert.match(out + err, /20 of 20 predictions agree/);
      });

    // The Dockerfile instructions that use the password are the same for both servers.
    if (server === 'fastapi')
      it('does not contain the password of the package index', async () => {
        const archive = path.join(folder, 'image.tar');
        await must('docker', ['save', '--output', archive, image]);
        assert.ok(readFileSync(archive).includes('threadpoolctl')); // shows that the layers are not compressed
        assert.ok(!readFileSync(archive).includes(password));
        assert.doesNotMatch(await must('docker', ['history', '--no-trunc', image]), new RegExp(password));
      });

    async function started(options: Parameters<typeof start>[1] = {}): Promise<Container> {
      const other = await start(image, { model: path.join(directory, 'model'), ...options });
      await ready(other);
      return other;
    }
  });
}
