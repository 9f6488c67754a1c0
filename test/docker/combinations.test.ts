// An image of each set of requirements, built, started and invoked. If a framework has training, the model comes from its
// training image. Other formats and deliveries are tested as processes, in test/frameworks.
import assert from 'node:assert/strict';
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { entryOf } from '../../generators/catalog/frameworks.js';
import { combinations, oneOfEach, trains } from '../support/combinations.js';
import { build, must, post, project, ready, rig, run, scratch, start, stop, train, unique } from '../support/rig.js';
import { assertNear, csvOf, writeData } from '../support/training.js';

/** For scikit-learn, both servers with skops, with one delivery each; docker/serve.test.ts tests them without skops. */
const ofSklearn = ['fastapi skops image', 'flask skops s3'];
const describeChoice = ({ modelServer, modelFormat = '', modelDelivery }: (typeof combinations)[number]) =>
  `${modelServer} ${modelFormat} ${modelDelivery}`;
/** A version chosen by the user. All versions are tested as processes, in test/versions. */
const older = { frameworkVersion: '1.7.2' };
const chosen: ((typeof combinations)[number] & Partial<typeof older>)[] = [
  ...oneOfEach.filter(({ framework }) => framework !== 'sklearn'),
  ...combinations
    .filter((each) => each.framework === 'sklearn' && ofSklearn.includes(describeChoice(each)))
    .map((each) => (each.modelServer === 'flask' ? { ...each, ...older } : each)),
];

/** Runs a training image as SageMaker does, and copies the model to model/. */
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
  const output = await must('docker', ['run', '--rm', `--volume=${ml}:/opt/ml`, image, 'train']);
  assert.match(output, /train:rmse=.* validation:rmse=/);
  cpSync(path.join(ml, 'model'), path.join(directory, 'model'), { recursive: true });
}

describe('the image of every set of requirements', function () {
  this.timeout(1_200_000); // PyTorch's is large if the index of its CPU builds cannot be reached
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
      if (entryOf(framework).cpuBuild) await reportTorchBuild(image);
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

/** The output of Python code run in an image. */
const printed = (image: string, code: string) => must('docker', ['run', '--rm', image, 'python', '-c', code]);

async function reportTorchBuild(image: string): Promise<void> {
  const cuda = await printed(image, 'import torch; print(torch.version.cuda)');
  if (cuda !== 'None') console.log(`      the index of CPU builds cannot be reached: the image contains CUDA ${cuda}`);
}
