import type { Command } from 'commander';
import { errorName } from '../engine/log-fields.ts';
import { startSluss } from '../main.ts';
import type { ExitCode, Terminal } from './terminal.ts';

/** `sluss run`: the engine, until it is asked to end. */
export async function run(options: { config: string }, terminal: Terminal): Promise<ExitCode> {
  const asked = terminal.untilAskedToEnd();
  // From the very beginning: a SIGHUP that nobody listens to would end the process.
  let reload: (() => void) | null = null;
  let isReloadAsked = false;
  terminal.onReloadAsked(() => {
    isReloadAsked = true;
    reload?.();
  });
  const { env, logTo, colours } = terminal;
  const sluss = await startSluss(options.config, { env, logTo, colours });
  reload = () => void sluss.reload();
  if (isReloadAsked) reload();
  const signal = await asked;
  // Whoever asks twice means it.
  const again = terminal.untilAskedToEnd().then(() => true);
  terminal.complain(`${signal}: stopping; once more to stop at once`);
  const cut = await Promise.race([sluss.stop().then(() => false), again]);
  return cut ? 1 : 0;
}

export function addRun(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  program
    .command('run')
    .description('run the engine until it is stopped (Ctrl-C, SIGTERM)')
    .requiredOption('-c, --config <file>', 'configuration file', 'sluss.yaml')
    .addHelpText(
      'after',
      `
Takes messages in, sends what they give rise to, and logs to standard output.
A configuration with mistakes is refused whole: every mistake is told with its
line, the exit code is 2, and nothing is started.

When the file or a mapping changes, or on SIGHUP, it is read again: what is the
same goes on undisturbed, and what has a mistake is refused whole, in the log.

Examples:
  sluss run                           with ./sluss.yaml
  sluss run -c /etc/sluss/sluss.yaml
  sluss check && sluss run`,
    )
    .action(async (options: { config: string }) => {
      process.once('uncaughtException', (error) => fail(error));
      process.once('unhandledRejection', (error) => fail(error));
      const code = await run(options, terminal);
      finish(code);
      // Asked twice: whatever is still under way would keep the process alive.
      if (code === 1) process.exit(code);
    });

  /** Never the text of an unforeseen error: it could quote a message. */
  function fail(error: unknown): void {
    terminal.complain(`sluss: ended by an unforeseen error: ${errorName(error)}`);
    process.exit(1);
  }
}
