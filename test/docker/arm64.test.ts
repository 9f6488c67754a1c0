import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { build, must, post, project, ready, rig, run, scratch, start, stop, train, unique } from '../support/rig.js';

describe('the image for Graviton', function () {
  this.timeout(600_000);
  const folder = scratch();
  const image = unique('graviton');
  after(() => run('docker', ['image', 'rm', '--force', image]));

  it('is built for arm64 and answers', async () => {
    const { ARM64_BASE } = rig('ARM64_BASE');
    const directory = await project(folder, { projectName: 'graviton', instanceType: 'cpu-optimized' });
    await build(directory, image, ARM64_BASE, 'linux/arm64');
    assert.equal(await must('docker', ['image', 'inspect', '--format', '{{.Architecture}}', image]), 'arm64');
    await train(directory, image);
    await must('chmod', ['-R', 'a+rX', folder]);
    const container = await start(image, { model: path.join(directory, 'model') });
    await ready(container, 180); // under emulation
    const request = readFileSync(path.join(directory, 'test/sample_request.json'), 'utf8');
    const { status, body } = await post(container, 'application/json', request);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal((await stop(container)).code, 0);
  });
});
