// npm run demo: generates a sample project, trains its model, serves it on this machine and asks it one question.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './support/tools.js';

const folder = mkdtempSync(join(tmpdir(), 'ml-container-creator-'));

/** Runs a program with what it says shown; ends the demo where it fails. */
function step(command: string, args: readonly string[], cwd: string, stdout: 'inherit' | 'ignore' = 'inherit'): void {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', stdout, 'inherit'] });
  if (status === 0) return;
  console.error(
    error ? `${command} cannot be started: ${error.message}` : `The demo stopped; its project is in ${folder}.`,
  );
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
console.log('Downloading the packages of its requirements.txt from PyPI (about 60 MB), then training and serving:');
step('test/run_local.sh', [], join(folder, 'demo'));
console.log(
  `\nThat was a prediction of the generated server. Next, type:\n\n  cd ${join(folder, 'demo')} && cat README.md`,
);
