// One run of the bin: straight from the core without a terminal, over Yeoman with one. Decides what goes to which stream.
import { readArguments } from './config/sources.js';
import { thisMachine } from './machine.js';
import { type Command, plan } from './plan.js';
import { write } from './project/write.js';
import { announce, conclusion, fail, people } from './report.js';

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
    const planned = await plan(command, request, {
      cwd: process.cwd(),
      env: process.env,
      machine: thisMachine(),
    });
    announce(planned, request.run);
    if (!request.run.dryRun)
      write([...planned.files, ...planned.copies], planned.directory, request.run.force ?? false);
    if (json) process.stdout.write(`${JSON.stringify(planned.summary)}\n`);
    people(json)(
      request.run.dryRun ? 'Nothing was written. Run the same without --dry-run to write it.' : conclusion(planned),
    );
    return 0;
  } catch (error) {
    return fail(error, request.run);
  }
}
