import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Admission, Ending, Journal, PruneBite } from '../../src/contracts/journal.ts';
import { parsePostgresUrl } from '../../src/journal/postgres/address.ts';
import { POSTGRES_CLAIM_SQL } from '../../src/journal/postgres/claim.ts';
import { type Connection, makeConnector, type Query } from '../../src/journal/postgres/connection.ts';
import { makeGather } from '../../src/journal/postgres/gather.ts';
import { makeKeySet } from '../../src/journal/postgres/keys.ts';
import { POSTGRES_MIGRATIONS } from '../../src/journal/postgres/migrations.ts';
import { NO_NUMBERS } from '../../src/journal/postgres/numbers.ts';
import { makeReads } from '../../src/journal/postgres/reads.ts';
import { migrate } from '../../src/journal/postgres/schema.ts';
import { makeScratch } from '../../src/journal/postgres/scratch.ts';
import { openPostgresJournal, type PostgresJournal } from '../../src/journal/postgres.ts';
import { admission, draft, ended, eventsOf, fault, outcome, SLOT, stating } from './kit.ts';
import { type PostgresDatabase, type PostgresServer, startPostgres } from './postgres-server.ts';

const DAY = 86_400_000;
const KEEP: Record<Ending, number | null> = {
  held: null,
  refused: 90 * DAY,
  skipped: 90 * DAY,
  delivered: 90 * DAY,
  cancelled: 90 * DAY,
};
const ACT = { at: 50 * DAY, by: 'alva', note: null };

let server: PostgresServer;
let database: PostgresDatabase;
let admin: pg.Client;
let nodes: PostgresJournal[];
beforeAll(async () => {
  server = await startPostgres({ fsync: false });
});
afterAll(() => server.remove());
beforeEach(async () => {
  database = await server.createDatabase();
  admin = new pg.Client(database.url);
  await admin.connect();
  nodes = [];
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  await admin.end();
  await database.drop();
});

async function openNode(node = 'a', url = database.url): Promise<PostgresJournal> {
  const journal = await openPostgresJournal({ address: parsePostgresUrl(url), node, now: 0 });
  nodes.push(journal);
  return journal;
}
const ask = async <Row extends object>(sql: string, ...values: unknown[]): Promise<Row[]> =>
  (await admin.query(sql, values)).rows;
const isThere = async (table: string) =>
  (await ask<{ is: boolean }>('select to_regclass($1) is not null as is', table))[0]!.is;
const stateOf = async (number: number) =>
  (await ask<{ bytes: string }>('select bytes from periods where number = $1', number))[0]!.bytes;

const biteAt = (at: number, more: Partial<PruneBite & { walk: 'bytes' }> = {}): PruneBite & { walk: 'bytes' } => {
  const before = Object.fromEntries(
    Object.entries(KEEP).map(([how, ms]) => [how, ms === null ? null : at - ms]),
  ) as Record<Ending, number | null>;
  return { walk: 'bytes', at, after: 0, limit: 20, maxBytes: 1e9, before, ...more };
};
async function walk(journal: Journal, bite: PruneBite): Promise<{ count: number; bytes: number }> {
  const sum = { count: 0, bytes: 0 };
  for (let next: number | null = 0; next !== null; ) {
    const one = await journal.prune('after' in bite ? { ...bite, after: next } : bite);
    sum.count += one.count;
    sum.bytes += one.bytes;
    next = one.next;
  }
  return sum;
}
const pass = (journal: Journal, at: number) => walk(journal, biteAt(at));

const RESPONSE = { status: 201, contentType: 'application/json', body: Buffer.alloc(3_000, 7), fault: null };
/** So many messages with a delivery each, delivered and answered. */
async function deliverMany(journal: Journal, count: number, at: number, name = 'm'): Promise<number[]> {
  const admitted = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      journal.admit(
        stating(`${name}${i} ${'x'.repeat(2_500)}`, at, [`${name}${i}`, '1', 'd'], [{ laneKey: `${name}${i}` }]),
      ),
    ),
  );
  for (;;) {
    const { deliveries } = await journal.claim([SLOT], at + 1);
    if (deliveries.length === 0) break;
    await Promise.all(deliveries.map((one) => journal.record(ended(one, at + 2, { response: RESPONSE }))));
  }
  return admitted.map(({ messageId }) => messageId);
}
const add = async (journal: Journal, one: Admission) => (await journal.admit(one)).messageId;
/** What has to stay, whatever its age. */
async function addStaying(journal: Journal, at: number): Promise<Record<string, number>> {
  const flying = await add(journal, stating('flies', at, ['f', '1', 'd'], [{ laneKey: 'f' }]));
  await journal.claim([SLOT], at + 1);
  return {
    flying,
    waiting: await add(journal, stating('waits', at, ['w', '1', 'd'], [{ laneKey: 'w', notBefore: 500 * DAY }])),
    held: await add(journal, stating('held', at, ['h', '1', 'd'], [{ laneKey: 'h', held: fault('code-unmapped') }])),
    heldItself: await add(journal, admission('held too', at, { state: 'held', faults: [fault('code-unmapped')] })),
    received: await add(journal, admission('received', at, { state: 'received', mappingVersion: null })),
    owed: await add(journal, { ...admission('owed', at), owesAck: true }),
  };
}
/** All that is shown of a message, with its bytes. */
async function showOf(journal: Journal, id: number) {
  const message = await journal.readMessage(id);
  const deliveries = await journal.readDeliveries(id);
  return JSON.stringify([message, deliveries, await journal.readHistory(id)]);
}
/** Reads it in a transaction that goes on. */
async function holdTable(table: string): Promise<pg.Client> {
  const reader = new pg.Client(database.url);
  reader.on('error', () => {});
  await reader.connect();
  await reader.query(`begin; select 1 from ${table} limit 1`);
  return reader;
}
/** Notes every row that is deleted from what stands in periods. */
async function watchDeletes(): Promise<() => Promise<number>> {
  await admin.query(`create table deleted_rows (name text);
    create function note_delete() returns trigger language plpgsql as
      $$ begin insert into deleted_rows values (tg_table_name); return old; end $$`);
  for (const table of ['message_bytes', 'bodies', 'responses', 'history']) {
    await admin.query(`create trigger note before delete on ${table} for each row execute function note_delete()`);
  }
  return async () => Number((await ask<{ count: string }>('select count(*) from deleted_rows'))[0]!.count);
}

describe('a period of a PostgreSQL journal', () => {
  it('that is over goes by a drop and not row by row; what is held, waits or is owed stays whole, and goes later', async () => {
    const journal = await openNode();
    const gone = await deliverMany(journal, 60, 0);
    const staying = await addStaying(journal, 3);
    await pass(journal, 8 * DAY);
    const [young] = await deliverMany(journal, 1, 60 * DAY, 'young');
    expect(young).toBeGreaterThanOrEqual(10_000);
    const shown = await Promise.all(Object.values(staying).map((id) => showOf(journal, id)));
    const readDeleted = await watchDeletes();
    const [before] = await ask<{ oid: number }>(`select 'bodies_0'::regclass::oid as oid`);

    // Bytes are deleted with their period, and not before it is over.
    expect(await pass(journal, 90 * DAY)).toEqual({ count: 0, bytes: 0 });
    const [sizes] = await ask<{ sum: string }>(
      `select (select sum(length(bytes)) from message_bytes where message_id = any ($1)) + (select sum(length(body)) from bodies
         join deliveries on id = delivery_id where message_id = any ($1)) + 60 * 3000 as sum`,
      gone,
    );
    expect(await pass(journal, 91 * DAY)).toEqual({ count: 60, bytes: Number(sizes!.sum) });
    expect(await readDeleted()).toBe(0);
    expect(await ask(`select 1 where 'bodies_0'::regclass::oid = $1`, before!.oid)).toEqual([]);
    expect(await isThere('responses_0')).toBe(false);
    expect(
      (await ask<{ id: number }>('select message_id::int as id from message_bytes_0 order by 1')).map(({ id }) => id),
    ).toEqual(Object.values(staying).sort((a, b) => a - b));
    for (const id of gone) {
      expect(await journal.readMessage(id)).toMatchObject({ isPruned: true, origin: '' });
      const [delivery] = await journal.readDeliveries(id);
      expect([delivery!.body.byteLength, delivery!.response]).toEqual([0, null]);
      expect((await eventsOf(journal, id)).filter((one) => one.startsWith('pruned'))).toEqual(['pruned delivered']);
    }
    expect(await Promise.all(Object.values(staying).map((id) => showOf(journal, id)))).toEqual(shown);
    expect((await journal.readMessage(young!))!.isPruned).toBe(false);

    // What stayed is let go by whoever it waited for.
    await journal.settle(staying.received!, 100 * DAY, outcome({ state: 'skipped' }));
    await journal.payAck({ messageId: staying.owed!, at: 100 * DAY, code: 'AA', by: 'written' });
    await journal.dismiss(staying.heldItself!, ACT);
    for (const id of [staying.waiting!, staying.held!]) {
      for (const delivery of await journal.readDeliveries(id)) await journal.cancel(delivery.id, ACT);
    }
    const [flying] = await journal.readDeliveries(staying.flying!);
    await journal.record(ended({ ...flying!, attempt: flying!.attempts }, 100 * DAY));
    expect(await pass(journal, 195 * DAY)).toMatchObject({ count: 7 });
    await pass(journal, 195 * DAY);
    for (const table of ['message_bytes_0', 'bodies_0', 'responses_0'])
      expect([table, await isThere(table)]).toEqual([table, false]);
    expect(await stateOf(0)).toBe('gone');
  }, 120_000);

  it('lets go by a drop what the walk by rows lets go, and tells the same of it', async () => {
    const other = await server.createDatabase();
    const [dropping, walking] = [await openNode(), await openNode('a', other.url)];
    const otherAdmin = new pg.Client(other.url);
    await otherAdmin.connect();
    const results = [];
    for (const journal of [dropping, walking]) {
      await deliverMany(journal, 25, 0);
      await addStaying(journal, 3);
      await add(journal, admission('skipped', 4, { state: 'skipped', skipped: [{ reason: 'not-final', at: null }] }));
      await add(journal, admission('refused', 4, { state: 'refused', faults: [fault('not-hl7')] }));
      await add(journal, stating('says the same', 4, ['m3', '1', 'd']));
      const lacking = draft('l', { laneKey: 'l', needs: { key: 'n', reason: 'no-request' } });
      await add(journal, admission('lacks', 4, { drafts: [lacking] }));
      await add(journal, admission('lacks yet', 4, { drafts: [{ ...lacking, resultKey: 'y', notAfter: 300 * DAY }] }));
      await add(journal, admission('lacked', 4, { drafts: [{ ...lacking, resultKey: 'z', notAfter: 20 * DAY }] }));
      const late = await add(
        journal,
        stating('late', 4, ['late', '1', 'd'], [{ laneKey: 'late', notBefore: 50 * DAY }]),
      );
      const cancelled = await add(journal, stating('c', 4, ['c', '1', 'd'], [{ laneKey: 'c', notBefore: 50 * DAY }]));
      await add(journal, { ...admission('paid', 4), owesAck: true }).then((messageId) =>
        journal.payAck({ messageId, at: 5, code: 'AA', by: draft('ack', { laneKey: 'ack', notBefore: 50 * DAY }) }),
      );
      await pass(journal, 8 * DAY);
      await journal.cancel((await journal.readDeliveries(cancelled))[0]!.id, { ...ACT, at: 9 * DAY });
      // One that ended late, with a follow-up in the next period.
      const { deliveries } = await journal.claim([SLOT], 50 * DAY);
      for (const one of deliveries) {
        const followUps = one.messageId === late ? [draft('late', { laneKey: 'follow', operation: 'file' })] : [];
        await journal.record(ended(one, 50 * DAY + 1, { followUps }));
      }
      await deliverMany(journal, 2, 51 * DAY, 'young');
    }
    await otherAdmin.query(`update periods set bytes = 'kept' where number = 0`);
    for (const journal of [dropping, walking]) {
      const passes = [await pass(journal, 99 * DAY), await pass(journal, 142 * DAY)];
      const shown = [];
      for (let id = 1; id < 60; id++) {
        const message = await journal.readMessage(id);
        if (message === null) continue;
        // What was told at which step may be in another order, and is of the same time.
        shown.push([message, await journal.readDeliveries(id), await journal.readHistory(id)]);
      }
      results.push({ passes, overview: await journal.readOverview(142 * DAY), shown });
    }
    expect(results[0]!.shown.length).toBeGreaterThan(35);
    expect(results[0]!.passes[0]!.count).toBeGreaterThan(28);
    expect(JSON.parse(JSON.stringify(results[0]))).toEqual(JSON.parse(JSON.stringify(results[1])));
    expect((await otherAdmin.query(`select count(*) from periods where bytes <> 'whole' and number = 0`)).rows).toEqual(
      [{ count: '1' }],
    );
    await otherAdmin.end();
    await walking.close();
    await other.drop();
  }, 120_000);

  it('keeps a message that something happens to while it is weighed, by whichever node', async () => {
    const [a, b] = [await openNode('a'), await openNode('b')];
    const ids = await deliverMany(a, 30, 0);
    for (const node of [a, b]) await pass(node, 8 * DAY);
    // Begun, and all of it looked at.
    for (let i = 0; i < 2; i++) expect(await a.prune(biteAt(99 * DAY))).toMatchObject({ count: 0, next: 0 });
    const again = draft('again', { laneKey: 'again', body: Buffer.from('once more') });
    await b.replay(ids[4]!, outcome({ drafts: [again] }), { ...ACT, at: 98 * DAY });
    await add(b, { ...stating(`m5 ${'x'.repeat(2_500)}`, 98 * DAY, ['m5', '1', 'd']), owesAck: true });
    // The node that began it is gone.
    await a.close();
    expect(await pass(b, 99 * DAY)).toMatchObject({ count: 28 });
    for (const id of [ids[4]!, ids[5]!]) {
      const message = (await b.readMessage(id))!;
      expect([message.isPruned, message.bytes.byteLength > 2_500, message.origin]).toEqual([
        false,
        true,
        'mllp 127.0.0.1:40000',
      ]);
      expect((await b.readDeliveries(id))[0]!.response!.body.byteLength).toBe(3_000);
    }
    expect((await b.readMessage(ids[6]!))!.isPruned).toBe(true);
  }, 60_000);

  it('holds up no admission while its drop waits for a table somebody has in use, and is dropped by the next pass', async () => {
    const journal = await openNode();
    const ids = await deliverMany(journal, 10, 0);
    await pass(journal, 8 * DAY);
    const reader = await holdTable('message_bytes');
    const passing = pass(journal, 99 * DAY);
    const waits = () =>
      ask(`select 1 from pg_locks join pg_stat_activity using (pid) where application_name = 'sluss retention'
        and mode = 'AccessExclusiveLock' and not granted`);
    await vi.waitUntil(async () => (await waits()).length > 0, { timeout: 30_000, interval: 5 });
    // The reader is still there when it has been stored.
    await journal.admit(admission('meanwhile', 99 * DAY));
    expect(await passing).toEqual({ count: 0, bytes: 0 });
    expect(await stateOf(0)).toBe('weighing');
    expect((await journal.readMessage(ids[0]!))!.isPruned).toBe(false);
    await reader.end();
    expect(await pass(journal, 99 * DAY)).toMatchObject({ count: 10 });
  }, 25_000);

  it('loses nothing where what drops it is cut off between the copy and the drop', async () => {
    const journal = await openNode();
    const ids = await deliverMany(journal, 10, 0);
    const staying = await addStaying(journal, 3);
    await pass(journal, 8 * DAY);
    const shown = await Promise.all([...ids, ...Object.values(staying)].map((id) => showOf(journal, id)));
    const reader = await holdTable('bodies');
    const passing = pass(journal, 99 * DAY);
    const cut = () =>
      ask(`select pg_terminate_backend(pid) from pg_locks join pg_stat_activity using (pid)
        where application_name = 'sluss retention' and mode = 'AccessExclusiveLock' and not granted`);
    await vi.waitUntil(async () => (await cut()).length > 0, { timeout: 30_000, interval: 5 });
    await passing;
    await reader.end();
    expect(await Promise.all([...ids, ...Object.values(staying)].map((id) => showOf(journal, id)))).toEqual(shown);
    expect(await pass(journal, 99 * DAY)).toMatchObject({ count: 10 });
    const after = await Promise.all(Object.values(staying).map((id) => showOf(journal, id)));
    expect(after).toEqual(shown.slice(ids.length));
  }, 60_000);

  it('is taken once where two nodes prune at the same time', async () => {
    const [a, b] = [await openNode('a'), await openNode('b')];
    const ids = await deliverMany(a, 120, 0);
    for (const node of [a, b]) await pass(node, 8 * DAY);
    const readDeleted = await watchDeletes();
    const passes = await Promise.all([a, b].map((node) => walk(node, biteAt(99 * DAY, { limit: 1 }))));
    passes.push(await pass(b, 99 * DAY));
    expect(passes.reduce((sum, { count }) => sum + count, 0)).toBe(120);
    for (const id of ids) expect((await eventsOf(a, id)).filter((one) => one.startsWith('pruned'))).toHaveLength(1);
    expect(await readDeleted()).toBe(0);
  }, 60_000);

  it('is not dropped while a node of the version before runs, which would not say what it does', async () => {
    const journal = await openNode();
    await deliverMany(journal, 5, 0);
    await pass(journal, 8 * DAY);
    await admin.query(`insert into nodes (name, run, started_at, seen_at, lease_until)
      values ('old', gen_random_uuid(), now(), now(), now() + interval '1 minute')`);
    expect(await pass(journal, 99 * DAY)).toMatchObject({ count: 0 });
    await admin.query(`update nodes set seen_at = now() - interval '2 hours' where name = 'old'`);
    expect(await pass(journal, 99 * DAY)).toMatchObject({ count: 5 });
  }, 60_000);

  it('that is short of time goes row by row, for bytes are kept an eighth longer at most', async () => {
    const journal = await openNode();
    const ids = await deliverMany(journal, 5, 0);
    await pass(journal, 8 * DAY);
    await deliverMany(journal, 5, 8 * DAY, 'second');
    const bite = biteAt(10 * DAY);
    const short = { ...bite, before: { ...bite.before, delivered: 9 * DAY } };
    expect(await walk(journal, short)).toMatchObject({ count: 10 });
    expect((await journal.readMessage(ids[0]!))!.isPruned).toBe(true);
    await walk(journal, short);
    expect(await stateOf(0)).toBe('gone');
  }, 60_000);

  it('is what was there before there were periods, for a node of the version before, too', async () => {
    const on = await makeConnector(parsePostgresUrl(database.url))('test');
    await migrate(on, { steps: POSTGRES_MIGRATIONS.slice(0, 3) });
    await on.query(`insert into messages (id, channel, content_hash, origin, received_at, state, state_at, skipped, faults)
      values (nextval('message_ids'), 'lab', 'x', 'here', 1, 'mapped', 1, '[]', '[]')`);
    const put = {
      name: 'put',
      text: `insert into message_bytes (message_id, bytes) select * from unnest($1::bigint[], $2::bytea[])
        on conflict (message_id) do update set bytes = excluded.bytes`,
    };
    await on.query({ ...put, values: [[1], [Buffer.from('before')]] });
    const journal = await openNode();
    await on.query({
      ...put,
      values: [
        [1, 2, 9_999_999],
        [Buffer.from('after'), Buffer.from('b'), Buffer.from('c')],
      ],
    });
    expect(Buffer.from((await journal.readMessage(1))!.bytes).toString()).toBe('after');
    const rows = await ask(
      `select tableoid::regclass::text as name, message_id::int as id from message_bytes order by 2`,
    );
    expect(rows).toEqual([
      { name: 'message_bytes_0', id: 1 },
      { name: 'message_bytes_0', id: 2 },
      { name: 'message_bytes_rest', id: 9_999_999 },
    ]);
    await on.query('delete from message_bytes where message_id = any ($1::bigint[])', [[1, 9_999_999]]);
    expect((await journal.readMessage(1))!.isPruned).toBe(true);
    await on.end();
  }, 60_000);

  it('has its numbers’ place made ahead; what nobody made a place for is stored all the same', async () => {
    const journal = await openNode();
    await pass(journal, 0);
    await ask(`select setval('message_ids', 5000000), setval('delivery_ids', 7000000)`);
    const [id] = await deliverMany(journal, 1, DAY);
    expect(id).toBe(5_000_001);
    expect(await ask('select count(*)::int from message_bytes_rest')).toEqual([{ count: 1 }]);
    await pass(journal, DAY);
    const [next] = await deliverMany(journal, 1, DAY, 'next');
    expect(next).toBeGreaterThan(5_000_001);
    expect(await ask('select count(*)::int from message_bytes_rest')).toEqual([{ count: 1 }]);
    expect((await journal.readMessage(id!))!.bytes.byteLength).toBeGreaterThan(2_500);
    expect(await pass(journal, 100 * DAY)).toMatchObject({ count: 2 });
  }, 60_000);

  it('that is gone has room for what comes again and is needed again', async () => {
    const journal = await openNode();
    const [id] = await deliverMany(journal, 3, 0);
    await pass(journal, 8 * DAY);
    expect(await pass(journal, 99 * DAY)).toMatchObject({ count: 3 });
    expect(await isThere('message_bytes_0')).toBe(false);
    const again = stating(`m0 ${'x'.repeat(2_500)}`, 99 * DAY, ['m0', '1', 'd']);
    expect(await journal.admit({ ...again, owesAck: true })).toMatchObject({ messageId: id, repeated: true });
    expect((await journal.readMessage(id!))!.bytes.byteLength).toBe(2_503);
    expect((await eventsOf(journal, id!)).filter((one) => /^(pruned|restored)/.test(one))).toEqual([
      'pruned delivered',
      'restored',
    ]);
    await journal.payAck({ messageId: id!, at: 99 * DAY, code: 'AA', by: 'written' });
    expect(await pass(journal, 300 * DAY)).toMatchObject({ count: 1 });
  }, 60_000);

  it('takes its history along once it is forgotten, but that of what is still known', async () => {
    const journal = await openNode();
    const ids = await deliverMany(journal, 20, 0);
    const held = await add(
      journal,
      stating('held', 4, ['h', '1', 'd'], [{ laneKey: 'h', held: fault('code-unmapped') }]),
    );
    await pass(journal, 8 * DAY);
    await deliverMany(journal, 1, 300 * DAY, 'young');
    await pass(journal, 99 * DAY);
    const history = await journal.readHistory(held);
    const readDeleted = await watchDeletes();
    const rows = { walk: 'rows', at: 500 * DAY, after: 0, limit: 20, before: 100 * DAY } as const;
    expect(await walk(journal, rows)).toMatchObject({ count: 20 });
    expect(await journal.readHistory(ids[0]!)).toEqual([]);
    await walk(journal, rows);
    expect(await readDeleted()).toBe(0);
    expect(await ask('select distinct message_id::int as id from history_0')).toEqual([{ id: held }]);
    expect(await journal.readHistory(held)).toEqual(history);
    await journal.cancel((await journal.readDeliveries(held))[0]!.id, ACT);
    await pass(journal, 200 * DAY);
    await walk(journal, rows);
    await walk(journal, rows);
    expect(await isThere('history_0')).toBe(false);
  }, 60_000);
});

describe('a look-up by number', () => {
  it('reads one partition, in the very SQL of the journal', async () => {
    const journal = await openNode();
    const ids: number[] = [];
    for (const [i, day] of [0, 8, 16, 24, 32].entries()) {
      ids.push(...(await deliverMany(journal, 3, day * DAY, `p${i} `)));
      await pass(journal, (day + 8) * DAY);
    }
    const [{ id: delivery }] = (await ask<{ id: number }>(
      'select id::int from deliveries where message_id = $1',
      ids[4],
    )) as [{ id: number }];
    const asked: Query[] = [];
    const reads = makeReads(
      async (config) => {
        asked.push(config);
        return [];
      },
      () => 1,
    );
    await Promise.all([
      reads.readMessage(ids[4]!),
      reads.readDelivery(delivery),
      reads.readDeliveries(ids[4]!),
      reads.readHistory(ids[4]!),
    ]);
    const scratch = makeScratch();
    const noting = {
      query: async (config: Query) => {
        asked.push(config);
        return { rows: config.text.includes('numbers') ? [NO_NUMBERS] : [] };
      },
    };
    const keys = makeKeySet([
      ['message', ids[4]!],
      ['of-message', ids[4]!],
      ['delivery', delivery],
      ['result', 'p1 1'],
    ]);
    await makeGather(scratch)(noting as unknown as Connection, keys, NO_NUMBERS);
    scratch.close();
    const waiting = await add(journal, stating('w', 40 * DAY, ['w', '1', 'd'], [{ laneKey: 'w' }]));
    asked.push({
      name: '',
      text: POSTGRES_CLAIM_SQL.heads,
      values: [['register'], ['p1'], [1], ['[]'], [''], 40 * DAY, 1],
    });
    expect(waiting).toBeGreaterThan(0);

    await admin.query('set plan_cache_mode = force_generic_plan');
    const seen = new Map<string, number>();
    for (const [i, { text, values }] of asked.entries()) {
      await admin.query(`prepare one_${i} as ${text}`);
      const list = (values ?? []).map((value) =>
        value === null ? 'null' : Array.isArray(value) ? pgArray(value) : `'${value}'`,
      );
      await admin.query('begin');
      const { rows } = await admin.query(
        `explain (analyze, format json) execute one_${i}${list.length === 0 ? '' : `(${list.join(', ')})`}`,
      );
      await admin.query('rollback');
      const scanned = new Map<string, Set<string>>();
      const look = (node: Plan) => {
        const [, table] = /^(message_bytes|bodies|responses|history)_/.exec(node['Relation Name'] ?? '') ?? [];
        if (table !== undefined && node['Actual Loops'] > 0 && node['Node Type'] !== 'ModifyTable') {
          scanned.set(table, (scanned.get(table) ?? new Set()).add(node['Relation Name']!));
          if (node['Node Type'] === 'Seq Scan') scanned.get(table)!.add('by a seq scan');
        }
        for (const child of node.Plans ?? []) look(child);
      };
      look(rows[0]['QUERY PLAN'][0].Plan);
      for (const [table, names] of scanned) {
        expect([text, table, [...names]]).toEqual([text, table, [expect.anything()]]);
        seen.set(table, (seen.get(table) ?? 0) + 1);
      }
    }
    expect([...seen.keys()].sort()).toEqual(['bodies', 'history', 'message_bytes', 'responses']);
  }, 60_000);
});

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Loops': number;
  readonly Plans?: readonly Plan[];
}
const pgArray = (value: readonly unknown[]) => `'{${value.map((one) => JSON.stringify(String(one))).join(',')}}'`;
