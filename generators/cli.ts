#!/usr/bin/env node
// The package's own command. Help, version, schema and every run without a terminal come straight from the core;
// with a terminal the same generator runs over yeoman-environment, imported only then.
import { isCommand } from './commands.js';
import type { Command } from './run.js';

async function main(argv: readonly string[]): Promise<void> {
  const [command = '', ...rest] = isCommand(argv[0]) ? argv : ['app', ...argv];
  if (argv.includes('--version')) return print(`${(await import('./version.js')).version()}\n`);
  if (argv.includes('--help') || argv.includes('-h')) return print((await import('./config/describe.js')).help());
  if (command === 'schema')
    return print(`${JSON.stringify((await import('./config/describe.js')).jsonSchema(), null, 2)}\n`);
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
