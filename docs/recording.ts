// npm run recording: runs the commands of the README's picture in a scratch folder and draws what they print into
// docs/recording.svg. It trains a model with the Python of the tests, and downloads the project's requirements from PyPI.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installTools, root, tool } from '../test/support/tools.js';
import { drawTerminal, type Typed } from './terminal.js';

const train = `
import pickle, numpy, pandas
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

rng = numpy.random.default_rng(0)
frame = pandas.DataFrame({"age": rng.integers(18, 90, 500), "calls": rng.integers(0, 9, 500),
                          "plan": rng.choice(["basic", "family", "pro"], 500)})
labels = numpy.where((frame["calls"] > 4) & (frame["plan"] != "pro"), "leaves", "stays")
columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["plan"]), remainder="passthrough")
model = make_pipeline(columns, RandomForestClassifier(50, random_state=0)).fit(frame, labels)
pickle.dump(model, open("churn.pkl", "wb"))
`;

const commands = [
  'ml-container-creator inspect churn.pkl',
  'ml-container-creator churn --model=churn.pkl --skip-prompts',
  'cd churn && test/run_local.sh',
];

/** What varies from run to run: the scratch folder, which stands for the home folder, and the port. */
const stable = (text: string, folder: string) => text.replaceAll(folder, '~').replace(/on port \d+/g, 'on port 8080');

/** Runs one command in a shell; both of its streams, in their order. */
function type(command: string, folder: string, env: NodeJS.ProcessEnv): Typed {
  const shell = spawnSync('bash', ['-c', `{ ${command}; } 2>&1`], { cwd: folder, env, encoding: 'utf8' });
  if (shell.status !== 0) throw new Error(`${command}\n${shell.stdout}${shell.stderr}`);
  return { command, output: stable(shell.stdout, folder) };
}

await installTools();
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'recording-')));
try {
  const trained = spawnSync(tool('python'), ['-c', train], { cwd: folder, encoding: 'utf8' });
  if (trained.status !== 0) throw new Error(trained.stderr);
  const programs = join(folder, '.bin');
  mkdirSync(programs);
  chmodSync(join(root, 'dist/generators/cli.js'), 0o755);
  symlinkSync(join(root, 'dist/generators/cli.js'), join(programs, 'ml-container-creator'));
  const env = { ...process.env, PATH: `${programs}:${process.env.PATH}` };
  const session = commands.map((command) => type(command, folder, env));
  const about =
    'A terminal: ml-container-creator inspects churn.pkl, generates a project for it, and test/run_local.sh answers a request with a prediction.';
  writeFileSync(
    join(root, 'docs/recording.svg'),
    drawTerminal(session, 'from a model file to its first answer', about),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
