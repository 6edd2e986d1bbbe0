import { afterEach, describe, expect, it } from 'vitest';
import { createConsole } from '../../src/console/console.ts';
import { METRICS } from '../../src/console/metrics.ts';
import type { Alarm } from '../../src/contracts/alarm.ts';
import type { Overview } from '../../src/contracts/journal.ts';
import type { Status } from '../../src/contracts/status.ts';
import { createManualClock } from '../engine/kit.ts';

const clock = createManualClock();
const DAY_MS = 86_400_000;
const party = { id: 'nord', name: 'Region Nord', organisationNumber: '2321000016' };
const alarm: Alarm = {
  name: 'feed-quiet',
  subject: { channel: 'lab', target: null, party: null, operation: null, address: null },
  severity: 'warning',
  since: clock.now(),
  fields: {},
};
const overview: Overview = {
  messages: [{ channel: 'lab', state: 'mapped', count: 7 }],
  deliveries: [{ target: 'covid', party: 'nord', state: 'waiting', count: 3 }],
  oldestWaitingAt: clock.now() - 90_000,
  owedAcks: [{ channel: 'lab', count: 2, oldestAt: clock.now() }],
  oldestHeldAt: null,
};

function statusWith(more: Partial<Status> = {}): Status {
  return {
    problem: () => null,
    isReady: () => true,
    disk: () => ({ hasRoom: true, freeBytes: 5_000_000 }),
    version: '1.2.3',
    mappingVersion: () => 'abcdef',
    mappingProblem: () => null,
    configurationProblem: () => null,
    overview: async () => overview,
    parties: () => [{ party, fault: null, validTo: clock.now() + 30 * DAY_MS }],
    sources: () => [],
    counters: () => ({
      messages: new Map([['lab mapped', 2]]),
      answers: new Map([['lab AA', 2]]),
      attempts: new Map([['covid nord delivered', 1]]),
      faults: new Map([['not-hl7', 1]]),
      warnings: new Map([['field-type', 3]]),
      unkept: new Map([['lab', 4]]),
    }),
    alarms: () => [alarm],
    pauses: () => [{ target: 'covid', party: null, operation: null }],
    ...more,
  };
}

let stop = async () => {};
afterEach(() => stop());

async function open(status: Status) {
  const made = createConsole({ host: '127.0.0.1', port: 0, status, clock });
  stop = () => made.stop();
  const address = await made.start();
  return async (path: string, method = 'GET') => {
    const response = await fetch(address + path, { method });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
}

describe('the console', () => {
  it('says that it works', async () => {
    const get = await open(statusWith());
    expect(await get('/health')).toMatchObject({ status: 200, text: '{"status":"ok","problem":null}' });
    expect(await get('/ready')).toMatchObject({ status: 200, text: '{"ready":true,"problem":null}' });
  });

  it('says why it does not, and when it is not ready', async () => {
    const get = await open(statusWith({ problem: () => 'the journal cannot be written', isReady: () => false }));
    expect(await get('/health')).toMatchObject({ status: 503 });
    expect((await get('/health')).text).toContain('the journal cannot be written');
    expect(await get('/ready')).toMatchObject({ status: 503 });
    expect(await get('/live')).toMatchObject({ status: 200, text: '{"alive":true}' });
    await stop();
    const full = await open(statusWith({ isReady: () => false, disk: () => ({ hasRoom: false, freeBytes: 9 }) }));
    const text = '{"ready":false,"problem":"the disk of the journal is nearly full"}';
    expect(await full('/ready')).toMatchObject({ status: 503, text });
    expect((await full('/metrics')).text).toContain('\nsluss_disk_low 1\n');
  });

  it('has every metric of its table, with what the status says', async () => {
    const get = await open(statusWith());
    await get('/metrics');
    const { text, headers } = await get('/metrics');
    expect(headers.get('content-type')).toContain('text/plain; version=0.0.4');
    for (const name of Object.keys(METRICS)) expect(text).toMatch(new RegExp(`^${name}[{ ]`, 'm'));
    expect(text).toContain('sluss_messages_total{channel="lab",state="mapped"} 2\n');
    expect(text).toContain('sluss_attempts_total{target="covid",party="nord",outcome="delivered"} 1\n');
    expect(text).toContain('sluss_stored_deliveries{target="covid",party="nord",state="waiting"} 3\n');
    expect(text).toContain('sluss_oldest_waiting_seconds 90\n');
    expect(text).toContain('sluss_oldest_held_seconds 0\n');
    expect(text).toContain('sluss_certificate_days_left{party="nord"} 30\n');
    expect(text).toContain('sluss_paused{target="covid",party="",operation=""} 1\n');
    expect(text).toContain('sluss_journal_up 1\n');
    expect(text).toContain('sluss_unkept_messages_total{channel="lab"} 4\n');
    expect(text).toContain('sluss_alarm{name="feed-quiet",severity="warning",channel="lab",');
    expect(text).toContain('nodejs_eventloop_lag_seconds');
  });

  it('answers a scrape while the journal cannot be read', async () => {
    const get = await open(statusWith({ overview: () => Promise.reject(new Error('no')) }));
    const { status, text } = await get('/metrics');
    expect(status).toBe(200);
    expect(text).toContain('sluss_journal_up 0\n');
    expect(text).toContain('sluss_messages_total');
  });

  it('has no other routes, and repeats nothing of what it was asked', async () => {
    const get = await open(statusWith());
    for (const [path, method] of [
      ['/', 'GET'],
      ['/metrics', 'POST'],
      ['/191212121212?name=Anna', 'GET'],
      ['/%zz', 'GET'],
    ] as const) {
      const answer = await get(path, method);
      expect([400, 404]).toContain(answer.status);
      expect(answer.text).not.toMatch(/191212|Anna|zz/);
    }
  });

  it('sends headers that keep browsers out of trouble', async () => {
    const get = await open(statusWith());
    for (const path of ['/health', '/none']) {
      const { headers } = await get(path);
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('server')).toBeNull();
    }
  });
});
