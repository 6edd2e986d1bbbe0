import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { JournalChange } from '../../src/contracts/journal.ts';
import { parsePostgresUrl } from '../../src/journal/postgres/address.ts';
import { POSTGRES_CLAIM_SQL } from '../../src/journal/postgres/claim.ts';
import { makeConnector } from '../../src/journal/postgres/connection.ts';
import { openPostgresJournal, type PostgresJournal } from '../../src/journal/postgres.ts';
import { admission, claimKeys, claimOne, ended, eventsOf, retryAt, SLOT, statesOf, stating } from './kit.ts';
import { type PostgresDatabase, type PostgresServer, startPostgres } from './postgres-server.ts';

let server: PostgresServer;
let database: PostgresDatabase;
let nodes: PostgresJournal[];
beforeAll(async () => {
  server = await startPostgres({ fsync: false });
});
afterAll(() => server.remove());
beforeEach(async () => {
  database = await server.createDatabase();
  nodes = [];
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  await database.drop();
});

async function openNode(node: string, more: { leaseMs?: number; now?: number } = {}): Promise<PostgresJournal> {
  const journal = await openPostgresJournal({ address: parsePostgresUrl(database.url), node, now: 0, ...more });
  nodes.push(journal);
  return journal;
}
const openNodes = async (...names: string[]) => Promise.all(names.map((name) => openNode(name)));
/** What an administrator sees. */
async function ask<Row>(sql: string, ...values: unknown[]): Promise<Row[]> {
  const client = await makeConnector(parsePostgresUrl(database.url))('test');
  try {
    return (await client.query(sql, values)).rows;
  } finally {
    await client.end();
  }
}
/** As if a node had lost its power: its sessions end, and nothing is said. */
const cutOff = (name: string) =>
  ask(`update nodes set lease_until = now() - interval '1 s' where name = $1`, name).then(() => {});
const heard = (journal: PostgresJournal, wanted: JournalChange) =>
  new Promise<void>((resolve) => journal.onChange((change) => change === wanted && resolve()));

describe('several nodes of one journal', () => {
  it('have names of their own, and say what they run', async () => {
    const [first, second] = [await openNode('a'), await openNode('a')];
    await second.declare(() => ({ version: '1.0', configuration: 'c', mapping: 'm' }));
    expect([first.node, second.node]).toEqual(['a', 'a-2']);
    expect(await first.nodes()).toMatchObject([
      { name: 'a', isAlive: true },
      { name: 'a-2', isAlive: true, version: '1.0', configuration: 'c', mapping: 'm' },
    ]);
    await second.close();
    expect((await first.nodes()).map(({ isAlive }) => isAlive)).toEqual([true, false]);
  });

  it('know a message that one of them took', async () => {
    const [a, b] = await openNodes('a', 'b');
    const first = await a!.admit(stating('m', 1, ['k', '1', 'd']));
    expect(await b!.admit(stating('m', 2, ['k', '1', 'd']))).toMatchObject({
      messageId: first.messageId,
      repeated: true,
    });
  });

  it('take each message once, however many get it at the same moment', async () => {
    const all = await openNodes('a', 'b', 'c');
    const texts = Array.from({ length: 40 }, (_, i) => `m${i}`);
    const ends = await Promise.all(
      all.flatMap((node, turn) =>
        texts.map((text, i) =>
          node.admit(stating(text, turn, [`k${i % 7}`, '1', `d${i % 3}`], [{ laneKey: `l${i % 5}` }])),
        ),
      ),
    );
    expect(ends.filter(({ repeated }) => !repeated)).toHaveLength(40);
    expect((await all[0]!.readOverview(9)).messages).toEqual([{ channel: 'lab', state: 'mapped', count: 40 }]);
    // Of each result one version is still to be sent.
    const waiting = await ask<{ count: number }>(
      `select result_id, count(*)::int as count from deliveries where state = 'waiting' group by result_id`,
    );
    expect(waiting.map(({ count }) => count)).toEqual(Array(7).fill(1));
    const heads = await ask(
      `select lane_key from deliveries where turn is not null group by lane_key having count(*) > 1`,
    );
    expect(heads).toEqual([]);
  });

  it('keep the order of a lane, whoever delivers', async () => {
    const [a, b] = await openNodes('a', 'b');
    for (let i = 0; i < 6; i++) await (i % 2 === 0 ? a! : b!).admit(stating(`m${i}`, i, [`k${i}`, '1', 'd']));
    const sent: string[] = [];
    for (let turn = 0; sent.length < 6; turn++) {
      const [node, other] = turn % 2 === 0 ? [a!, b!] : [b!, a!];
      const delivery = await claimOne(node, 10 + turn);
      expect(await claimKeys(other, 10 + turn)).toEqual([]);
      sent.push(delivery.resultKey);
      await node.record(ended(delivery, 10 + turn));
    }
    expect(sent).toEqual(['k0', 'k1', 'k2', 'k3', 'k4', 'k5']);
  });

  it('share the heads of lanes: none is taken twice', async () => {
    const all = await openNodes('a', 'b', 'c');
    await Promise.all(
      Array.from({ length: 90 }, (_, i) =>
        all[i % 3]!.admit(stating(`m${i}`, 1, [`k${i}`, '1', 'd'], [{ laneKey: `l${i}` }])),
      ),
    );
    const taken: string[] = [];
    while (taken.length < 90) {
      const claims = await Promise.all(all.map((node) => node.claim([{ ...SLOT, free: 10 }], 5)));
      taken.push(...claims.flatMap(({ deliveries }) => deliveries.map(({ resultKey }) => resultKey)));
    }
    expect(new Set(taken).size).toBe(90);
  });

  it('hear of each other: what may be claimed, and what is paused', async () => {
    const [a, b] = await openNodes('a', 'b');
    // That there are others is known with the first sign of life.
    await a!.declare(() => ({ version: '', configuration: '', mapping: '' }));
    const deliveries = heard(b!, 'deliveries');
    await a!.admit(stating('m', 1, ['k', '1', 'd']));
    await deliveries;
    const pauses = heard(b!, 'pauses');
    await a!.pause({ target: 'register', party: null, operation: null }, { at: 1, by: 'alva', note: null });
    await pauses;
    expect(await b!.listPauses()).toHaveLength(1);
  });

  it('see through what a node left that is gone, and fence its late end', async () => {
    const [a, b] = [await openNode('a'), await openNode('b', { leaseMs: 200 })];
    await a.admit(stating('m', 1, ['k', '1', 'd']));
    await a.admit(stating('h', 1, ['h', '1', 'd'], [{ laneKey: 'other', inDoubt: 'hold' }]));
    const left = (await a.claim([SLOT], 2)).deliveries;
    expect(left).toHaveLength(2);
    const orphans = heard(b, 'orphans');
    await cutOff('a');
    await orphans;
    expect(await statesOf(b, 1)).toEqual(['waiting in-doubt']);
    expect(await statesOf(b, 2)).toEqual(['held in-doubt']);
    expect(await eventsOf(b, 1)).toEqual(['mapped', 'queued', 'attempt attempt 1', 'retry in-doubt']);
    const again = await claimOne(b, 3);
    expect(again).toMatchObject({ resultKey: 'k', attempt: 2 });
    for (const delivery of left) expect(await a.record(ended(delivery, 4))).toEqual({ state: 'fenced' });
    expect(await b.record(ended(again, 5))).toEqual({ state: 'delivered' });
  });

  it('list what another has received, or owes, only when that one is gone', async () => {
    const [a, b] = await openNodes('a', 'b');
    const { messageId } = await a!.admit({ ...admission('m', 1, { state: 'received' }), owesAck: true });
    const listed = async (node: PostgresJournal) => [
      (await node.listReceived(0, 9)).map(({ id }) => id),
      (await node.listOwedAcks(0, 9)).map((one) => one.messageId),
    ];
    expect(await listed(a!)).toEqual([[messageId], [messageId]]);
    expect(await listed(b!)).toEqual([[], []]);
    await cutOff('a');
    expect(await listed(b!)).toEqual([[messageId], [messageId]]);
    // Who gets it again owes the answer.
    await a!.declare(() => ({ version: '', configuration: '', mapping: '' }));
    await b!.admit({ ...admission('m', 2, { state: 'received' }), owesAck: true });
    expect((await listed(b!))[1]).toEqual([messageId]);
  });

  it('never have two attempts of one lane under way, whatever they do at the same time', async () => {
    const all = await openNodes('a', 'b', 'c');
    const underWay = new Map<string, number>();
    let delivered = 0;
    const work = async (node: PostgresJournal, seed: number) => {
      for (let i = 0; i < 25; i++) {
        const n = seed * 100 + i;
        const key = `k${n % 11}`;
        await node.admit(stating(`m${n}`, i, [key, String(1000 + n), `d${n}`], [{ laneKey: `l${n % 4}` }]));
        const { deliveries } = await node.claim([{ ...SLOT, free: 2 }], i + 1);
        for (const one of deliveries) {
          expect(underWay.get(one.laneKey) ?? 0).toBe(0);
          underWay.set(one.laneKey, 1);
        }
        for (const one of deliveries) {
          underWay.set(one.laneKey, 0);
          const { state } = await node.record(ended(one, i + 2, i % 5 === 0 ? retryAt(i + 3) : {}));
          expect(state).not.toBe('fenced');
          if (state === 'delivered') delivered += 1;
        }
      }
    };
    await Promise.all(all.map(work));
    expect(delivered).toBeGreaterThan(10);
    const counted = await ask(
      `select state, count(*)::int as count from deliveries group by state having count(*) > 0 order by state`,
    );
    const told = (await all[0]!.readOverview(99)).deliveries.map(({ state, count }) => ({ state, count }));
    expect(told).toEqual(counted);
  });
});

describe('the SQL of a claim', () => {
  it('goes by indexes that hold heads of lanes only, with 100 000 lanes waiting', async () => {
    const node = await openNode('a');
    await ask(`insert into results (id, key) select i, 'k' || i from generate_series(1, 100000) i`);
    await ask(`insert into deliveries (id, message_id, channel, result_id, target, operation, party, lane_key, admitted_at,
        place, next_at, due_at, in_doubt, on_correction, state, state_at, turn)
      select i, i, 'lab-' || i % 3, i, 'register', 'issue', 'p1', 'lane-' || i, i, i, i, i, 'repeat', 'update', 'waiting', 1,
        case when i % 10 = 0 then 'timed' else 'ready' end from generate_series(1, 100000) i`);
    await ask(`insert into bodies select i, 'x' from generate_series(1, 100000) i`);
    await ask('analyze');
    const plan = async (sql: string, ...values: unknown[]) => {
      const rows = await ask<{ 'QUERY PLAN': string }>(`explain ${sql}`, ...values);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    };
    const slot = [['register'], ['p1'], [10], ['[]'], [''], 500, 1];
    const heads = await plan(POSTGRES_CLAIM_SQL.heads, ...slot);
    expect(heads).toContain('using deliveries_ready on deliveries');
    // What no period has is empty, and is not looked at: see postgres-periods.test.ts.
    expect(heads).not.toMatch(/Seq Scan on (deliveries|results|bodies(?!_rest))/);
    const wake = await plan(POSTGRES_CLAIM_SQL.wake, 500);
    expect(wake).toContain('deliveries_timed on deliveries');
    expect(wake).not.toMatch(/Seq Scan on deliveries/);
    expect(await plan(POSTGRES_CLAIM_SQL.nextDueAt)).toContain('deliveries_timed on deliveries');
    // The oldest of each channel in turn.
    const { deliveries } = await node.claim([{ ...SLOT, free: 4 }], 5);
    expect(deliveries.map(({ id }) => id)).toEqual([3, 1, 2, 6]);
  });
});

describe('a server that goes away', () => {
  it('fails what was under way, stores nothing that it did not say, and is found again', async () => {
    const journal = await openNode('a');
    await journal.admit(stating('before', 1, ['k', '1', 'd']));
    await ask(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'sluss %' and pid <> pg_backend_pid()`,
    );
    const ends = await Promise.allSettled([journal.admit(stating('lost', 2, ['m', '1', 'd']))]);
    for (const end of ends) {
      if (end.status === 'rejected') expect(end.reason).toMatchObject({ name: 'Fault', code: 'journal-failed' });
    }
    expect(await journal.admit(stating('lost', 3, ['m', '1', 'd']))).toMatchObject({ state: 'mapped' });
    expect((await journal.readOverview(4)).messages).toEqual([{ channel: 'lab', state: 'mapped', count: 2 }]);
  });

  it.skipIf(process.env.SLUSS_TEST_POSTGRES !== undefined)(
    'keeps everything that was answered when it is killed',
    async () => {
      const [a, b] = await openNodes('a', 'b');
      const stored = new Set<string>();
      const send = async (node: PostgresJournal, text: string) => {
        try {
          await node.admit(stating(text, 1, [text, '1', 'd'], [{ laneKey: text }]));
          stored.add(text);
        } catch (error) {
          expect(error).toMatchObject({ name: 'Fault', code: 'journal-failed' });
        }
      };
      await Promise.all([send(a!, 'a0'), send(b!, 'b0')]);
      expect(stored.size).toBe(2);
      const sending = [1, 2, 3, 4, 5, 6].flatMap((i) => [send(a!, `a${i}`), send(b!, `b${i}`)]);
      await server.kill();
      await Promise.all(sending);
      await send(a!, 'while it is away');
      expect(stored).not.toContain('while it is away');
      await server.start();
      const before = stored.size;
      await Promise.all([send(a!, 'a9'), send(b!, 'b9')]);
      expect(stored.size).toBe(before + 2);
      const kept = new Set(
        (await ask<{ control_id: string }>('select control_id from messages')).map((row) => row.control_id),
      );
      expect([...stored].filter((text) => !kept.has(text))).toEqual([]);
      // What was not answered is found out about by sending it again.
      await Promise.all([1, 2, 3, 4, 5, 6].flatMap((i) => [send(b!, `a${i}`), send(a!, `b${i}`)]));
      expect((await a!.readOverview(9)).messages).toEqual([{ channel: 'lab', state: 'mapped', count: 16 }]);
    },
  );
});
