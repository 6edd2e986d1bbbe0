import pg from 'pg';
import { describe, expect, it } from 'vitest';
import type { SeenNode } from '../../src/journal/postgres/nodes.ts';
import { POSTGRES_MIGRATIONS } from '../../src/journal/postgres/migrations.ts';
import { readVersion } from '../../src/version.ts';
import { NEXT_STEP, STEP_AFTER } from '../journal/next-step.ts';
import { settleAccounts } from './accounts.ts';
import { readPostgresBooks } from './books.ts';
import { type Cluster, type ClusterNode, makeCluster } from './cluster.ts';
import { ROOT, spawnSluss, within } from './engine-process.ts';
import { planLoad } from './load.ts';
import { makeVersion } from './other-version.ts';
import { startTraffic, type Traffic } from './start-traffic.ts';

const SEED = Number(process.env.SLUSS_SEED ?? 20_261_122);
const OLD = readVersion();
const PATIENCE_MS = 60_000;
/** The next version has a column more, and writes it; what the version before writes has the default of the table. */
const NEXT = {
  postgres: [NEXT_STEP],
  scratch: [`alter table messages add column of_next text not null default 'next'`],
};

/** Laboratories that send all the time, a few after the other, until they are told to end. */
function sendOn({ site, port }: Cluster) {
  const plan = planLoad({ seed: SEED, senders: 900, messagesEach: 8, patientsEach: 3, filesEach: 0 });
  const sent: Traffic[] = [];
  const wrong: string[] = [];
  let isOver = false;
  const all = (async () => {
    while (!isOver && plan.length > 0) {
      const traffic = startTraffic(plan.splice(0, 3), { port, inbox: site.inbox, patienceMs: 10_000 });
      sent.push(traffic);
      wrong.push(...(await within(PATIENCE_MS, traffic.done, () => traffic.missing())).wrong);
    }
  })();
  all.catch(() => {});
  const taken = () => sent.reduce((sum, traffic) => sum + traffic.taken(), 0);
  return {
    taken,
    async end() {
      expect(plan.length, 'senders left').toBeGreaterThan(0);
      isOver = true;
      await all;
      return { wrong, senders: sent.flatMap((traffic) => traffic.takenBySender()) };
    },
  };
}

/** As `sluss nodes` says it: `node-1 0.1.0`, of those that run. */
async function seenBy(root: string, configFile: string): Promise<string[]> {
  const asked = spawnSluss(['nodes', '--json', '-c', configFile], [], [], root);
  expect(await asked.ended).toEqual({ code: 0, signal: null });
  const nodes = JSON.parse(asked.output()) as SeenNode[];
  return nodes.filter(({ isAlive }) => isAlive).map(({ name, version }) => `${name} ${version}`);
}

describe('nodes of two versions on one journal', () => {
  it('take each other’s places under load, forth and back, and lose nothing, in order, each result once', async () => {
    using next = makeVersion('next', NEXT);
    using after = makeVersion('after', { ...NEXT, postgres: [NEXT_STEP, STEP_AFTER] });
    await using cluster = await makeCluster({
      nodes: 4,
      service: { faults: [{ fault: { kind: 'delay', delayMs: 20 } }], seed: SEED },
      target: ['concurrency: 8'],
      journalKeys: ', lease: 4s',
      // Who waits for his deliveries leaves the machine to those that start.
      configure: (text) => text.replaceAll(/( {2}lab-\w+:\n)/g, '$1    acknowledge: settled\n'),
    });
    const [a, b, c, d] = cluster.nodes as unknown as readonly [ClusterNode, ClusterNode, ClusterNode, ClusterNode];
    await Promise.all([a.start(), b.start()]);
    const traffic = sendOn(cluster);

    // Two versions ahead: refused, while the nodes that run would be left behind.
    const tooNew = spawnSluss(['run', '-c', d.configFile], [], [], after.root);
    expect((await tooNew.ended).code).not.toBe(0);
    expect(tooNew.errors()).toMatch(
      /node node-\d still runs with version .*, which knows the schema up to \d+, .*start the version in between first/,
    );

    await c.start(next.root);
    const both = [`node-1 ${OLD}`, `node-2 ${OLD}`, 'node-3 next'];
    expect(await seenBy(ROOT, a.configFile)).toEqual(both);
    const beside = traffic.taken();
    await a.stop();
    await a.start(next.root);
    expect(traffic.taken()).toBeGreaterThan(beside);
    await b.kill();
    await b.start(next.root);
    expect(await seenBy(next.root, a.configFile)).toEqual(['node-1 next', 'node-2 next', 'node-3 next']);

    // And back, with the newer tables.
    await c.stop();
    await c.start();
    await b.stop();
    const back = traffic.taken();
    expect(await seenBy(ROOT, c.configFile)).toEqual(['node-1 next', `node-3 ${OLD}`]);
    await a.stop();
    expect(traffic.taken()).toBeGreaterThan(back);

    const { wrong, senders } = await traffic.end();
    await within(PATIENCE_MS, cluster.settled(), () => 'the deliveries');
    expect(await c.stop()).toEqual({ code: 0, signal: null });

    const books = await readPostgresBooks(cluster.database.url);
    const { violations, figures } = settleAccounts(senders, cluster.site.standIn.ledger, books);
    expect([...violations, ...wrong], `seed ${SEED}`).toEqual([]);
    expect(figures.certificates).toBe(figures.results);
    expect(figures.taken).toBeGreaterThan(50);
    const client = new pg.Client(cluster.database.url);
    await client.connect();
    const { rows } = await client.query('select of_next, count(*)::int as count from messages group by 1 order by 1');
    expect(rows.map(({ of_next }) => of_next)).toEqual(['next', 'x']);

    // Who is two versions behind starts no more.
    await client.query('update schema_version set version = version + 1');
    await client.end();
    const tooOld = spawnSluss(['run', '-c', d.configFile]);
    expect((await tooOld.ended).code).not.toBe(0);
    expect(tooOld.errors()).toContain(`this version knows ${POSTGRES_MIGRATIONS.length} and works with`);
  }, 300_000);
});
