// One run of the bin: straight from the core without a terminal, over Yeoman with one. Decides what goes to which stream.
import { readArguments } from './config/sources.js';
import { thisMachine } from './machine.js';
import { type Command as Planned, plan } from './plan.js';
import { write } from './project/write.js';
import { announce, conclusion, fail, nothingWritten, people } from './report.js';

export type Command = Planned | 'update';

/** Runs a command and reports it; the exit status. */
export async function run(command: Command, argv: readonly string[]): Promise<number> {
  const request = readArguments(argv);
  const { json } = request.run;
  try {
    if (process.stdin.isTTY && process.stdout.isTTY && !json) {
      if (process.env.NO_COLOR) process.env.FORCE_COLOR = '0'; // Yeoman's libraries know only this
      const { runYeoman } = await import('./terminal.js');
      await runYeoman(command, argv, request.run);
      return Number(process.exitCode ?? 0);
    }
    if (command === 'update')
      return await (await import('./update/run.js')).runUpdate({ cwd: process.cwd(), line: request });
    const context = { cwd: process.cwd(), env: process.env, machine: thisMachine() };
    const planned = await plan(command, request, context);
    announce(planned, request.run);
    const all = [...planned.files, ...planned.copies];
    const written = request.run.dryRun ? undefined : write(all, planned.directory, request.run.force ?? false);
    if (json) process.stdout.write(`${JSON.stringify(planned.summary)}\n`);
    people(json)(written ? conclusion(planned, written) : nothingWritten);
    return 0;
  } catch (error) {
    return fail(error, request.run);
  }
}
