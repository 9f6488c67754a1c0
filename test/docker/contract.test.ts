// check_contract.py --image: an image that breaks a rule about containers fails it. serve.test.ts tests that ours pass.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { containersOf, type Ended, must, rig, run, scratch, unique, until } from '../support/rig.js';
import { root, tool } from '../support/tools.js';

const scripts = path.join(root, 'templates/test/test');
const program = path.join(scripts, 'check_contract.py');
const label = 'com.amazonaws.sagemaker.capabilities';
const bindsToPort = `${label}.accept-bind-to-port=true`;

/** Runs check_contract.py for an image. */
const check = (image: string, request: string, model: string): Promise<Ended> =>
  run(tool('python'), [program, '--image', image, '--request', request, '--model', model]);

/** How an image breaks the contract: BREAK for contract_server.py, a stage of the Dockerfile, its labels. */
interface Broken {
  how: string;
  fails: string;
  breaks?: string;
  stage?: string;
  labels?: readonly string[];
}
const broken: readonly Broken[] = [
  { how: 'exits with 143 after SIGTERM', fails: 'SIGTERM ends it', breaks: 'sigterm-status' },
  { how: 'has a fixed port', fails: 'it listens on the port', breaks: 'port-fixed', labels: [] },
  { how: 'listens on another port without the label', fails: 'accept-bind-to-port', labels: [] },
  { how: 'claims to be multi-model', fails: 'multi-models', labels: [bindsToPort, `${label}.multi-models=true`] },
  { how: 'writes to its file system', fails: 'it writes only to', breaks: 'writes' },
  { how: 'drops its requests', fails: 'requests in flight', breaks: 'sigterm-drops' },
  { how: 'refuses large bodies in batch transform', fails: 'SAGEMAKER_BATCH', breaks: 'batch-limit' },
  { how: 'has files in /opt/ml', fails: 'no files in /opt/ml', stage: 'opt-ml' },
  { how: 'starts with tini', fails: 'tini', stage: 'tini' },
  { how: 'serves without a model', fails: 'without a model', breaks: 'no-model-serves' },
  { how: 'exits with 0 without a model', fails: 'without a model', breaks: 'no-model-is-fine' },
  { how: 'exits with a traceback without a model', fails: 'without a model', breaks: 'no-model-traceback' },
  { how: 'serves a broken model', fails: 'broken model', breaks: 'spoiled-model-serves' },
];

const dockerfile = `
ARG BASE_IMAGE
FROM \${BASE_IMAGE} AS plain
ENV PYTHONDONTWRITEBYTECODE=1
COPY contract_server.py /opt/program/
ENTRYPOINT ["python3", "/opt/program/contract_server.py"]
ARG BREAK
ENV BREAK=\${BREAK}
FROM plain AS opt-ml
COPY contract_server.py /opt/ml/code/
FROM plain AS tini
RUN printf '#!/bin/sh\\nshift\\nexec "$@"\\n' >/usr/bin/tini && chmod 755 /usr/bin/tini
ENTRYPOINT ["tini", "--", "python3", "/opt/program/contract_server.py"]
FROM plain AS with-model
ENV SM_MODEL_DIR=/opt/program/model
COPY model.json /opt/program/model/
`;

/** Checks the rules about containers, as check_contract.py does: those about the model, or all others except the slow one. */
const checkContainers = `
import sys
from pathlib import Path
import check_contract
from check_contract import IMAGE, MODEL, START, Image
name, folder, wanted = sys.argv[1:]
image = Image(name, Path(folder), b'{"instances": [[1.0, 2.0, 3.0], [4.5, 5.0, 6.25]]}')
group = MODEL if any(wanted in rule for rule in MODEL) else IMAGE
rules = {**START, **{rule: group[rule] for rule in group if "in flight" not in rule or wanted in rule}}
try:
    check_contract.check(rules, image)
finally:
    check_contract.remove_containers()
`;

describe('check_contract.py and an image', function () {
  this.timeout(120_000);
  const folder = scratch();
  const model = path.join(folder, 'model');
  const request = path.join(folder, 'sample_request.json');
  const images: string[] = [];

  before(async () => {
    mkdirSync(model);
    writeFileSync(path.join(model, 'model.json'), '{"weights": [1.5, -2.0, 0.25]}');
    copyFileSync(path.join(model, 'model.json'), path.join(folder, 'model.json'));
    writeFileSync(request, '{"instances": [[1.0, 2.0, 3.0], [4.5, 5.0, 6.25]]}');
    writeFileSync(path.join(folder, 'Dockerfile'), dockerfile);
    copyFileSync(path.join(root, 'test/serve/contract_server.py'), path.join(folder, 'contract_server.py'));
    await must('chmod', ['-R', 'a+rX', folder]);
  });
  after(() => run('docker', ['image', 'rm', '--force', ...images]));

  async function make({ breaks = '', stage = 'plain', labels = [bindsToPort] }: Partial<Broken>): Promise<string> {
    const image = unique('contract');
    const options = [`--build-arg=BREAK=${breaks}`, `--target=${stage}`, ...labels.map((each) => `--label=${each}`)];
    const base = `--build-arg=BASE_IMAGE=${rig('BASE_IMAGE').BASE_IMAGE}`;
    const fixed = ['buildx', 'build', '--quiet', '--provenance=false', '--load', base];
    await must('docker', [...fixed, ...options, '--tag', image, folder]);
    images.push(image);
    return image;
  }

  async function failuresOf(image: string, wanted = 'no rule'): Promise<string[]> {
    const env = { PYTHONPATH: scripts, PYTHONDONTWRITEBYTECODE: '1' };
    const out = await must(tool('python'), ['-c', checkContainers, image, model, wanted], { env });
    assert.equal(await containersOf(image), '');
    return out.split('\n').filter((line) => !line.startsWith('pass  '));
  }

  for (const { how, fails, ...options } of broken)
    it(`that ${how}: fails one rule`, async () => {
      const failures = await failuresOf(await make(options), fails);
      assert.equal(failures.length, 1, failures.join('\n'));
      assert.ok(failures[0]?.startsWith('fail  ') && failures[0].includes(fails), failures[0]);
    });

  it('that contains its model: the rules about a missing model do not apply', async () => {
    const { code, out, err } = await check(await make({ stage: 'with-model' }), request, model);
    assert.match(out, /^(pass {2}.*\n){45}45 passed, 0 failed\n$/);
    assert.equal(err, '2 rules do not apply: the model is in the image, or there is none in --model.\n');
    assert.equal(code, 0);
  });

  it('that does not start: reports why, and checks nothing more', async () => {
    const { code, out, err } = await check(await make({ breaks: 'needs-root' }), request, model);
    assert.equal(code, 1);
    assert.match(out, /^fail {2}docker run IMAGE serve.*: it exited with status 1\n0 passed, 1 failed\n$/);
    assert.match(
      err,
      /OSError: .*Read-only file system.*\nThe remaining rules were not checked, because the container did not start\.\n$/,
    );
  });

  it('that is being checked: an interrupted check leaves no container behind', async () => {
    const image = await make({});
    for (const [signal, status] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const checking = spawn(tool('python'), [program, '--image', image, '--request', request, '--model', model]);
      const ended = new Promise((resolve) => checking.on('close', resolve));
      await until('a container', 60, async () => (await containersOf(image)) || undefined);
      if (signal === 'SIGTERM') await pause(2000); // requests are being sent by now
      checking.kill(signal);
      assert.equal(await ended, status);
      assert.equal(await containersOf(image), '');
    }
  });
});
