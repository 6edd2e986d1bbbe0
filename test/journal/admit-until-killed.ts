/** Started by kill.test.ts: admits, claims and delivers without end, and names on stdout what is known to be durable. */
import { writeSync } from 'node:fs';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { ended, retryAt, SLOT, stating } from './kit.ts';

const [path, round] = process.argv.slice(2) as [string, string];
const journal = await openSqliteJournal({ path, now: 0 });
let count = 0;
// Written at once: what stands in a buffer when the process dies was never said.
const say = (line: string) => writeSync(1, `${line}\n`);

async function admit(): Promise<void> {
  for (;;) {
    const name = `${round}-${++count}`;
    const more = { laneKey: `lane-${count % 50}`, onCorrection: 'hold' } as const;
    const text = `${name} ${'x'.repeat(500)}`;
    const { messageId } = await journal.admit(stating(text, count, [name, '1', 'd'], [more]));
    say(`admitted ${messageId} ${name}`);
  }
}

async function deliver(): Promise<void> {
  for (;;) {
    const { deliveries } = await journal.claim([{ ...SLOT, free: 8 }], count);
    for (const { id, attempt } of deliveries) say(`attempt ${id} ${attempt}`);
    await Promise.all(
      deliveries.map(async (delivery) => {
        const end = delivery.id % 5 === 0 ? retryAt(count + 10) : {};
        const { state } = await journal.record(ended(delivery, count, end));
        if (state === 'delivered') say(`delivered ${delivery.id}`);
      }),
    );
    if (deliveries.length === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

await Promise.all([deliver(), ...Array.from({ length: 16 }, admit)]);
