import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { readWaiting, settled } from './crash-run.ts';
import type { EngineProcess } from './engine-process.ts';
import { testMessage } from './message.ts';
import { connectPeer } from './mllp-peer.ts';
import { hideHosts } from './outside.ts';
import { makeSite, NORD, type Site, type SiteOptions, SYD } from './site.ts';
import { createTcpProxy, type Passage, type TcpProxy } from './tcp-proxy.ts';

let site: Site;
let proxy: TcpProxy;
afterEach(async () => {
  await site[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
});

/** An installation whose receiver lies behind a stretch of network. */
async function makeBehind(passage: (port: number) => () => Passage, options: SiteOptions = {}): Promise<void> {
  site = await makeSite({ target: ['timeout: 1s'], ...options });
  const port = Number(new URL(site.standIn.url).port);
  proxy = await createTcpProxy(passage(port));
  site.configure((text) => text.replace(`localhost:${port}`, `localhost:${proxy.port}`));
}

async function send(controlId: string, person = 80_000, party: typeof NORD | typeof SYD = NORD) {
  using peer = await connectPeer(await site.port(party === NORD ? 'lab-nord' : 'lab-syd'));
  const ack = await peer.exchange(testMessage({ controlId, person, results: [controlId], party }));
  expect(ack).toMatchObject({ code: 'AA', controlId });
}

/** All is delivered, one certificate a result, however often it was asked for. */
async function expectDelivered(engine: EngineProcess, count: number): Promise<void> {
  await settled(engine, site);
  expect(site.standIn.ledger.certificates()).toBe(count);
  expect((await engine.stop()).code).toBe(0);
  expect(site.standIn.ledger.crossed()).toEqual([]);
}

describe('a receiver', { timeout: 120_000 }, () => {
  it('that takes connections and says nothing makes results wait, and nobody else', async () => {
    let isHole = true;
    await makeBehind((port) => () => (isHole ? { kind: 'hole' } : { kind: 'pass', port }));
    const engine = await site.start();
    await send('HOLE1');
    await engine.seen('delivery-retry', ({ fault }) => fault === 'target-timeout' || fault === 'target-unreachable');
    // Whoever sends meanwhile is answered as ever.
    await send('HOLE2');
    expect(await readWaiting(engine)).toBe(2);
    isHole = false;
    await expectDelivered(engine, 2);
  });

  it.each(['request', 'answer'] as const)(
    'whose connections break within the %s, at every point of it, gets each result once',
    async (of) => {
      // Each attempt comes a little further: handshake, head, body.
      let bytes = 0;
      await makeBehind((port) => () => {
        bytes += 350;
        return { kind: 'cut', port, of, bytes };
      });
      const engine = await site.start();
      await send('CUT1');
      await engine.seen('delivery-delivered');
      expect(proxy.connections).toBeGreaterThan(3);
      const { ledger } = site.standIn;
      // Where the answer was lost it had been issued; it is asked for again under the same identifier.
      expect(ledger.countsByIdentifier().size).toBe(1);
      bytes = 1 << 30;
      await expectDelivered(engine, 1);
    },
  );

  it('that declares another length than it sends: what is cut short is asked for again, what cannot be read is kept', async () => {
    let passage: Passage = { kind: 'hole' };
    await makeBehind(() => () => passage);
    const server = await site.authority.issueServer({ names: ['localhost'] });
    const lengths = [10_000, 20];
    let asked = 0;
    const body = JSON.stringify({ note: 'an answer of a length that is not as declared' });
    const wrong = createServer({ ...server, ca: site.authority.cert, requestCert: true }, (request, response) => {
      asked += 1;
      const length = lengths.shift() ?? body.length;
      request.resume().once('end', () => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': length });
        response.write(body, () => response.socket?.end());
      });
    });
    await new Promise<void>((resolve) => wrong.listen(0, '127.0.0.1', resolve));
    try {
      passage = { kind: 'pass', port: (wrong.address() as AddressInfo).port };
      const engine = await site.start();
      await send('LENGTH');
      // Too little came: nobody knows what the receiver did, so the same is asked for again.
      await engine.seen('delivery-retry');
      // Half an answer that claims to be whole: it was taken, that is believed, and said.
      const line = await engine.seen('delivery-delivered');
      expect(line.fault).toBe('answer-unreadable');
      expect(asked).toBe(2);
      expect((await engine.stop()).code).toBe(0);
    } finally {
      wrong.closeAllConnections();
      wrong.close();
    }
  });

  it('whose name cannot be found is waited for, and found when the name is back', async () => {
    const hosts = hideHosts();
    await makeBehind((port) => () => ({ kind: 'pass', port }), hosts === null ? {} : { through: hosts.through });
    if (hosts === null) return;
    using _ = hosts;
    hosts.hide();
    const engine = await site.start();
    await send('DNS');
    await engine.seen('delivery-retry', ({ fault }) => fault === 'target-unreachable');
    expect(proxy.connections).toBe(0);
    hosts.show();
    await expectDelivered(engine, 1);
  });
});

describe('a certificate that is swapped while requests are under way', { timeout: 120_000 }, () => {
  it('is used from then on; nothing fails, is doubled or leaves under another party’s', async () => {
    await makeBehind((port) => () => ({ kind: 'pass', port }), {
      service: { faults: [{ fault: { kind: 'delay', delayMs: 20 } }] },
    });
    const engine = await site.start();
    const each = 60;
    const sending = [NORD, SYD].map(async (party, side) => {
      for (let index = 0; index < each; index += 1) {
        await send(`SWAP${side}-${index}`, 81_000 + side * 100 + index, party);
        if (party === NORD && index === each / 2) {
          site.certify(
            NORD.id,
            await site.authority.issueClient({ organisation: NORD.name, organisationNumber: NORD.number }),
          );
          await engine.seen('certificate-renewed', (line) => line.party === NORD.id);
        }
      }
    });
    await Promise.all(sending);
    await settled(engine, site);
    expect(engine.lines.filter(({ event }) => event === 'delivery-retry')).toEqual([]);
    await expectDelivered(engine, 2 * each);
    const organisations = site.standIn.ledger.entries().map(({ organisation }) => organisation);
    expect(organisations.filter((number) => number === NORD.number)).toHaveLength(each);
  });
});
