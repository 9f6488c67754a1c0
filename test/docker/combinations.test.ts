// An image of each set of requirements, built, started and asked. Where a framework can be trained, the model comes from its
// training image. What differs by format or delivery beyond that is tested as processes, in test/frameworks.
import assert from 'node:assert/strict';
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { entryOf } from '../../generators/catalog/frameworks.js';
import { combinations, oneOfEach, trains } from '../support/combinations.js';
import { build, must, post, project, ready, rig, run, scratch, start, stop, train, unique } from '../support/rig.js';
import { assertNear, csvOf, writeData } from '../support/training.js';

/** Of scikit-learn both servers with skops, which together have both deliveries; without it: docker/serve.test.ts. */
const ofSklearn = ['fastapi skops image', 'flask skops s3'];
const words = ({ modelServer, modelFormat = '', modelDelivery }: (typeof combinations)[number]) =>
  `${modelServer} ${modelFormat} ${modelDelivery}`;
/** A version of the user's choice, which the image has then; all of them are tested as processes, in test/versions. */
const older = { frameworkVersion: '1.7.2' };
const chosen: ((typeof combinations)[number] & Partial<typeof older>)[] = [
  ...oneOfEach.filter(({ framework }) => framework !== 'sklearn'),
  ...combinations
    .filter((each) => each.framework === 'sklearn' && ofSklearn.includes(words(each)))
    .map((each) => (each.modelServer === 'flask' ? { ...each, ...older } : each)),
];

/** Runs a training image as SageMaker does, in folders of its own; the model goes into model/. */
async function fit(directory: string, image: string): Promise<void> {
  const ml = path.join(directory, 'ml');
  for (const folder of ['input/config', 'input/data/train', 'input/data/validation', 'model', 'output'])
    mkdirSync(path.join(ml, folder), { recursive: true });
  const config = {
    hyperparameters: {},
    inputdataconfig: { train: { ContentType: 'text/csv' }, validation: { ContentType: 'text/csv' } },
    resourceconfig: { current_host: 'algo-1', hosts: ['algo-1'] },
  };
  for (const [name, content] of Object.entries(config))
    writeFileSync(path.join(ml, `input/config/${name}.json`), JSON.stringify(content));
  for (const channel of ['train', 'validation'] as const)
    copyFileSync(csvOf(directory, channel), path.join(ml, `input/data/${channel}/houses.csv`));
  const said = await must('docker', ['run', '--rm', `--volume=${ml}:/opt/ml`, image, 'train']);
  assert.match(said, /train:rmse=.* validation:rmse=/);
  cpSync(path.join(ml, 'model'), path.join(directory, 'model'), { recursive: true });
}

describe('the image of every set of requirements', function () {
  this.timeout(1_200_000); // PyTorch's is large where the index of its builds for CPUs cannot be reached
  const folder = scratch();
  const { BASE_IMAGE } = rig('BASE_IMAGE');

  for (const combination of chosen) {
    const { framework, frameworkVersion, modelDelivery } = combination;
    const name = Object.values(combination).filter((word) => !word.includes('/'));
    const trained = framework !== 'sklearn' && trains(framework);
    it(`${name.join(', ')}: ${trained ? 'trains, and ' : ''}predicts`, async () => {
      const [image, training] = [unique('serving'), unique('training')];
      const answers = {
        projectName: name.join('-').replaceAll('.', '-').toLowerCase(),
        ...combination,
        includeTraining: trained,
      };
      const directory = await project(folder, answers);
      let prices: number[] | undefined;
      if (trained) {
        prices = await writeData(directory);
        await build(path.join(directory, 'train'), training, BASE_IMAGE);
        await fit(directory, training);
      } else await train(directory, await build(directory, image, BASE_IMAGE));
      await must('chmod', ['-R', 'a+rX', folder]);
      await build(directory, image, BASE_IMAGE);
      if (entryOf(framework).cpuBuild) await sayWhichTorch(image);
      if (frameworkVersion)
        assert.equal(await printed(image, 'import sklearn; print(sklearn.__version__)'), frameworkVersion);
      const container = await start(image, modelDelivery === 's3' ? { model: path.join(directory, 'model') } : {});
      await ready(container);
      const request = readFileSync(path.join(directory, 'test/sample_request.json'), 'utf8');
      const { status, body } = await post(container, 'application/json', request);
      assert.equal(status, 200, JSON.stringify(body));
      if (prices) assertNear(body.predictions.flat(), prices);
      else assert.equal(body.predictions.length, JSON.parse(request).instances.length);
      assert.equal((await stop(container)).code, 0);
      const inside = await must('docker', ['run', '--rm', image, 'sh', '-c', 'ls -A model 2>/dev/null || true']);
      if (modelDelivery === 's3') assert.equal(inside, '');
      else assert.match(inside, /^model\.\w+$/m);
      await run('docker', ['image', 'rm', '--force', image, training]);
    });
  }
});

/** What the Python of an image prints. */
const printed = (image: string, code: string) => must('docker', ['run', '--rm', image, 'python', '-c', code]);

async function sayWhichTorch(image: string): Promise<void> {
  const cuda = await printed(image, 'import torch; print(torch.version.cuda)');
  if (cuda !== 'None') console.log(`      the index of builds for CPUs cannot be reached: the image has CUDA ${cuda}`);
}
