import { createConnection } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { frameMessage } from '../../src/hl7/mllp.ts';
import { parseAck } from '../../src/hl7/parse-ack.ts';
import { readWaiting, settled } from './crash-run.ts';
import { spawnSluss } from './engine-process.ts';
import { personHash, testMessage } from './message.ts';
import { connectPeer } from './mllp-peer.ts';
import { makeSite, NORD, type Site, type SiteOptions, SYD } from './site.ts';

const DAY_MS = 86_400_000;

let site: Site;
async function make(options?: SiteOptions): Promise<Site> {
  site = await makeSite(options);
  return site;
}
afterEach(async () => {
  await site[Symbol.asyncDispose]();
});

describe('while the service is down', { timeout: 120_000 }, () => {
  it('messages are taken and wait; when it is back they are delivered in order, whatever was restarted between', async () => {
    await make();
    const url = new URL(site.standIn.url);
    await site.standIn.stop();
    const first = await site.start();
    const ids = Array.from({ length: 12 }, (_, index) => `D${index}`);
    const send = async (some: readonly string[]) => {
      using peer = await connectPeer(await site.port('lab-nord'));
      for (const controlId of some) {
        const ack = await peer.exchange(testMessage({ controlId, person: 5, results: [controlId] }));
        expect(ack).toMatchObject({ code: 'AA', controlId });
      }
    };
    await send(ids.slice(0, 6));
    await first.seen('delivery-retry', ({ fault }) => fault === 'target-unreachable');
    expect(await readWaiting(first)).toBe(6);
    expect((await first.stop()).code).toBe(0);

    const second = await site.start();
    await send(ids.slice(6));
    expect(await readWaiting(second)).toBe(12);
    // On the port the engine knows.
    await site.standIn.start(Number(url.port));
    await second.seen('delivery-delivered', undefined, 12);
    const { ledger } = site.standIn;
    expect(ledger.order(personHash(5))).toHaveLength(12);
    expect(ledger.certificates()).toBe(12);
    const delivered = second.lines.filter(({ event }) => event === 'delivery-delivered');
    expect(delivered.map(({ messageId }) => messageId)).toEqual(ids.map((_, index) => index + 1));
    expect((await second.stop()).code).toBe(0);
  });
});

describe('an engine that is asked to end', { timeout: 120_000 }, () => {
  it('writes the answers it owes, lets attempts end, exits with 0, and the next one goes on', async () => {
    await make({ service: { faults: [{ fault: { kind: 'delay', delayMs: 30 } }] } });
    const first = await site.start();
    using peer = await connectPeer(await site.port('lab-nord'));
    const count = 40;
    for (let index = 0; index < count; index += 1) {
      const message = testMessage({ controlId: `S${index}`, person: index % 3, results: [`S${index}`] });
      peer.socket.write(frameMessage(message));
    }
    await peer.answered(1);
    await site.standIn.ledger.waitFor(2);
    expect(await first.stop()).toEqual({ code: 0, signal: null });
    await peer.closed;
    const acks = peer.answers.map((answer) => parseAck(answer));
    const taken = acks.filter((ack) => ack?.code === 'AA').length;
    // One answer a frame that was read, each once, in order.
    expect(acks.map((ack) => ack?.controlId)).toEqual(acks.map((_, index) => `S${index}`));
    expect(taken).toBeGreaterThan(0);

    const second = await site.start();
    const { ledger } = site.standIn;
    await settled(second, site);
    expect((await second.stop()).code).toBe(0);
    expect(ledger.certificates()).toBe(taken);
    // Nothing was cut off, so nothing was in doubt.
    expect(ledger.entries().filter(({ repeat }) => repeat > 0)).toEqual([]);
  });

  it('does not let itself be held up by a sender that stays', async () => {
    await make();
    const engine = await site.start();
    const socket = createConnection({ port: await site.port('lab-nord'), host: '127.0.0.1' });
    socket.on('error', () => {});
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    socket.write(frameMessage(testMessage({ controlId: 'H', person: 1, results: ['H'] })).subarray(0, 50));
    expect((await engine.stop()).code).toBe(0);
    socket.destroy();
  });
});

describe('a party whose certificate cannot be used', { timeout: 120_000 }, () => {
  const cases: readonly [string, RegExp, () => Promise<{ cert: string; key: string }>][] = [
    [
      'expired',
      /expired/,
      () =>
        issue({ organisationNumber: NORD.number, validFrom: Date.now() - 9 * DAY_MS, validTo: Date.now() - DAY_MS }),
    ],
    ['is of another organisation', /organisationsnummer 5599999991/, () => issue({ organisationNumber: SYD.number })],
    [
      'does not fit its key',
      /key/,
      async () => {
        const [one, other] = [
          await issue({ organisationNumber: NORD.number }),
          await issue({ organisationNumber: NORD.number }),
        ];
        return { cert: one.cert, key: other.key };
      },
    ],
  ];
  const issue = (order: { organisationNumber: string; validFrom?: number; validTo?: number }) =>
    site.authority.issueClient({ organisation: NORD.name, ...order });

  /** Sends for both parties: the one is stopped, the other's result gets its certificate. */
  async function runWith(wrong: { cert: string; key: string }) {
    site.certify(NORD.id, wrong);
    const engine = await site.start();
    const send = async (channel: string, party: typeof NORD | typeof SYD) => {
      using peer = await connectPeer(await site.port(channel));
      const controlId = `C-${party.id}`;
      return await peer.exchange(testMessage({ controlId, person: 9, results: [controlId], party }));
    };
    expect((await send('lab-nord', NORD))?.code).toBe('AA');
    expect((await send('lab-syd', SYD))?.code).toBe('AA');
    await engine.seen('delivery-delivered', ({ party }) => party === SYD.id);
    await engine.seen('party-paused', ({ party }) => party === NORD.id);
    expect(site.standIn.ledger.entries().map(({ organisation }) => organisation)).toEqual([SYD.number]);
    expect(await readWaiting(engine)).toBe(1);
    return engine;
  }

  it.each(cases)('%s: check and start-up name it, it is stopped, and the other runs', async (_, why, wrong) => {
    await make();
    const issued = await wrong();
    const engine = await runWith(issued);
    const complaint = await engine.seen('certificate-unusable');
    expect(complaint).toMatchObject({ level: 'error', party: NORD.id });
    expect(`${complaint.file} ${complaint.detail}`).toMatch(/pki\/region-nord\.(crt|key)/);
    expect(complaint.detail).toMatch(why);

    const check = spawnSluss(['check', '-c', site.configFile, '--json']);
    expect((await check.ended).code).toBe(2);
    const { errors } = JSON.parse(check.output()) as { errors: string[] };
    expect(errors).toEqual([expect.stringMatching(why)]);
    expect(errors[0]).toMatch(/region-nord.*pki\/region-nord\.(crt|key)/);
  });

  it('goes on without a restart once the right certificate is put in its place', async () => {
    await make();
    const engine = await runWith(await issue({ organisationNumber: SYD.number }));
    site.certify(NORD.id, await issue({ organisationNumber: NORD.number }));
    await engine.seen('party-resumed', ({ party }) => party === NORD.id);
    await engine.seen('delivery-delivered', ({ party }) => party === NORD.id);
    const { ledger } = site.standIn;
    expect(ledger.entries().map(({ organisation }) => organisation)).toEqual([SYD.number, NORD.number]);
    expect(ledger.crossed()).toEqual([]);
    expect((await engine.stop()).code).toBe(0);
  });
});
