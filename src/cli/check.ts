import type { Command } from 'commander';
import { ConfigError, type ConfigProblem } from '../config/configuration.ts';
import { faultText } from '../contracts/fault.ts';
import { type Assembly, assemble } from '../main.ts';
import { type ExitCode, paint, showProblem, type Terminal } from './terminal.ts';

const DAY_MS = 86_400_000;
/** Certificates that end sooner are worth a word. */
const SOON_DAYS = 30;

interface Report {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  /** One line each on what was found in order. */
  readonly found: readonly string[];
}

/** `sluss check`: says all that is wrong with a configuration, its certificates and its mappings; starts nothing. */
export async function check(options: { config: string; json?: true }, terminal: Terminal): Promise<ExitCode> {
  const report = await examine(options.config, terminal);
  if (options.json) terminal.print(JSON.stringify({ ok: report.errors.length === 0, ...report }, null, 2));
  else show(report, terminal);
  return report.errors.length === 0 ? 0 : 2;
}

async function examine(file: string, terminal: Terminal): Promise<Report> {
  // What the parts log while they are made comes back below, in the report's own words.
  const around = { env: terminal.env, colours: false, logTo: { write: () => {} } };
  let assembly: Assembly;
  try {
    assembly = await assemble(file, around, false);
  } catch (error) {
    if (error instanceof ConfigError) return { errors: error.problems.map(showProblem), warnings: [], found: [] };
    throw error;
  }
  try {
    return examineAssembly(assembly);
  } finally {
    await assembly.dispose();
  }
}

function examineAssembly(assembly: Assembly): Report {
  const { configuration, parties, clock, loadMappings } = assembly;
  const errors: string[] = [];
  const warnings: string[] = configuration.warnings.map((problem: ConfigProblem) => showProblem(problem));
  const found = [
    `configuration   ${counted(configuration.channels.length, 'channel')}, ${counted(configuration.targets.length, 'target')}`,
  ];
  for (const { party, fault, validTo } of parties.list()) {
    if (fault !== null) {
      errors.push(`party ${party.id}: ${faultText(fault.record)}`);
      continue;
    }
    const daysLeft = Math.floor(((validTo ?? 0) - clock.now()) / DAY_MS);
    if (daysLeft < SOON_DAYS) warnings.push(`party ${party.id}: its certificate ends in ${counted(daysLeft, 'day')}`);
    found.push(`certificate     ${party.id}, ${counted(daysLeft, 'day')} left`);
  }
  const { mapper, problems, failedCases } = loadMappings();
  errors.push(...problems.map(showProblem));
  warnings.push(...failedCases().map(showProblem));
  if (mapper !== null) found.push(`mappings        version ${mapper.version}`);
  return { errors, warnings, found };
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function show({ errors, warnings, found }: Report, terminal: Terminal): void {
  for (const line of errors) terminal.complain(`${paint(terminal, 'red', 'error')}    ${line}`);
  for (const line of warnings) terminal.complain(`${paint(terminal, 'yellow', 'warning')}  ${line}`);
  if (errors.length > 0) {
    terminal.complain(`${counted(errors.length, 'error')}; nothing would be started.`);
    return;
  }
  for (const line of found) terminal.print(`${paint(terminal, 'green', 'ok')}  ${line}`);
}

export function addCheck(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  program
    .command('check')
    .description('check configuration, certificates and mappings; start nothing')
    .requiredOption('-c, --config <file>', 'configuration file', 'sluss.yaml')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Prints every mistake as file:line:column, and runs the cases in the mapping
files. The exit code is 0 if the engine could start, and 2 if not.

Examples:
  sluss check
  sluss check -c /etc/sluss/sluss.yaml
  sluss check --json | jq .errors`,
    )
    .action(async (options: { config: string; json?: true }) => finish(await check(options, terminal)));
}
