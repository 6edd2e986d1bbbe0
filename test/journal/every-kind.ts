import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { admission, claimOne, deliverOne, draft, ended, fault, retryAt, stating } from './kit.ts';

/** Every byte there is, and nothing a text could hold. */
const BINARY = Buffer.from(Array.from({ length: 512 }, (_, i) => i % 256));

const ACT = { by: 'alva', note: 'service' };

/** Writes a SQLite journal with rows in every table; a delivery waits, one is held, and one is in flight as it is closed. */
export async function writeEveryKind(path: string): Promise<void> {
  const journal = await openSqliteJournal({ path, now: 0 });
  const subject = { channel: 'lab', target: null, party: null, operation: null, address: null };
  await journal.admit(stating('answered', 1, ['a', '1', 'd'], [{ body: BINARY }]));
  const answer = { status: 201, contentType: 'application/pdf', body: Buffer.alloc(50_000, BINARY), fault: null };
  const followUps = [draft('a', { operation: 'file', laneKey: 'lane-2', notBefore: 9_000 })];
  await journal.record(ended(await claimOne(journal, 2), 3, { response: answer, followUps }));
  // The same result in another message: linked.
  await journal.admit(stating('again', 4, ['a', '1', 'd'], [{ body: BINARY }]));
  await journal.admit({ ...admission(BINARY.toString('latin1'), 5), bytes: BINARY, owesAck: true });
  const { messageId } = await journal.admit({ ...admission('åäö \u{1f9ea}', 6), owesAck: true });
  const ack = draft('ack', { operation: 'acknowledgement', laneKey: 'back' });
  await journal.payAck({ messageId, at: 7, code: 'AA', by: ack });
  await deliverOne(journal, 8);
  await journal.admit(stating('held', 9, ['h', '1', 'd'], [{ laneKey: 'h', held: fault('code-unmapped') }]));
  await journal.admit(admission('asks', 10, { provides: ['request'] }));
  await journal.admit(stating('once', 11, ['o', '1', 'd'], [{ laneKey: 'o', once: { key: 'p', at: 11, until: 20 } }]));
  await deliverOne(journal, 12);
  await journal.admit(stating('tried', 13, ['t', '1', 'd'], [{ laneKey: 't' }]));
  await journal.record(ended(await claimOne(journal, 14), 15, retryAt(500)));
  await journal.pause({ target: 'other', party: null, operation: null }, { at: 16, ...ACT });
  await journal.saveAlarms(
    [
      {
        key: 'quiet',
        name: 'feed-quiet',
        subject,
        severity: 'warning',
        since: 5,
        fields: { count: 1 },
        step: 0,
        toldStep: 0,
        clearedAt: null,
      },
    ],
    [],
  );
  await journal.admit(stating('flies', 17, ['f', '1', 'd'], [{ laneKey: 'f' }]));
  await claimOne(journal, 18);
  await journal.close();
}
