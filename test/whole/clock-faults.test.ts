import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { settled } from './crash-run.ts';
import { type EngineProcess, within } from './engine-process.ts';
import { personHash, testMessage } from './message.ts';
import { connectPeer } from './mllp-peer.ts';
import { makeSite, NORD, type Site } from './site.ts';

const HOUR_MS = 3_600_000;

let site: Site;
afterEach(async () => {
  await site[Symbol.asyncDispose]();
});

/**
 * Starts the engine with a wall clock that can be set: nobody may set the machine's, so what is set is what the process
 * reads. Its timers go on as they do when a machine's clock is set.
 */
async function startWithClock(startAt: number | null, environment: readonly string[] = []) {
  const shiftFile = join(site.folder, 'shift');
  const preload = join(site.folder, 'clock.cjs');
  writeFileSync(shiftFile, String(startAt === null ? 0 : startAt - Date.now()));
  writeFileSync(
    preload,
    `const { readFileSync } = require('node:fs');
     const now = Date.now.bind(Date);
     let shift = 0;
     const read = () => { shift = Number(readFileSync(${JSON.stringify(shiftFile)}, 'utf8')); };
     read();
     Date.now = () => now() + shift;
     process.on('SIGUSR2', () => { read(); process.stdout.write('{"event":"clock-set"}\\n'); });
     ${environment.join('\n')}`,
  );
  const engine = site.launch(['--require', preload]);
  await engine.seen('engine-started');
  let times = 0;
  return {
    engine,
    async setBy(shiftMs: number) {
      writeFileSync(shiftFile, String(shiftMs));
      process.kill(engine.pid, 'SIGUSR2');
      times += 1;
      await engine.seen('clock-set', undefined, times);
    },
  };
}

async function send(controlId: string, person: number): Promise<void> {
  using peer = await connectPeer(await site.port('lab-nord'));
  const ack = await peer.exchange(testMessage({ controlId, person, results: [controlId] }));
  expect(ack).toMatchObject({ code: 'AA', controlId });
}

describe('a clock that is set', { timeout: 120_000 }, () => {
  it.each([
    ['forward', HOUR_MS],
    ['back', -HOUR_MS],
  ])('an hour %s neither loses, doubles nor reorders anything, and holds nothing up', async (_, shiftMs) => {
    site = await makeSite();
    const { faults, ledger } = site.standIn;
    faults.add({ fault: { kind: 'status', status: 503 } });
    const { engine, setBy } = await startWithClock(null);
    const person = 90_000;
    for (const id of ['T1', 'T2']) await send(id, person);
    await engine.seen('delivery-retry');
    await setBy(shiftMs);
    for (const id of ['T3', 'T4']) await send(id, person);
    faults.clear();
    await within(20_000, ledger.waitFor(4), () => 'the deliveries, which a set clock must not hold up');
    await settled(engine, site);
    expect(ledger.order(personHash(person))).toHaveLength(4);
    expect(ledger.certificates()).toBe(4);
    expect(deliveredMessages(engine)).toEqual([1, 2, 3, 4]);
    expect((await engine.stop()).code).toBe(0);
  });
});

describe('the night on which the clocks of Sweden are changed', { timeout: 120_000 }, () => {
  it('is like any other: the engine counts in UTC, in whatever zone its process runs', async () => {
    site = await makeSite();
    const switchAt = nextSwitch(Date.now());
    const issued = { organisation: NORD.name, organisationNumber: NORD.number, validTo: switchAt + 30 * 24 * HOUR_MS };
    site.certify(NORD.id, await site.authority.issueClient(issued));
    const { engine, setBy } = await startWithClock(switchAt - 2 * HOUR_MS, ["process.env.TZ = 'Europe/Stockholm';"]);
    const person = 91_000;
    await send('N1', person);
    // From just before the change to just behind it.
    await setBy(switchAt - 500 - Date.now());
    for (let index = 2; index <= 6; index += 1) await send(`N${index}`, person);
    await setBy(switchAt + HOUR_MS - Date.now());
    await send('N7', person);
    await settled(engine, site);
    expect(deliveredMessages(engine)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    const times = engine.lines.map(({ time }) => String(time)).filter((time) => /^\d{4}-.*Z$/.test(time));
    expect(times.length).toBeGreaterThan(10);
    expect(times).toEqual(times.toSorted());
    expect(Date.parse(times.at(-1) ?? '')).toBeGreaterThanOrEqual(switchAt + HOUR_MS);
    expect((await engine.stop()).code).toBe(0);
  });
});

/** The last Sunday of March or October, 01:00 UTC, after a moment. */
function nextSwitch(after: number): number {
  const year = new Date(after).getUTCFullYear();
  const switches = [year, year + 1].flatMap((one) =>
    [2, 9].map((month) => {
      const last = new Date(Date.UTC(one, month, 31, 1));
      return last.getTime() - last.getUTCDay() * 86_400_000;
    }),
  );
  return switches.find((at) => at > after + 86_400_000) ?? after;
}

function deliveredMessages(engine: EngineProcess): unknown[] {
  return engine.lines.filter(({ event }) => event === 'delivery-delivered').map(({ messageId }) => messageId);
}
