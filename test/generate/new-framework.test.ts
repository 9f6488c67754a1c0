// A design goal: a new framework needs one entry in the catalogue and its own files, without edits elsewhere.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { newFolder, quietEnv } from '../support/bin.js';
import { root } from '../support/tools.js';

const entry = "averages: { label: 'Averages', formats: [{ name: 'avg' }], servers: web, library: ['numpy'] },";
const files: Readonly<Record<string, string>> = {
  'requirements/averages.txt': readFileSync(join(root, 'templates/requirements/custom.txt'), 'utf8'), // as npm run pins writes it
  'frameworks/averages/code/model_handler.py': `
from serving.models import find_model_file
from serving.tabular import to_matrix
def load(model_dir): return float(find_model_file(model_dir, ".avg").read_text())
def decode(model, records): return to_matrix(records, 8)
def predict(model, inputs): return inputs.mean(axis=1) - model
`,
  'frameworks/averages/sample_model/train.py.ejs': `
from sample import MODEL, finish, make_data
train_x, train_y, test_x, test_y = make_data()
path = MODEL / ("model." + <%= project.format.name %>)
path.parent.mkdir(exist_ok=True)
path.write_text("1.5")
finish("an average", path, test_x, test_y, test_x.mean(axis=1))
`,
};

describe('a new framework', function () {
  this.timeout(300_000);

  it('needs one entry and three files to be generated, trained, served and called', () => {
    const folder = newFolder();
    for (const name of ['dist', 'templates', 'package.json'])
      cpSync(join(root, name), join(folder, name), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const catalog = join(folder, 'dist/generators/catalog/frameworks.js');
    const text = readFileSync(catalog, 'utf8');
    assert.match(text, /export const frameworks = \{/);
    writeFileSync(catalog, text.replace('export const frameworks = {', `export const frameworks = { ${entry}`));
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, 'templates', name)), { recursive: true });
      writeFileSync(join(folder, 'templates', name), content);
    }

    const run = (command: string, args: readonly string[], cwd: string) => {
      const { status, stdout, stderr } = spawnSync(command, args, { cwd, env: quietEnv, encoding: 'utf8', input: '' });
      assert.equal(status, 0, stderr);
      return stdout;
    };
    const bin = join(folder, 'dist/generators/cli.js');
    run(process.execPath, [bin, 'x', '--framework=averages', '--include-sample-model', '--skip-prompts'], folder);
    const answer = JSON.parse(run('test/run_local.sh', [], join(folder, 'x')));
    const request = JSON.parse(readFileSync(join(folder, 'x/test/sample_request.json'), 'utf8'));
    const mean = (record: number[]) => record.reduce((sum, value) => sum + value) / record.length - 1.5;
    const expected: number[] = request.instances.map(mean);
    assert.deepEqual(
      answer.predictions.map((value: number) => value.toFixed(6)),
      expected.map((value) => value.toFixed(6)),
    );
  });
});
