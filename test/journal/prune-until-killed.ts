/** Started by pruning.test.ts: admits, delivers and prunes without end, and names on stdout what is known to be durable. */
import { writeSync } from 'node:fs';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { ended, SLOT, stating } from './kit.ts';

const [path, round] = process.argv.slice(2) as [string, string];
const journal = await openSqliteJournal({ path, now: 0 });
let count = 0;
const say = (line: string) => writeSync(1, `${line}\n`);

async function admit(): Promise<void> {
  for (;;) {
    const name = `${round}-${++count}`;
    const { messageId } = await journal.admit(
      stating(`${name} ${'x'.repeat(6000)}`, 1, [name, '1', 'd'], [{ laneKey: name }]),
    );
    say(`admitted ${messageId} ${name}`);
  }
}

async function deliver(): Promise<void> {
  for (;;) {
    const { deliveries } = await journal.claim([{ ...SLOT, free: 16 }], 2);
    await Promise.all(deliveries.map((delivery) => journal.record(ended(delivery, 3))));
    if (deliveries.length === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

async function prune(): Promise<void> {
  const before = { held: null, refused: 9, skipped: 9, delivered: 9, cancelled: 9 };
  for (;;) {
    for (let after: number | null = 0; after !== null; ) {
      const bite = await journal.prune({ walk: 'bytes', at: 10, after, limit: 7, maxBytes: 20_000, before });
      if (bite.count > 0) say(`pruned ${bite.count}`);
      after = bite.next;
    }
    for (let after: number | null = 0; after !== null; ) {
      // Only the messages of the first round are old enough to be forgotten.
      const { next } = await journal.prune({ walk: 'rows', at: 10, after, limit: 7, before: round === '0' ? 0 : 5 });
      after = count % 3 === 0 ? null : next;
    }
    await journal.prune({ walk: 'results', at: 10, after: 0, limit: 50 });
  }
}

await Promise.all([deliver(), prune(), ...Array.from({ length: 8 }, admit)]);
