// npm run demo: generates a sample project, trains its model, serves it on this machine and sends one request.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './support/tools.js';

const folder = mkdtempSync(join(tmpdir(), 'ml-container-creator-'));

/** Runs a program and shows its output. Ends the demo if the program fails. */
function step(command: string, args: readonly string[], cwd: string, stdout: 'inherit' | 'ignore' = 'inherit'): void {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', stdout, 'inherit'] });
  if (status === 0) return;
  console.error(error ? `Cannot start ${command}: ${error.message}` : `The demo failed. Its project is in ${folder}.`);
  process.exit(1);
}

const bin = join(root, 'dist/generators/cli.js');
if (!existsSync(bin)) step('npm', ['run', '--silent', 'build'], root);
console.log(`Generating ${join(folder, 'demo')}`);
step(
  process.execPath,
  [bin, 'demo', '--framework=sklearn', '--include-sample-model', '--skip-prompts'],
  folder,
  'ignore',
);
console.log('Installing the packages in its requirements.txt from PyPI (about 60 MB), then training and serving:');
step('test/run_local.sh', [], join(folder, 'demo'));
console.log(
  `\nThat was a prediction from the generated server. Next, run:\n\n  cd ${join(folder, 'demo')} && cat README.md`,
);
