import type { Command } from 'commander';
import { openOperations } from './open-operations.ts';
import { addOperatorOptions, readOperator } from './operator.ts';
import { addScopeOptions, describeScope, readScope, type ScopeOptions } from './pause.ts';
import type { ExitCode, Terminal } from './terminal.ts';

/** `sluss resume`: ends a pause. */
async function resume(options: ScopeOptions & { readonly all?: true }, terminal: Terminal): Promise<ExitCode> {
  const named = options.all === true ? null : readScope(options);
  await using open = await openOperations(options, terminal, false);
  const by = readOperator(options, terminal);
  const scopes = named === null ? await open.operations.pauses() : [named];
  if (scopes.length === 0) terminal.print('nothing is paused');
  let code: ExitCode = 0;
  for (const { target, party, operation } of scopes) {
    const scope = { target, party, operation };
    const wasPaused = await open.operations.resume(scope, by);
    terminal.print(`${describeScope(scope)}: ${wasPaused ? 'resumed' : 'there is no such pause'}`);
    if (!wasPaused) code = 1;
  }
  const left = await open.operations.pauses();
  for (const one of left) terminal.print(`${describeScope(one)}: is still paused`);
  return code;
}

export function addResume(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  const command = program.command('resume').description('end a pause');
  addOperatorOptions(addScopeOptions(command), false)
    .option('--all', 'every pause there is')
    .addHelpText(
      'after',
      `
Ends the pause of just what is named: that of a target is another than that of
a target for one care provider. What is still paused is told.

The exit code is 0, or 1 where there was no such pause.

Examples:
  sluss resume --target covidbevis --why 'the service answers again'
  sluss resume --all`,
    )
    .action(async (options: ScopeOptions & { all?: true }) => finish(await resume(options, terminal)));
}
