import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Ack } from '../../src/contracts/source.ts';
import { parsePostgresUrl } from '../../src/journal/postgres/address.ts';
import { makeConnector } from '../../src/journal/postgres/connection.ts';
import { openPostgresJournal, type PostgresJournal } from '../../src/journal/postgres.ts';
import { admission } from '../journal/kit.ts';
import { type PostgresDatabase, type PostgresServer, startPostgres } from '../journal/postgres-server.ts';
import { type Bench, type BenchOptions, controlIdOf, draft, mapped, message, SUCCESS, setUpBench } from './bench.ts';

const PATIENCE = { timeout: 25_000, interval: 20 };
const ANSWERED = {
  ok: true,
  response: { status: 201, contentType: 'text/plain', body: Buffer.from('issued'), fault: null },
} as const;
const BY = { by: 'alva', note: null };

let server: PostgresServer;
let database: PostgresDatabase;
let benches: Bench[];
beforeAll(async () => {
  server = await startPostgres({ fsync: false });
});
afterAll(() => server.remove());
beforeEach(async () => {
  database = await server.createDatabase();
  benches = [];
});
afterEach(async () => {
  for (const bench of benches) await bench.tearDown();
  await database.drop();
});

/** A node whose mappings are of this version, which stands in all that they make. */
async function startNode(version: string, options: BenchOptions & { leaseMs?: number } = {}): Promise<Bench> {
  const address = parsePostgresUrl(database.url);
  const { leaseMs = 15_000, ...rest } = options;
  const open = () => openPostgresJournal({ address, node: version, now: Date.UTC(2021, 5, 1, 8), leaseMs });
  const bench = await setUpBench({ open, ...rest });
  benches.push(bench);
  bench.mapper.version = version;
  const body = (of: string) => Buffer.from(`${version} of ${of}`);
  bench.mapper.onMap = (bytes) => {
    const id = controlIdOf(bytes);
    return mapped({ drafts: ['x', 'y'].map((part) => draft(`${id} ${part}`, { body: body(id) })) });
  };
  bench.mapper.onResponse = (bytes, { resultKey }) => [
    draft(resultKey, { target: 'files', body: body(`${controlIdOf(bytes)} answered`) }),
  ];
  await bench.engine.start();
  return bench;
}
const journalOf = (bench: Bench) => bench.journal as PostgresJournal;
async function ask<Row>(sql: string, ...values: unknown[]): Promise<Row[]> {
  const client = await makeConnector(parsePostgresUrl(database.url))('test');
  try {
    return (await client.query(sql, values)).rows;
  } finally {
    await client.end();
  }
}
const bodiesOf = async (bench: Bench, messageId: number) =>
  (await bench.journal.readDeliveries(messageId)).map(({ body, state }) => `${state} ${Buffer.from(body).toString()}`);
const settled = () =>
  vi.waitUntil(async () => (await ask("select 1 from deliveries where state = 'waiting'")).length === 0, PATIENCE);

describe('nodes with different mappings', () => {
  it('take a message that both get at the same moment once, and all of it is of one version', async () => {
    // Some are stored before they are mapped.
    const both = { settings: { storeFirstBytes: 200 }, limits: { concurrency: 4 } } satisfies BenchOptions;
    const [a, b] = [await startNode('v1', both), await startNode('v2', both)];
    const texts = Array.from({ length: 40 }, (_, i) => message(`M${i}`, i % 3 === 0 ? 'x'.repeat(300) : ''));
    const acks: (readonly [Ack | null, Ack | null])[] = [];
    // Some at a time, or one node would be the first with all of them.
    for (let i = 0; i < texts.length; i += 4) {
      const given = texts.slice(i, i + 4).map((bytes) => {
        const [first, second] = i % 8 === 0 ? [a, b] : [b, a];
        return Promise.all([first.source.give(bytes), second.source.give(bytes)]);
      });
      acks.push(...(await Promise.all(given)));
    }
    for (const [one, other] of acks) {
      expect([one?.code, other?.code]).toEqual(['AA', 'AA']);
      expect(other?.messageId).toBe(one?.messageId);
    }
    expect([a.engine.problem(), b.engine.problem()]).toEqual([null, null]);
    await settled();
    const versions = new Set<string>();
    for (const [i, [ack]] of acks.entries()) {
      const { mappingVersion } = (await a.journal.readMessage(ack!.messageId!))!;
      versions.add(mappingVersion!);
      const one = `delivered ${mappingVersion} of M${i}`;
      expect(await bodiesOf(b, ack!.messageId!)).toEqual([one, one]);
      // Whoever it comes to again gives the answer it has earned.
      expect(await (versions.size % 2 === 0 ? a : b).source.give(texts[i]!)).toMatchObject({
        ...ack,
        bytes: expect.anything(),
      });
    }
    expect([...versions].sort()).toEqual(['v1', 'v2']);
    expect(a.target.sent.length + b.target.sent.length).toBe(80);
    expect((await ask('select 1 from messages')).length).toBe(40);
  });

  it('say which they run, also when those are changed while messages come, of which each is of one', async () => {
    const [a, b] = [await startNode('v1', { leaseMs: 1_000 }), await startNode('v2')];
    await journalOf(a).declare(() => ({ version: '1', configuration: 'c', mapping: a.engine.mappingVersion() }));
    const seen = async () => (await journalOf(b).nodes()).find(({ name }) => name === 'v1')?.mapping;
    expect(await seen()).toBe('v1');
    const give = (from: number) =>
      Array.from({ length: 10 }, (_, i) => a.source.give(message(`M${from + i}`))) as Promise<Ack>[];
    const before = give(0);
    const map = (bytes: Uint8Array) => {
      const id = controlIdOf(bytes);
      return mapped({ drafts: [draft(id, { body: Buffer.from(`v3 of ${id}`) })] });
    };
    a.engine.useMapper({ ...a.mapper, version: 'v3', map });
    const acks = await Promise.all([...before, ...give(10)]);
    await settled();
    const versions = new Set<string>();
    for (const [i, { messageId }] of acks.entries()) {
      const { mappingVersion } = (await b.journal.readMessage(messageId!))!;
      versions.add(mappingVersion!);
      for (const body of await bodiesOf(b, messageId!)) expect(body).toBe(`delivered ${mappingVersion} of M${i}`);
    }
    expect([...versions].sort()).toEqual(['v1', 'v3']);
    await vi.waitUntil(async () => (await seen()) === 'v3', PATIENCE);
  });

  it('notice a control id that comes to both at the same moment, with other content', async () => {
    const [a, b] = [journalOf(await startNode('v1')), journalOf(await startNode('v2'))];
    const admit = (node: PostgresJournal, round: number, text: string) =>
      Array.from({ length: 10 }, (_, i) =>
        node.admit({ ...admission(`${round} ${i} ${text}`, 1), controlId: `C${round}-${i}` }),
      );
    for (let round = 0; round < 8; round += 1) {
      const admitted = await Promise.all([...admit(a, round, 'one'), ...admit(b, round, 'other')]);
      expect(admitted.filter(({ controlIdReused }) => controlIdReused)).toHaveLength(10);
    }
  });

  it('map again what one of them refused, however large it is, when it comes to another', async () => {
    const first = { settings: { storeFirstBytes: 1 } } satisfies BenchOptions;
    const [a, b] = [await startNode('v1', first), await startNode('v2', first)];
    a.mapper.onMap = () => mapped({ faults: [{ code: 'field-required', at: null, where: null, detail: null }] });
    expect((await a.source.give(message('M1')))?.code).toBe('AE');
    expect((await a.source.give(message('M1')))?.code).toBe('AE');
    const ack = await b.source.give(message('M1'));
    expect(ack?.code).toBe('AA');
    expect((await a.source.give(message('M1')))?.code).toBe('AA');
    expect(await a.journal.readMessage(ack!.messageId!)).toMatchObject({ mappingVersion: 'v2', timesSeen: 4 });
  });

  it('take up what a node that is gone had stored and not mapped: by the mappings of the one that does', async () => {
    const a = await startNode('v1', { settings: { storeFirstBytes: 1 }, wrap: (of) => ({ ...of, settle: never }) });
    const giving = a.source.give(message('M1'));
    await vi.waitUntil(
      async () => (await ask("select 1 from messages where state = 'received'")).length === 1,
      PATIENCE,
    );
    await ask("update nodes set lease_until = now() - interval '1 s'");
    const b = await startNode('v2');
    await settled();
    expect(await b.journal.readMessage(1)).toMatchObject({ state: 'mapped', mappingVersion: 'v2' });
    expect(await bodiesOf(b, 1)).toEqual(['delivered v2 of M1', 'delivered v2 of M1']);
    // The other wakes in the midst of it, and changes nothing.
    const late = { ...mapped({}), state: 'mapped', mappingVersion: 'v1' } as const;
    expect(await a.journal.settle(1, 9, { ...late, drafts: [] })).toMatchObject({ state: 'mapped' });
    expect(await b.journal.readMessage(1)).toMatchObject({ mappingVersion: 'v2' });
    release();
    await giving;
  });

  it('replay by the mappings of the node that is asked, which cancels what waits of the other version', async () => {
    const a = await startNode('v1');
    const b = await startNode('v2');
    for (const bench of [a, b])
      await bench.engine.operations.pause({ target: 'covid', party: null, operation: null }, BY);
    const ack = await a.source.give(message('M1'));
    expect(await b.engine.operations.replay([ack!.messageId!], BY, false)).toMatchObject([{ result: 'replayed' }]);
    await b.engine.operations.resume({ target: 'covid', party: null, operation: null }, BY);
    await settled();
    expect(await a.journal.readMessage(ack!.messageId!)).toMatchObject({ mappingVersion: 'v2' });
    const [cancelled, delivered] = ['cancelled v1 of M1', 'delivered v2 of M1'];
    expect(await bodiesOf(a, ack!.messageId!)).toEqual([cancelled, cancelled, delivered, delivered]);
  });

  it('make of an answer what the mappings of the node that got it make, and each of one answer once', async () => {
    const a = await startNode('v1');
    await a.engine.operations.pause({ target: 'covid', party: null, operation: null }, BY);
    const ack = await a.source.give(message('M1'));
    const b = await startNode('v2');
    for (const bench of [a, b]) bench.target.answer = () => ANSWERED;
    await b.engine.operations.resume({ target: 'covid', party: null, operation: null }, BY);
    await settled();
    const made = (await a.journal.readDeliveries(ack!.messageId!)).filter(({ follows }) => follows !== null);
    expect(made).toHaveLength(2);
    const versions = new Map([
      ...a.target.sent.map(({ id }) => [id, 'v1'] as const),
      ...b.target.sent.map(({ id }) => [id, 'v2'] as const),
    ]);
    for (const { follows, body } of made)
      expect(Buffer.from(body).toString()).toBe(`${versions.get(follows!)} of M1 answered`);
  });

  it('say so where the node that got an answer does not have the channel: it cannot know what is owed', async () => {
    const a = await startNode('v1', { second: true });
    await a.engine.operations.pause({ target: 'covid', party: null, operation: null }, BY);
    const ack = await a.other.give(message('M1'));
    await a.engine.stop();
    const b = await startNode('v2');
    b.target.answer = () => ANSWERED;
    await b.engine.operations.resume({ target: 'covid', party: null, operation: null }, BY);
    await settled();
    const missing = {
      state: 'delivered',
      response: { fault: { code: 'mapping-incomplete', detail: 'no channel other' } },
    };
    expect(await b.journal.readDeliveries(ack!.messageId!)).toMatchObject([missing, missing]);
    expect(b.log.events()).toContain('follow-up-failed');
  });
});

let release = () => {};
const never = () =>
  new Promise<never>((_, reject) => {
    release = () => reject(new Error('it was gone'));
  });

describe('a node that cannot renew its lease', () => {
  it('calls off what is under way before the lease is over, and begins nothing more until it is renewed', async () => {
    const a = await startNode('v1', { leaseMs: 4_000, limits: { concurrency: 9 } });
    const reasons: string[] = [];
    a.target.answer = async (_, signal) => {
      await once(signal, 'abort');
      reasons.push((signal.reason as Error).message);
      return { ok: false, fault: signal.reason, retryAfterMs: null, response: null };
    };
    const client = await makeConnector(parsePostgresUrl(database.url))('test');
    try {
      await client.query('begin');
      await client.query("set local idle_in_transaction_session_timeout = '0'");
      // Its signs of life wait for this; all else of it goes on.
      await client.query('select 1 from nodes for update');
      await a.source.give(message('M1'));
      await vi.waitUntil(() => reasons.length === 2, PATIENCE);
      const begun = a.target.sent.length;
      a.target.answer = () => SUCCESS;
      expect((await a.source.give(message('M2')))?.code).toBe('AA');
      const slot = { target: 'covid', party: 'nord', free: 9, without: [] };
      expect(await journalOf(a).claim([slot], a.clock.now())).toMatchObject({ deliveries: [] });
      expect(a.target.sent).toHaveLength(begun);
    } finally {
      await client.end();
    }
    await vi.waitUntil(async () => {
      await a.clock.advance(1_000);
      return (await ask("select 1 from deliveries where state = 'waiting'")).length === 0;
    }, PATIENCE);
    expect(await bodiesOf(a, 2)).toEqual(['delivered v1 of M2', 'delivered v1 of M2']);
  });
});
