// `ml-container-creator schema`: prints the JSON Schema of the config file.
import { jsonSchema } from './config/describe.js';
import { RequestError, show } from './config/problems.js';
import { fail } from './report.js';

/** Runs the command. Returns the exit status: 0, or 2 if there are arguments. */
export function schema(argv: readonly string[]): number {
  const wrong = argv.find((word) => word !== '--json'); // the output is JSON anyway
  if (wrong === undefined) {
    process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
    return 0;
  }
  const message = `unexpected argument ${show(wrong)}`;
  const hint = 'run: ml-container-creator schema > FILE';
  return fail(new RequestError([{ key: '', from: 'the command line', message, hint }], 'nothing was printed'), {});
}
