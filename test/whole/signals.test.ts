import { afterEach, describe, expect, it } from 'vitest';
import { settled } from './crash-run.ts';
import type { EngineProcess } from './engine-process.ts';
import { testMessage } from './message.ts';
import { connectPeer } from './mllp-peer.ts';
import { makeSite, type Site, type SiteOptions } from './site.ts';

let site: Site;
async function make(options?: SiteOptions): Promise<Site> {
  site = await makeSite(options);
  return site;
}
afterEach(async () => {
  await site[Symbol.asyncDispose]();
});

const withGrace = (grace: string) => site.configure((text) => `${text}engine: { grace: ${grace} }\n`);
/** The attempt itself would go on for an hour. */
const stalled: SiteOptions = {
  service: { faults: [{ fault: { kind: 'stall' }, times: 1 }] },
  target: ['timeout: 1h'],
};

/** Sends a message whose attempt hangs; resolves once it does. */
async function hangOne(engine: EngineProcess): Promise<void> {
  using peer = await connectPeer(await site.port('lab-nord'));
  expect((await peer.exchange(testMessage({ controlId: 'H', person: 1, results: ['H'] })))?.code).toBe('AA');
  await site.standIn.ledger.waitFor(1).catch(() => {});
  expect(engine.hasEnded()).toBe(false);
}

async function deliverNext(): Promise<void> {
  const next = await site.start();
  await settled(next, site);
  expect((await next.stop()).code).toBe(0);
  // Whether or not the first attempt arrived, there is one certificate.
  expect(site.standIn.ledger.certificates()).toBe(1);
}

describe('SIGTERM', { timeout: 120_000 }, () => {
  it('gives attempts the time of grace, then aborts them; the next engine sends them again', async () => {
    await make(stalled);
    withGrace('300ms');
    const engine = await site.start();
    await hangOne(engine);
    expect(await engine.stop()).toEqual({ code: 0, signal: null });
    expect(engine.lines.some(({ event }) => event === 'engine-stopped')).toBe(true);
    await deliverNext();
  });

  it('a second time ends it at once, whatever the grace, and loses nothing', async () => {
    await make(stalled);
    withGrace('1h');
    const engine = await site.start();
    await hangOne(engine);
    process.kill(engine.pid, 'SIGTERM');
    while (!engine.errors().includes('stopping')) await new Promise((resolve) => setImmediate(resolve));
    process.kill(engine.pid, 'SIGTERM');
    expect(await engine.ended).toEqual({ code: 1, signal: null });
    await deliverNext();
  });
});

describe('SIGHUP', { timeout: 120_000 }, () => {
  it('has the configuration read again, mistakes told, and no connection dropped', async () => {
    await make();
    const engine = await site.start();
    using peer = await connectPeer(await site.port('lab-nord'));
    process.kill(engine.pid, 'SIGHUP');
    expect(await engine.seen('configuration-in-force')).toMatchObject({ detail: 'nothing opened, closed or replaced' });

    site.configure((text) =>
      text.replace('port: 0 }\nparties', 'port: 0, hst: x }\nparties').replace('kind: folder', 'kind: foldr'),
    );
    process.kill(engine.pid, 'SIGHUP');
    expect(await engine.seen('configuration-refused')).toMatchObject({
      where: expect.stringMatching(/sluss\.yaml:\d+:\d+$/),
    });
    site.configure((text) => text.replace('hst: x', 'host: 127.0.0.1').replace('kind: foldr', 'kind: folder'));
    site.configure((text) => text.replace(', host: 127.0.0.1 }', ' }'));
    process.kill(engine.pid, 'SIGHUP');
    await engine.seen('configuration-in-force', undefined, 2);
    const answer = await peer.exchange(testMessage({ controlId: 'S', person: 1, results: ['S'] }));
    expect(answer?.code).toBe('AA');
    expect((await engine.stop()).code).toBe(0);
  });
});
