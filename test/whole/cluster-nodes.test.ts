import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Cluster, type ClusterNode, type ClusterOptions, makeCluster } from './cluster.ts';
import { type Lis, startLis } from './lis.ts';
import { testMessage } from './message.ts';
import { connectPeer } from './mllp-peer.ts';

const LEASE = ', lease: 1500ms';
const PATIENCE = { timeout: 30_000, interval: 50 };

let cluster: Cluster;
let lis: Lis;
beforeEach(async () => {
  lis = await startLis();
});
afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
  await lis[Symbol.asyncDispose]();
});

async function start(options: Partial<ClusterOptions> = {}): Promise<[ClusterNode, ClusterNode]> {
  cluster = await makeCluster({ nodes: 2, journalKeys: LEASE, ...options });
  await Promise.all(cluster.nodes.map((node) => node.start()));
  return cluster.nodes as unknown as [ClusterNode, ClusterNode];
}

async function ask<Row extends object>(sql: string): Promise<Row[]> {
  const client = new pg.Client(cluster.database.url);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}
const countOf = async (table: string) =>
  Number((await ask<{ count: string }>(`select count(*) from ${table}`))[0]?.count);

/** A message whose sender wants both acknowledgements. */
const wanting = (controlId: string, person: number) =>
  Buffer.from(
    testMessage({ controlId, person, results: [`R-${controlId}`] })
      .toString('latin1')
      .replace('|P|2.5.1', '|P|2.5.1|||AL|AL'),
    'latin1',
  );

/** lab-nord answers once all has ended, and what it owes can go back to its LIS by another way. */
const settledWithReturn = (text: string) =>
  text
    .replace('targets:\n', `targets:\n  acknowledged: { kind: mllp, host: 127.0.0.1, port: ${lis.port} }\n`)
    .replace(/( {2}lab-nord:\n)/, '$1    acknowledge: settled\n    return: acknowledged\n');

const msaOf = (bytes: Uint8Array) => /MSA\|([^\r]*)/.exec(Buffer.from(bytes).toString('latin1'))?.[1] ?? '';

describe('an application acknowledgement that is owed on one node’s connection', () => {
  it('is written there, whichever node made the delivery', async () => {
    const [a, b] = await start({ configure: settledWithReturn });
    using peer = await connectPeer(a.port('lab-nord') ?? 0);
    const wanted: string[] = [];
    const byB = () =>
      b.engine().lines.some(({ event, target }) => event === 'delivery-delivered' && target === 'covidbevis');
    // As many as it takes until the other node has made one of the deliveries.
    while (!byB() || wanted.length < 5) {
      const controlId = `W${wanted.length}`;
      wanted.push(controlId);
      peer.socket.write(Buffer.concat([Buffer.of(0x0b), wanting(controlId, wanted.length), Buffer.of(0x1c, 0x0d)]));
      await peer.answered(2 * wanted.length);
    }
    const answers = peer.answers.map(msaOf);
    for (const controlId of wanted)
      expect(answers.filter((one) => one.endsWith(`|${controlId}`))).toEqual([`CA|${controlId}`, `AA|${controlId}`]);
    await vi.waitUntil(async () => (await countOf('owed_acks')) === 0, PATIENCE);
    expect(lis.frames).toEqual([]);
  }, 120_000);

  it('goes by the return target, sent by another node, when that one is gone', async () => {
    const [a] = await start({ configure: settledWithReturn });
    cluster.site.standIn.faults.add({ fault: { kind: 'status', status: 503 } });
    using peer = await connectPeer(a.port('lab-nord') ?? 0);
    peer.socket.write(Buffer.concat([Buffer.of(0x0b), wanting('GONE', 1), Buffer.of(0x1c, 0x0d)]));
    expect((await peer.answered(1)).map(msaOf)).toEqual(['CA|GONE']);
    await a.kill();
    cluster.site.standIn.faults.clear();
    expect((await lis.received(1))[0]).toContain('MSA|AA|GONE\r');
    await vi.waitUntil(async () => (await countOf('owed_acks')) === 0, PATIENCE);
    expect([...cluster.site.standIn.ledger.countsByIdentifier().values()]).toHaveLength(1);
  }, 120_000);
});

describe('a folder that several nodes are to watch', () => {
  const drop = (name: string, ...messages: Buffer[]) => {
    const { inbox } = cluster.site;
    writeFileSync(join(inbox, `${name}.part`), Buffer.concat(messages));
    renameSync(join(inbox, `${name}.part`), join(inbox, name));
  };
  const answered = (name: string) =>
    vi.waitUntil(() => readdirSync(join(cluster.site.inbox, 'done')).includes(`${name}.ack`), PATIENCE);
  const message = (id: string, person: number) => testMessage({ controlId: id, person, results: [`R-${id}`] });
  const watcher = async () =>
    (
      await ask<{ name: string }>(
        "select n.name from holds h join nodes n on n.number = h.node where h.name = 'channel folder-nord'",
      )
    )[0]?.name;

  it('is watched by one of them, and by another when that one is killed, with the files it had begun', async () => {
    const [a, b] = await start();
    drop('first.hl7', message('F1', 1), message('F2', 2));
    await answered('first.hl7');
    const name = await watcher();
    const [holder, other] = name === a.name ? [a, b] : [b, a];
    expect(name).toBe(holder.name);
    expect(other.engine().lines.some(({ event }) => event === 'file-done')).toBe(false);

    await holder.kill();
    // As it would have left one that it had begun.
    drop('processing/second.hl7', message('F3', 3), message('F4', 4));
    drop('third.hl7', message('F5', 5));
    await answered('third.hl7');
    await answered('second.hl7');
    expect(await watcher()).toBe(other.name);
    expect(readFileSync(join(cluster.site.inbox, 'done/second.hl7.ack'), 'latin1').match(/^MSA\|AA/gm)).toHaveLength(2);
    await cluster.settled();
    expect(cluster.site.standIn.ledger.certificates()).toBe(5);
    expect(await countOf('messages')).toBe(5);
  }, 120_000);
});
