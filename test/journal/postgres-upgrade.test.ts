import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Journal } from '../../src/contracts/journal.ts';
import { parsePostgresUrl } from '../../src/journal/postgres/address.ts';
import { type Connection, makeConnector } from '../../src/journal/postgres/connection.ts';
import { openPostgresReader } from '../../src/journal/postgres/journal-reader.ts';
import { POSTGRES_MIGRATIONS } from '../../src/journal/postgres/migrations.ts';
import { migrate } from '../../src/journal/postgres/schema.ts';
import { openPostgresJournal, type PostgresJournal } from '../../src/journal/postgres.ts';
import { admission, claimOne, draft, ended, fault, outcome, SLOT, stating } from './kit.ts';
import { NEXT_STEP, STEP_AFTER } from './next-step.ts';
import { type PostgresDatabase, type PostgresServer, startPostgres } from './postgres-server.ts';

const KNOWN = POSTGRES_MIGRATIONS.length;
const NEXT = [...POSTGRES_MIGRATIONS, NEXT_STEP];
const AFTER = [...NEXT, STEP_AFTER];
const ACT = { by: 'alva', note: null };

let server: PostgresServer;
let database: PostgresDatabase;
let nodes: PostgresJournal[];
let sessions: Connection[];
beforeAll(async () => {
  server = await startPostgres({ fsync: false });
});
afterAll(() => server.remove());
beforeEach(async () => {
  database = await server.createDatabase();
  nodes = [];
  sessions = [];
});
afterEach(async () => {
  await Promise.all([...nodes.map((node) => node.close()), ...sessions.map((session) => session.end())]);
  await database.drop();
});

async function openNode(node: string): Promise<PostgresJournal> {
  const facts = { version: '1.0', configuration: 'c', mapping: 'm' };
  const journal = await openPostgresJournal({ address: parsePostgresUrl(database.url), node, now: 0, facts });
  nodes.push(journal);
  return journal;
}
async function connect(purpose = 'test'): Promise<Connection> {
  const session = await makeConnector(parsePostgresUrl(database.url))(purpose);
  sessions.push(session);
  return session;
}
const upgrade = async (steps: readonly string[], patienceMs?: number) =>
  migrate(await connect('next'), { steps, ...(patienceMs === undefined ? {} : { patienceMs }) });

/** Every kind of call, so that every statement has been prepared; the second time with other names. */
async function callAll(journal: Journal, name: string, at: number): Promise<void> {
  const keyed = (key: string) => `${name} ${key}`;
  const state = (text: string, more: Parameters<typeof draft>[1]) =>
    journal.admit(stating(keyed(text), at, [keyed(text), '1', 'd'], [{ laneKey: keyed(text), ...more }]));
  await journal.admit({ ...admission(keyed('owed'), at), owesAck: true });
  const { messageId: asked } = await journal.admit({ ...admission(keyed('asks'), at), owesAck: true });
  await journal.payAck({ messageId: asked, at, code: 'AA', by: draft(keyed('ack'), { target: 'back' }) });
  const late = stating(keyed('late'), at, [keyed('late'), '1', 'd'], [{ target: 'other' }]);
  const received = await journal.admit({ ...late, outcome: outcome({ state: 'received', mappingVersion: null }) });
  await journal.settle(received.messageId, at, late.outcome);
  await state('once', { once: { key: keyed('p'), at, until: at + 9 }, target: 'other' });
  await state('lacks', { needs: { key: keyed('request'), reason: 'not-requested' }, target: 'other' });
  await journal.admit(admission(keyed('provides'), at, { provides: [keyed('request')] }));
  const held = await state('held', { held: fault('code-unmapped') });
  await journal.release(held.deliveries[0]!.id, { at, ...ACT });
  await journal.replay(held.messageId, stating(keyed('held'), at, [keyed('held'), '1', 'e']).outcome, { at, ...ACT });
  const dropped = await state('dropped', { held: fault('code-unmapped') });
  await journal.cancel(dropped.deliveries[0]!.id, { at, ...ACT });
  await journal.dismiss(dropped.messageId, { at, ...ACT });
  const { deliveries } = await journal.claim([SLOT], at + 1);
  expect(deliveries.length).toBeGreaterThan(0);
  for (const one of deliveries) {
    const response = { status: 201, contentType: 'text/plain', body: Buffer.from('x'.repeat(5_000)), fault: null };
    const followUps = [draft(one.resultKey, { operation: 'file', target: 'files', laneKey: keyed('files') })];
    expect(await journal.record(ended(one, at + 1, { response, followUps }))).toEqual({ state: 'delivered' });
  }
  const scope = { target: 'register', party: null, operation: null };
  expect(await journal.pause(scope, { at, ...ACT })).toBe(true);
  expect(await journal.resume(scope, { at, ...ACT })).toBe(true);
  expect(await journal.hold(keyed('hold'))).toBe(true);
  await journal.letGo(keyed('hold'));
  await journal.saveAlarms([], [keyed('alarm')]);
  const before = { held: null, refused: null, skipped: null, delivered: at + 2, cancelled: at + 2 };
  await journal.prune({ walk: 'bytes', at: at + 3, after: 0, limit: 9, before, maxBytes: 1 << 20 });
  await journal.prune({ walk: 'rows', at: at + 3, after: 0, limit: 9, before: 0 });
  await journal.prune({ walk: 'results', at: at + 3, after: 0, limit: 9 });
  await journal.prune({ walk: 'acks', at: at + 3, limit: 9, channels: ['none'], before: 0 });
  await journal.prune({ walk: 'arrivals', at: at + 3, limit: 9, before: 0 });
  const all = { channel: null, state: null, controlId: null, deliveryState: null, target: null, party: null };
  const found = await journal.findMessages({ ...all, from: null, to: null, text: 'owed' }, { limit: 50, after: null });
  expect(found.messages.length).toBeGreaterThan(0);
  await journal.readMessage(received.messageId);
  await journal.readDeliveries(held.messageId);
  await journal.readHistory(held.messageId);
  await journal.readStandings([held.messageId]);
  await journal.readOverview(at);
  await Promise.all([journal.readArrivals(0), journal.readAlarms(), journal.listPauses(), journal.listActs(9)]);
  await Promise.all([journal.listReceived(0, 9), journal.listOwedAcks(0, 9)]);
}

describe('an upgrade of the tables, with a node of the version before at work', () => {
  it('changes nothing for that node: every call of it does what it did, prepared before or not', async () => {
    const [before, idle] = [await openNode('a'), await openNode('b')];
    await callAll(before, 'first', 10);
    await upgrade(NEXT);
    await callAll(before, 'second', 20);
    await callAll(idle, 'third', 30);
    await callAll(await openNode('started behind it'), 'fourth', 40);
    const session = await connect();
    const { rows } = await session.query('select distinct of_next from messages union select of_next from deliveries');
    expect(rows).toEqual([{ of_next: 'x' }]);
  });

  it('waits for a table in short turns: nodes go on taking messages while somebody reads for long', async () => {
    const node = await openNode('a');
    const reading = await connect('pg_dump');
    await reading.query('begin');
    await reading.query('select count(*) from messages');
    // Nobody may hold a transaction open for longer on a connection of ours; a backup may.
    await reading.query("set idle_in_transaction_session_timeout = '0'");
    let isDone = false;
    const upgrading = upgrade(NEXT).then(() => {
      isDone = true;
    });
    const waits = await connect();
    const isWaiting = async () =>
      (await waits.query("select 1 from pg_locks where not granted and mode = 'AccessExclusiveLock'")).rows.length > 0;
    let turns = 0;
    for (let i = 0; turns < 2; i++) {
      if (await isWaiting()) {
        turns += 1;
        await vi.waitUntil(async () => !(await isWaiting()), { timeout: 10_000, interval: 10 });
      }
      expect(await node.admit(stating(`m${i}`, i, [`k${i}`, '1', 'd']))).toMatchObject({ repeated: false });
    }
    expect(isDone).toBe(false);
    await reading.query('commit');
    await upgrading;
    expect(await node.admit(stating('after', 99, ['after', '1', 'd']))).toMatchObject({ repeated: false });
  });

  it('is given up where a table stays in use, says whose transaction it is, and has changed nothing', async () => {
    const node = await openNode('a');
    const reading = await connect('nightly');
    await reading.query('begin; lock table pauses in access share mode');
    await expect(upgrade(NEXT, 0)).rejects.toThrow(
      /in use all the time \(the longest transaction is of process \d+, sluss nightly, since .*start again$/,
    );
    await callAll(node, 'all', 10);
    const { rows } = await (await connect()).query(
      "select version, to_regclass('of_next') as made from schema_version",
    );
    expect(rows).toEqual([{ version: KNOWN, made: null }]);
  });

  it('is done once, however many new nodes start, and while old ones write', async () => {
    const [a, b] = [await openNode('a'), await openNode('b')];
    let isDone = false;
    const work = async (journal: Journal, name: string) => {
      let count = 0;
      while (!isDone || count < 20) {
        const key = `${name}${count++}`;
        await journal.admit(stating(key, count, [key, '1', 'd'], [{ laneKey: `l${count % 3}` }]));
        for (const one of (await journal.claim([{ ...SLOT, free: 2 }], count)).deliveries)
          await journal.record(ended(one, count));
      }
      return count;
    };
    const working = [work(a, 'a'), work(b, 'b')];
    await Promise.all([upgrade(NEXT), upgrade(NEXT), upgrade(NEXT)]);
    isDone = true;
    const [ofA = 0, ofB = 0] = await Promise.all(working);
    expect((await a.readOverview(0)).messages).toEqual([{ channel: 'lab', state: 'mapped', count: ofA + ofB }]);
  });
});

describe('more than one version apart', () => {
  it('a node refuses to start, and a reader to read, and each says what to start instead', async () => {
    await upgrade(AFTER);
    const text = new RegExp(
      `its schema is ${KNOWN + 2}, this version knows ${KNOWN} and works with ${KNOWN + 1} at most; start the version that wrote it, or the one before`,
    );
    await expect(openNode('a')).rejects.toThrow(text);
    await expect(openPostgresReader(parsePostgresUrl(database.url))).rejects.toThrow(text);
  });

  it('the tables are left as they are while a node runs that would be two behind', async () => {
    const node = await openNode('old');
    await expect(upgrade(AFTER)).rejects.toThrow(
      `node old still runs with version 1.0, which knows the schema up to ${KNOWN}, and this version would make it ${KNOWN + 2}: start the version in between first, on one node after the other, or stop all nodes`,
    );
    await upgrade(NEXT);
    await expect(upgrade(AFTER)).rejects.toThrow('node old still runs');
    expect(await node.admit(admission('m', 1))).toMatchObject({ state: 'mapped' });
    await node.close();
    await upgrade(AFTER);
  });

  it('a node that slept through two upgrades writes nothing more once it wakes', async () => {
    const node = await openNode('slept');
    const session = await connect();
    await session.query("update nodes set lease_until = now() - interval '1 s'");
    await upgrade(AFTER);
    const declared = node.declare(() => ({ version: '1.0', configuration: '', mapping: '' }));
    await expect(declared).rejects.toThrow('changed the tables twice');
    expect(node.isReachable()).toBe(false);
    await expect(node.admit(admission('m', 1))).rejects.toMatchObject({ code: 'journal-failed' });
    await session.query('delete from nodes');
  });
});

describe('what a newer version writes', () => {
  it('of faults is shown as internal with its code, where the table here has none of it', async () => {
    const node = await openNode('a');
    const { messageId } = await node.admit(stating('m', 1, ['k', '1', 'd']));
    await node.record(ended(await claimOne(node, 2), 3, { outcome: { state: 'held', fault: fault('given-up') } }));
    const text = JSON.stringify({ ...fault('internal'), code: 'of-tomorrow' });
    const session = await connect();
    await session.query("update messages set state = 'held', faults = $1", [`[${text}]`]);
    await session.query('update deliveries set fault = $1', [text]);
    const shown = { ...fault('internal'), detail: 'of-tomorrow' };
    expect(await node.admit(stating('m', 4, ['k', '1', 'd']))).toMatchObject({ repeated: true, faults: [shown] });
    expect(await node.readMessage(messageId)).toMatchObject({ faults: [shown] });
    expect(await node.readDeliveries(messageId)).toMatchObject([{ fault: shown }]);
    expect(await node.readStandings([messageId])).toMatchObject([{ faults: [shown] }]);
  });

  it('to the other nodes is not heard by one that does not know it', async () => {
    const node = await openNode('a');
    const heard: string[] = [];
    const told = new Promise<void>((resolve) => {
      node.onChange((change) => {
        heard.push(change);
        if (change === 'pauses') resolve();
      });
    });
    const session = await connect();
    for (const notice of ['9999 of-tomorrow with words', 'nothing', '', '9999 pauses'])
      await session.query('select pg_notify($1, $2)', ['sluss', notice]);
    await told;
    expect(heard.filter((change) => change !== 'deliveries')).toEqual(['pauses']);
  });
});
