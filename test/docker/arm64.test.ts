// An image for Graviton, the default instance type, built and started under emulation. That takes minutes, so it is the
// smallest image; test/frameworks/pins.test.ts tests that the packages of all others exist for arm64.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { build, must, post, project, ready, rig, run, scratch, start, stop, unique } from '../support/rig.js';
import { tool } from '../support/tools.js';

describe('the image for Graviton', function () {
  this.timeout(1_800_000);
  const folder = scratch();
  const image = unique('graviton');
  after(() => run('docker', ['image', 'rm', '--force', image]));

  it('is built for arm64 and predicts', async () => {
    const answers = { projectName: 'graviton', framework: 'custom', instanceType: 'cpu-optimized' };
    const directory = await project(folder, answers);
    await must(tool('python'), [path.join(directory, 'sample_model/train.py')]);
    await must('chmod', ['-R', 'a+rX', folder]);
    await build(directory, image, rig('ARM64_BASE').ARM64_BASE, 'linux/arm64');
    assert.equal(await must('docker', ['image', 'inspect', '--format', '{{.Architecture}}', image]), 'arm64');
    const container = await start(image, { model: path.join(directory, 'model') });
    await ready(container, 480);
    const request = readFileSync(path.join(directory, 'test/sample_request.json'), 'utf8');
    const { status, body } = await post(container, 'application/json', request);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.predictions.length, JSON.parse(request).instances.length);
    assert.equal((await stop(container)).code, 0);
  });
});
