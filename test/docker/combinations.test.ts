// Every combination that can be generated, built, started and asked.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { combinations } from '../support/combinations.js';
import { build, must, post, project, ready, rig, run, scratch, start, stop, unique } from '../support/rig.js';
import { tool } from '../support/tools.js';

describe('the image of every combination', function () {
  this.timeout(300_000);
  const folder = scratch();

  for (const combination of combinations) {
    const { modelDelivery } = combination;
    const words = Object.values(combination);
    it(`${words.join(', ')}: predicts`, async () => {
      const image = unique('combination');
      const directory = await project(folder, { projectName: words.join('-').toLowerCase(), ...combination });
      await must(tool('python'), [path.join(directory, 'sample_model/train.py')]);
      await must('chmod', ['-R', 'a+rX', folder]);
      await build(directory, image, rig('BASE_IMAGE').BASE_IMAGE);
      const container = await start(image, modelDelivery === 's3' ? { model: path.join(directory, 'model') } : {});
      await ready(container);
      const request = readFileSync(path.join(directory, 'test/sample_request.json'), 'utf8');
      const { status, body } = await post(container, 'application/json', request);
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(body.predictions.length, JSON.parse(request).instances.length);
      assert.equal((await stop(container)).code, 0);
      const inside = await must('docker', ['run', '--rm', image, 'sh', '-c', 'ls -A model 2>/dev/null || true']);
      assert.equal(inside, modelDelivery === 'image' ? `model.${combination.modelFormat}` : '');
      await run('docker', ['image', 'rm', '--force', image]);
    });
  }
});
