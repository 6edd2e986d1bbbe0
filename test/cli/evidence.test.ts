import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { type Installation, install, negativeTest, portOf, sendAll } from '../installation.ts';
import { runCommand } from './kit.ts';

let home: Installation;
beforeEach(async () => {
  home = await install();
});
afterEach(() => home.tearDown());

const evidence = (...more: string[]) => runCommand(['evidence', '-c', home.configFile, ...more]).done;

async function issueTwo(): Promise<void> {
  const sluss = await home.start();
  const numbered = negativeTest({ controlId: 'E2', name: '=Planted^Maja', organisation: '5599999991' });
  const named = Buffer.from(
    Buffer.from(numbered)
      .toString()
      .replace(/^PID\|1\|\|[^|]*/m, 'PID|1||'),
  );
  await sendAll(portOf(sluss, 'lab-nord'), [negativeTest({ controlId: 'E1' })]);
  await sendAll(portOf(sluss, 'lab-syd'), [named]);
  await home.standIn.ledger.waitFor(2);
  await home.seen('delivery-delivered', 8);
}

describe('sluss evidence', () => {
  it('has a row for each certificate, oldest first, beside a running engine, and no person in it', async () => {
    await issueTwo();
    const { code, out, err } = await evidence('--format', 'ndjson');
    expect({ code, err }).toEqual({ code: 0, err: '2 certificates' });
    const rows = out.split('\n').map((line) => JSON.parse(line));
    const uvcis = home.standIn.ledger.entries().map(({ uvci }) => uvci);
    expect(rows.map(({ uvci }) => uvci).sort()).toEqual([...uvcis].sort());
    expect(rows[0]).toMatchObject({
      party: 'region-nord',
      channel: 'lab-nord',
      certificate: 'test',
      identification: 'personnummer',
      testType: 'NAAT',
      result: 'negative',
      sampledAt: '2022-11-14T08:30:00+01:00',
      attempts: 1,
      handedOver: true,
      wayBack: '3 delivered',
      actedBy: '',
    });
    expect(rows[0].issuedAt >= rows[0].receivedAt).toBe(true);
    expect(rows[0]).toMatchObject({ requestMessage: rows[0].message, requestedAt: rows[0].receivedAt });
    expect(rows[1]).toMatchObject({ party: 'klinik-syd', identification: 'name-and-birth-date' });
    expect(out).not.toMatch(/199708062386|Berg|Planted|1997-08-06/);
  });

  it('is CSV that a spreadsheet reads and runs nothing of, of one care provider where asked', async () => {
    await issueTwo();
    const { out } = await evidence('--party', 'klinik-syd', '--personal');
    const [head = '', row = '', ...rest] = out.split('\n');
    expect(rest).toEqual([]);
    expect(head).toMatch(/^message,delivery,party,channel,certificate,.*,actedBy,identity,family,given,birthDate$/);
    expect(row).toMatch(/^\d+,\d+,klinik-syd,lab-syd,test,.*,'=Planted,Maja,1997-08-06$/);
  });

  it('has rows without content where retention took it, and says from when it is complete', async () => {
    const sluss = await home.start();
    await sendAll(portOf(sluss, 'lab-nord'), [negativeTest({ controlId: 'E1' })]);
    await home.seen('delivery-delivered', 4);
    await sluss.stop();
    const journal = await openSqliteJournal({ path: join(home.folder, 'journal.db'), now: Date.now() });
    const at = Date.now() + 1;
    const before = { held: null, refused: at, skipped: at, delivered: at, cancelled: at };
    await journal.prune({ walk: 'bytes', at, after: 0, limit: 10, maxBytes: 1e9, before });
    const { receivedAt } = (await journal.readMessage(1)) ?? { receivedAt: 0 };
    await journal.close();
    const again = await home.start();
    await sendAll(portOf(again, 'lab-nord'), [negativeTest({ controlId: 'E2', filler: 'F2' })]);
    await home.seen('delivery-delivered', 8);
    const { out, err } = await evidence('--format', 'ndjson');
    const when = new Date(receivedAt).toISOString();
    expect(err).toBe(`2 certificates\n1 of them without content, as retention took it: complete from after ${when}`);
    const [gone, whole] = out.split('\n').map((line) => JSON.parse(line));
    expect(gone).toMatchObject({ party: 'region-nord', certificate: 'test', uvci: null, handedOver: true });
    expect(whole).toMatchObject({ testType: 'NAAT', result: 'negative' });
  }, 120_000);

  it('keeps to a period', async () => {
    await issueTwo();
    expect((await evidence('--to', '2026-01-01')).err).toBe('0 certificates');
    expect((await evidence('--from', '1h')).err).toBe('2 certificates');
  });
});
