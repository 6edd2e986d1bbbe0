import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, it } from 'vitest';
import { frameMessage } from '../../src/hl7/mllp.ts';
import { parseAck } from '../../src/hl7/parse-ack.ts';
import { settled } from './crash-run.ts';
import type { EngineProcess } from './engine-process.ts';
import { testMessage } from './message.ts';
import { connectPeer } from './mllp-peer.ts';
import { meddle, mountSmallDisk, type SmallDisk } from './outside.ts';
import { makeSite, type Site } from './site.ts';

let site: Site;
let disk: SmallDisk | null = null;
afterEach(async () => {
  await site[Symbol.asyncDispose]();
  disk?.[Symbol.dispose]();
  disk = null;
});

const message = (controlId: string) => testMessage({ controlId, person: 70_000, results: [controlId] });

async function healthOf(engine: EngineProcess): Promise<number> {
  return (await fetch(`${await engine.consoleUrl()}/health`)).status;
}

/** Sends until one is not taken; what was taken, and the answer that was not AA. */
async function sendUntilRefused(prefix: string, most: number) {
  using peer = await connectPeer(await site.port('lab-nord'));
  const taken: string[] = [];
  for (let index = 0; index < most; index += 1) {
    const controlId = `${prefix}${index}`;
    const ack = await peer.exchange(message(controlId));
    expect(ack?.controlId).toBe(controlId);
    if (ack?.code !== 'AA') return { taken, refused: { controlId, ack } };
    taken.push(controlId);
  }
  return { taken, refused: null };
}

async function send(controlId: string): Promise<string | undefined> {
  using peer = await connectPeer(await site.port('lab-nord'));
  return (await peer.exchange(message(controlId)))?.code;
}

/** What was taken is in the journal and at the service, once. */
function expectKept(journalFile: string, taken: readonly string[]): void {
  const db = new Database(journalFile, { readonly: true });
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    const known = db.prepare("select control_id from messages where state = 'mapped'").pluck().all();
    expect(known.toSorted()).toEqual([...taken].sort());
  } finally {
    db.close();
  }
  expect(site.standIn.ledger.certificates()).toBe(taken.length);
}

describe('a disk that is full', { timeout: 120_000 }, () => {
  it('makes the sender hear AR, keeps what was taken, and is forgotten as soon as there is room', async () => {
    disk = mountSmallDisk(8);
    site = await makeSite();
    if (disk === null) return;
    const journalFile = join(disk.folder, 'journal.db');
    site.configure((text) => text.replace('journal: journal.db', `journal: { file: ${journalFile}, reserve: 0 }`));
    const engine = await site.start();
    expect(await send('BEFORE')).toBe('AA');
    const empty = disk.fill();
    const { taken, refused } = await sendUntilRefused('FULL', 2_000);
    expect(refused?.ack).toMatchObject({ code: 'AR', errors: [{ applicationCode: 'journal-failed' }] });
    await engine.seen('message-not-stored');
    expect(await healthOf(engine)).toBe(503);

    empty();
    expect(await send(refused?.controlId ?? '')).toBe('AA');
    expect(await healthOf(engine)).toBe(200);
    await settled(engine, site);
    expect((await engine.stop()).code).toBe(0);
    expectKept(journalFile, ['BEFORE', ...taken, refused?.controlId ?? '']);
  });
});

describe('a disk that became read-only', { timeout: 120_000 }, () => {
  it('keeps the engine from starting, in words; it goes on once it may write again', async () => {
    disk = mountSmallDisk(16);
    site = await makeSite();
    if (disk === null) return;
    const journalFile = join(disk.folder, 'journal.db');
    site.configure((text) => text.replace('journal: journal.db', `journal: { file: ${journalFile}, reserve: 0 }`));
    const first = await site.start();
    expect(await send('BEFORE')).toBe('AA');
    expect((await first.stop()).code).toBe(0);

    disk.setReadOnly(true);
    const second = site.launch();
    expect((await second.ended).code).not.toBe(0);
    expect(second.errors()).toMatch(/journal/);
    expect(second.errors()).toMatch(/read-only|EROFS|readonly/i);
    expect(second.errors()).not.toMatch(/\n\s+at /);

    disk.setReadOnly(false);
    const third = await site.start();
    expect(await send('AFTER')).toBe('AA');
    await settled(third, site);
    expect((await third.stop()).code).toBe(0);
    expectKept(journalFile, ['BEFORE', 'AFTER']);
  });

  it.each([
    ['write', 'pwrite64', 'error=EROFS'],
    ['sync', 'fsync,fdatasync', 'error=EIO'],
  ])('or cannot %s, under a running engine: AR and 503 as long as it lasts, nothing lost', async (_, calls, what) => {
    site = await makeSite();
    const engine = await site.start();
    expect(await send('BEFORE')).toBe('AA');
    await settled(engine, site);
    const meddling = await meddle(engine.pid, calls, what);
    if (meddling === null) return;
    expect(await send('DURING')).toBe('AR');
    expect(meddling.count()).toBeGreaterThan(0);
    await engine.seen('message-not-stored');
    expect(await healthOf(engine)).toBe(503);
    await meddling[Symbol.asyncDispose]();

    expect(await send('DURING')).toBe('AA');
    expect(await healthOf(engine)).toBe(200);
    await settled(engine, site);
    expect((await engine.stop()).code).toBe(0);
    expectKept(site.journalFile, ['BEFORE', 'DURING']);
  });
});

describe('a disk that takes its time', { timeout: 120_000 }, () => {
  it('slows answers down and loses none: no AA before its sync, in order, and many messages a sync', async () => {
    site = await makeSite({ target: ['concurrency: 16'] });
    const engine = await site.start();
    const meddling = await meddle(engine.pid, 'fsync,fdatasync', 'delay_enter=200000');
    if (meddling === null) return;
    const [peers, each] = [4, 30];
    const ids = await Promise.all(
      Array.from({ length: peers }, async (_, sender) => {
        using peer = await connectPeer(await site.port('lab-nord'));
        const mine = Array.from({ length: each }, (__, index) => `SLOW${sender}-${index}`);
        for (const [index, controlId] of mine.entries()) {
          const person = 71_000 + sender * 100 + index;
          peer.socket.write(frameMessage(testMessage({ controlId, person, results: [controlId] })));
        }
        const acks = (await peer.answered(each)).map((answer) => parseAck(answer));
        expect(acks.map((ack) => `${ack?.code} ${ack?.controlId}`)).toEqual(mine.map((id) => `AA ${id}`));
        return mine;
      }),
    );
    // Killed in the middle of a sync: what was answered is there all the same.
    expect(meddling.count()).toBeGreaterThan(0);
    expect(meddling.count()).toBeLessThan(peers * each);
    await engine.kill();
    await meddling[Symbol.asyncDispose]();
    const second = await site.start();
    await settled(second, site);
    expect((await second.stop()).code).toBe(0);
    expectKept(site.journalFile, ids.flat());
  });
});
