// Runs a generator on a terminal in yeoman-environment, with its prompts and conflict handling.
import { createEnv } from 'yeoman-environment';
import App from './app/index.js';
import type { RunFlags } from './config/sources.js';
import Configure from './configure/index.js';
import type { Command } from './run.js';
import Update from './update/index.js';

const generators = { app: App, configure: Configure, update: Update };

/** Ends the process when the terminal is closed. Otherwise Node tries to restore its settings, and aborts. */
function hangUp(): void {
  process.removeAllListeners('SIGHUP');
  process.kill(process.pid, 'SIGHUP');
}

/** Runs the generator to its end. It prints its own refusals and sets the exit status; other errors are thrown. */
export async function runYeoman(command: Command, argv: readonly string[], { force }: RunFlags): Promise<void> {
  process.once('SIGHUP', hangUp);
  process.stdin.once('end', hangUp);
  const env = createEnv();
  const namespace = `ml-container-creator:${command}`;
  env.register(generators[command] as never, { namespace });
  await env.run([namespace], { argv, force: force ?? false } as never);
}
