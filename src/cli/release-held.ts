import type { Replayed } from '../contracts/operations.ts';
import { openReader } from '../open-journal.ts';
import { inBites } from './chosen.ts';
import { isHeldByMapping, ReasonCount, readHeld, showReasons } from './held-messages.ts';
import { findJournal, openOperations } from './open-operations.ts';
import { type OperatorOptions, readOperator } from './operator.ts';
import type { ExitCode, Terminal } from './terminal.ts';

/** `sluss codes release`: maps again what mappings hold, on the engine that runs or, without one, on the journal. */
export async function release(options: OperatorOptions, terminal: Terminal): Promise<ExitCode> {
  const reasons = new ReasonCount();
  const counts = new Map<string, number>();
  const count = (state: string) => counts.set(state, (counts.get(state) ?? 0) + 1);
  const stays = (codes: Parameters<ReasonCount['add']>[0]) => {
    count('held');
    reasons.add(codes);
  };

  const ids: number[] = [];
  const reader = await openReader(await findJournal(options, terminal));
  try {
    for await (const message of readHeld(reader)) {
      if (isHeldByMapping(message)) ids.push(message.id);
      else stays(message.faults.map(({ code }) => code));
    }
  } finally {
    await reader.close();
  }
  await using open = await openOperations(options, terminal, true);
  const note = (end: Replayed) => {
    if (end.result === 'replayed') count(end.state ?? '');
    else stays(end.result === 'no-channel' ? ['no-channel'] : end.faults.map(({ code }) => code));
  };
  await inBites(
    ids,
    // A sender who was told AA cannot be told otherwise now: what is not mended stays as it is.
    (bite) => open.operations.replay(bite, readOperator(options, terminal), true),
    (ends) => ends.forEach(note),
  );
  const parts = [...counts].map(([state, many]) => `${many} ${state === 'held' ? 'still held' : state}`);
  terminal.print(parts.length === 0 ? 'nothing was held' : parts.join(', '));
  showReasons(reasons.list, terminal);
  if ((counts.get('mapped') ?? 0) > 0 && !open.isRunning) terminal.print('They are sent as soon as the engine runs.');
  return 0;
}
