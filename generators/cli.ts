#!/usr/bin/env node
// The ml-container-creator command. The help, the version, the schema and all runs without a terminal use only the
// core. On a terminal, the generator runs in yeoman-environment, which is imported only then.
import { isCommand } from './commands.js';
import type { Command } from './run.js';

async function main(argv: readonly string[]): Promise<void> {
  const [command = '', ...rest] = isCommand(argv[0]) ? argv : ['app', ...argv];
  if (argv.includes('--version')) return print(`${(await import('./version.js')).version()}\n`);
  if (argv.includes('--help') || argv.includes('-h') || `${argv}` === 'help')
    return print((await import('./config/describe.js')).help());
  if (command === 'schema') {
    process.exitCode = (await import('./schema.js')).schema(rest);
    return;
  }
  if (command === 'inspect') {
    process.exitCode = (await import('./inspect.js')).inspect(rest);
    return;
  }
  if (command === 'completion') {
    process.exitCode = (await import('./completion/completion.js')).completion(rest);
    return;
  }
  const { run } = await import('./run.js');
  process.exitCode = await run(command as Command, rest);
}

const print = (text: string): void => void process.stdout.write(text);

await main(process.argv.slice(2));
