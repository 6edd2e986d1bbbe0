import { ConfigError } from '../config/configuration.ts';
import type { Log } from '../contracts/log.ts';
import { mapMessage } from '../engine/intake.ts';
import { openJournalReader } from '../journal/reader.ts';
import { openSqliteJournal } from '../journal/sqlite.ts';
import { type Assembly, assemble } from '../assembly.ts';
import type { CodesOptions } from './codes.ts';
import { isHeldByMapping, ReasonCount, readHeld, showReasons } from './held-messages.ts';
import type { ExitCode, Terminal } from './terminal.ts';

/** `sluss codes release`: maps again what mappings hold; the engine must be stopped. */
export async function release(
  options: CodesOptions & { readonly config: string },
  terminal: Terminal,
): Promise<ExitCode> {
  const around = { env: terminal.env, colours: false, logTo: { write: () => {} } };
  // Nothing lenient here: what is let go is sent, under targets and secrets as they are in truth.
  const assembly = await assemble(options.config, around, false);
  try {
    const { mapper, problems } = assembly.loadMappings();
    if (mapper === null) throw new ConfigError(problems);
    return await releaseHeld(assembly, options, terminal, mapper);
  } finally {
    await assembly.dispose();
  }
}

async function releaseHeld(
  assembly: Assembly,
  options: CodesOptions,
  terminal: Terminal,
  mapper: NonNullable<ReturnType<Assembly['loadMappings']>['mapper']>,
): Promise<ExitCode> {
  const { clock, channels, targets, configuration } = assembly;
  const path = options.journal ?? configuration.journal;
  if (configuration.secret.every((byte) => byte === 0)) {
    throw new Error('the installation’s secret is not here: what is let go would be identified by another one');
  }
  const reader = openJournalReader(path);
  const journal = await openSqliteJournal({ path, now: clock.now() });
  const counts = new Map<string, number>();
  const reasons = new ReasonCount();
  const count = (state: string) => counts.set(state, (counts.get(state) ?? 0) + 1);
  const findOperation = (target: string, operation: string) =>
    targets.find(({ name }) => name === target)?.target.operations[operation] ?? null;
  try {
    for (const message of [...readHeld(reader)]) {
      const channel = channels.find(({ name }) => name === message.channel);
      if (channel === undefined || !isHeldByMapping(message)) {
        count('held');
        reasons.add(channel === undefined ? ['no-channel'] : message.faults.map(({ code }) => code));
        continue;
      }
      const outcome = mapMessage(message.bytes, message.sender, channel, {
        mapper: () => mapper,
        findOperation,
        log: SILENT,
      });
      // A sender who was told AA cannot be told otherwise now: what is wrong with it stays a person's to settle.
      const isBetter = outcome.state === 'mapped' || outcome.state === 'skipped';
      if (isBetter) await journal.settle(message.id, clock.now(), outcome);
      else reasons.add(outcome.faults.map(({ code }) => code));
      count(isBetter ? outcome.state : 'held');
    }
  } finally {
    reader.close();
    await journal.close();
  }
  const parts = [...counts].map(([state, many]) => `${many} ${state === 'held' ? 'still held' : state}`);
  terminal.print(parts.length === 0 ? 'nothing was held' : parts.join(', '));
  showReasons(reasons.list, terminal);
  if ((counts.get('mapped') ?? 0) > 0) terminal.print('They are sent as soon as the engine runs.');
  return 0;
}

const SILENT: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
