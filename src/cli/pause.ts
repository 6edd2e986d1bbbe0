import type { Command } from 'commander';
import type { PauseScope } from '../contracts/operations.ts';
import { openOperations } from './open-operations.ts';
import { addOperatorOptions, type OperatorOptions, readOperator } from './operator.ts';
import type { ExitCode, Terminal } from './terminal.ts';

export interface ScopeOptions extends OperatorOptions {
  readonly target?: string;
  readonly party?: string;
  readonly operation?: string;
}

/** `sluss pause`: nothing more is sent of a target, a care provider, both, or one operation. */
async function pause(options: ScopeOptions, terminal: Terminal): Promise<ExitCode> {
  const scope = readScope(options);
  await using open = await openOperations(options, terminal, false);
  const end = await open.operations.pause(scope, readOperator(options, terminal));
  const texts = { paused: 'paused', already: 'was paused already', unknown: 'there is no such thing' };
  terminal.print(`${describeScope(scope)}: ${texts[end]}`);
  if (end === 'paused')
    terminal.print('What is in flight ends; the rest waits until sluss resume, over restarts, too.');
  return end === 'unknown' ? 1 : 0;
}

/** @throws Error where nothing was named, or an operation of no target */
export function readScope({ target, party, operation }: ScopeOptions): PauseScope {
  if (target === undefined && party === undefined) throw new Error('of what? --target, --party, or both');
  if (operation !== undefined && target === undefined) throw new Error('an operation goes with its --target');
  return { target: target ?? null, party: party ?? null, operation: operation ?? null };
}

/** `covidbevis/test-certificate for region-nord` */
export function describeScope({ target, party, operation }: PauseScope): string {
  const to = target === null ? 'everything' : operation === null ? target : `${target}/${operation}`;
  return party === null ? to : `${to} for ${party}`;
}

export function addScopeOptions(command: Command): Command {
  return command
    .option('--target <name>', 'this target')
    .option('--party <name>', 'this care provider')
    .option('--operation <name>', 'this operation of the target alone');
}

export function addPause(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  const command = program.command('pause').description('send nothing more to a target, for a care provider, or both');
  addOperatorOptions(addScopeOptions(command), false)
    .addHelpText(
      'after',
      `
Messages are taken in and answered as ever; deliveries wait. A pause lasts
until it is resumed, over restarts, too. sluss pauses lists them; they are in
/metrics as sluss_paused.

The exit code is 0, also where it was paused already; 1 where there is no such
target, care provider or operation.

Examples:
  sluss pause --target covidbevis --why 'service window until 04:00'
  sluss pause --party region-nord
  sluss pause --target covidbevis --party region-nord
  sluss pause --target covidbevis --operation recovery-certificate`,
    )
    .action(async (options: ScopeOptions) => finish(await pause(options, terminal)));
}
