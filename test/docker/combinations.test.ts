// Images built, started and asked: every combination of scikit-learn's, and one of each other framework.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { entryOf } from '../../generators/catalog/frameworks.js';
import { combinations, oneOfEach } from '../support/combinations.js';
import { build, must, post, project, ready, rig, run, scratch, start, stop, unique } from '../support/rig.js';
import { installFramework, tool } from '../support/tools.js';

const chosen = [
  ...combinations.filter(({ framework }) => framework === 'sklearn'),
  ...oneOfEach.filter(({ framework }) => framework !== 'sklearn'),
];

describe('the image of every combination', function () {
  this.timeout(1_200_000); // PyTorch's is large where the index of its builds for CPUs cannot be reached
  const folder = scratch();

  for (const combination of chosen) {
    const { framework, modelDelivery } = combination;
    const words = Object.values(combination).filter((word) => !word.includes('/'));
    it(`${words.join(', ')}: predicts`, async () => {
      const image = unique('combination');
      const directory = await project(folder, { projectName: words.join('-').toLowerCase(), ...combination });
      const python = framework === 'sklearn' ? tool('python') : path.join(installFramework(framework), 'python');
      await must(python, [path.join(directory, 'sample_model/train.py')]);
      await must('chmod', ['-R', 'a+rX', folder]);
      await build(directory, image, rig('BASE_IMAGE').BASE_IMAGE);
      if (entryOf(framework).cpuBuild) {
        const cuda = await must('docker', [
          'run',
          '--rm',
          image,
          'python',
          '-c',
          'import torch; print(torch.version.cuda)',
        ]);
        if (cuda !== 'None')
          console.log(`      the index of builds for CPUs cannot be reached: the image has CUDA ${cuda}`);
      }
      const container = await start(image, modelDelivery === 's3' ? { model: path.join(directory, 'model') } : {});
      await ready(container);
      const request = readFileSync(path.join(directory, 'test/sample_request.json'), 'utf8');
      const { status, body } = await post(container, 'application/json', request);
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(body.predictions.length, JSON.parse(request).instances.length);
      assert.equal((await stop(container)).code, 0);
      const inside = await must('docker', ['run', '--rm', image, 'sh', '-c', 'ls -A model 2>/dev/null || true']);
      assert.match(inside, modelDelivery === 'image' ? /^model\.\w+$/m : /^$/);
      await run('docker', ['image', 'rm', '--force', image]);
    });
  }
});
