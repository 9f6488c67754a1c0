import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build, must, post, project, ready, rig, run, scratch, start, stop, unique } from '../support/rig.js';
import { root } from '../support/tools.js';

describe('the image for Graviton', function () {
  this.timeout(900_000);
  const folder = scratch();
  const image = unique('graviton');
  let directory: string;
  before(async () => {
    directory = await project(folder, { projectName: 'graviton', instanceType: 'cpu-optimized' });
  });
  after(() => run('docker', ['image', 'rm', '--force', image]));

  it('gets every package as a wheel for arm64', async () => {
    const tags = ['2_17', '2_26', '2_27', '2_28'].flatMap((glibc) => ['--platform', `manylinux_${glibc}_aarch64`]);
    const wheels = [...tags, '--python-version', '3.13', '--only-binary', ':all:'];
    const install = [
      'pip',
      'install',
      '--dry-run',
      '--quiet',
      '--target',
      '/tmp/none',
      '--requirement',
      '/r.txt',
      ...wheels,
    ];
    const volume = `${path.join(directory, 'requirements.txt')}:/r.txt:ro`;
    await must('docker', ['run', '--rm', '--volume', volume, rig('BASE_IMAGE').BASE_IMAGE, ...install]);
  });

  // Without scikit-learn: to install and byte-compile that under emulation takes ten minutes.
  it('is built for arm64 and answers', async () => {
    copyFileSync(path.join(root, 'templates/requirements/fastapi.txt'), path.join(directory, 'requirements.txt'));
    writeFileSync(path.join(directory, 'code/model_handler.py'), handler);
    writeFileSync(path.join(directory, 'model/model.txt'), '42');
    await must('chmod', ['-R', 'a+rX', folder]);
    await build(directory, image, rig('ARM64_BASE').ARM64_BASE, 'linux/arm64');
    assert.equal(await must('docker', ['image', 'inspect', '--format', '{{.Architecture}}', image]), 'arm64');
    const container = await start(image, { model: path.join(directory, 'model') });
    await ready(container, 180);
    const answer = await post(container, 'application/json', '{"instances": [[1], [2]]}');
    assert.deepEqual(answer, { status: 200, body: { predictions: [42, 42] } });
    assert.equal((await stop(container)).code, 0);
  });
});

const handler = `
def load(model_dir):
    return int((model_dir / "model.txt").read_text())


def predict(model, inputs):
    return [model for _ in inputs]
`;
