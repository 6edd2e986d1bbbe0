import { Command, CommanderError } from 'commander';
import { ConfigError } from '../config/configuration.ts';
import { readVersion } from '../version.ts';
import { addRun } from './run.ts';
import { createTerminal, type ExitCode, paint, showProblem, type Terminal } from './terminal.ts';

/** Reads the command line and does what it asks for; sets the exit code of the process. */
export async function runProgram(argv: readonly string[], terminal: Terminal = createTerminal()): Promise<void> {
  const program = new Command();
  let code: ExitCode = 0;
  const finish = (ended: ExitCode) => {
    code = ended;
  };
  program
    .name('sluss')
    .description('HL7 v2 to FHIR: takes laboratory results in, sends certificates on, answers honestly.')
    .version(readVersion())
    .option('--debug', 'print the stack of an unforeseen error')
    .exitOverride()
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: (text) => terminal.complain(text.trimEnd()),
    })
    .showHelpAfterError('(sluss --help, or sluss <command> --help, says more)')
    .addHelpText('after', '\nBegin with: sluss check, then sluss run. Each command has examples in its own --help.');
  // An engine runs for months: it does not keep all the other commands in memory.
  const commands = argv[2] === 'run' ? [addRun] : (await import('./commands.ts')).COMMANDS;
  for (const add of commands) add(program, terminal, finish);
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    code = explain(error, program.opts<{ debug?: true }>().debug === true, terminal);
  }
  process.exitCode = code;
}

/** Tells an error in a line or two, and gives the exit code it deserves. */
function explain(error: unknown, debug: boolean, terminal: Terminal): ExitCode {
  // Commander has said what it had to say; help and version come here too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
  if (error instanceof ConfigError) {
    for (const problem of error.problems) {
      terminal.complain(`${paint(terminal, 'red', 'error')}  ${showProblem(problem)}`);
    }
    terminal.complain('Nothing was started.');
    return 2;
  }
  const text = error instanceof Error ? error.message : String(error);
  terminal.complain(`${paint(terminal, 'red', 'error')}  ${text.split('\n')[0]}`);
  if (debug && error instanceof Error) terminal.complain(error.stack ?? '');
  return 1;
}
