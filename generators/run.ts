// Runs a command of the bin: in Yeoman on a terminal, otherwise with the core alone. Chooses the output streams.
import { readArguments } from './config/sources.js';
import { thisMachine } from './machine.js';
import { type Command as PlannedCommand, plan } from './plan.js';
import { refuseConflicts, refuseObstacles, write } from './project/write.js';
import { announce, closingLines, fail, nothingWritten, printer } from './report.js';

export type Command = PlannedCommand | 'update';

/** Runs a command and prints the result. Returns the exit status. */
export async function run(command: Command, argv: readonly string[]): Promise<number> {
  const commandLine = readArguments(argv);
  const { json } = commandLine.run;
  try {
    if (process.stdin.isTTY && process.stdout.isTTY && !json) {
      if (process.env.NO_COLOR) process.env.FORCE_COLOR = '0'; // Yeoman's libraries ignore NO_COLOR
      const { runYeoman } = await import('./terminal.js');
      await runYeoman(command, argv, commandLine.run);
      return Number(process.exitCode ?? 0);
    }
    if (command === 'update')
      return await (await import('./update/run.js')).runUpdate({ cwd: process.cwd(), commandLine });
    const context = { cwd: process.cwd(), env: process.env, machine: thisMachine() };
    const planned = await plan(command, commandLine, context);
    const { dryRun, force = false, explain } = commandLine.run;
    if (explain) printer(json)(planned.explanation);
    const all = [...planned.files, ...planned.copies];
    if (!dryRun && !force) refuseConflicts(all, planned.directory);
    refuseObstacles(all, planned.directory);
    announce(planned, commandLine.run);
    const written = dryRun ? undefined : write(all, planned.directory, force);
    if (json) process.stdout.write(`${JSON.stringify(planned.summary)}\n`);
    printer(json)(written ? closingLines(planned, written) : nothingWritten);
    return 0;
  } catch (error) {
    return fail(error, commandLine.run);
  }
}
