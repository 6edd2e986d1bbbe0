import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readOperator } from '../../src/cli/operator.ts';
import { readTime } from '../../src/cli/search.ts';
import type { Admission, Journal, Outcome, OutcomeDraft } from '../../src/contracts/journal.ts';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { runCommand } from './kit.ts';

const AT = Date.UTC(2026, 10, 22, 3);

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluss-operator-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = () => join(folder, 'journal.db');
const sluss = (...args: string[]) => runCommand([...args, '--journal', file()]).done;

/** A journal with messages that hold a name, one an hour. */
async function store(count: number, more: (journal: Journal) => Promise<unknown> = async () => {}) {
  const journal = await openSqliteJournal({ path: file(), now: AT });
  for (let index = 0; index < count; index++) {
    const bytes = Buffer.from(`MSH|^~\\&|${index}\rPID|1||||Berg^Alva\r`);
    const fault = { code: 'code-unmapped', at: 'OBX[1]-3', where: 'm.yaml:1:1', detail: 'table tests' } as const;
    await journal.admit({
      channel: index % 2 === 0 ? 'lab-nord' : 'a-channel-with-a-long-name',
      bytes,
      contentHash: createHash('sha256').update(bytes).digest('hex'),
      controlId: `MSG-\x1b[31m-${index}-and-a-long-tail`,
      origin: 'test',
      sender: null,
      receivedAt: AT + index * 3_600_000,
      owesAck: false,
      outcome: {
        state: 'held',
        mappingVersion: 'v1',
        statements: [],
        drafts: [],
        skipped: [],
        faults: [fault],
        provides: [],
        warnings: [],
      },
    });
  }
  await more(journal);
  await journal.close();
}

describe('sluss list', () => {
  it('fits 100 columns, and brings no escape sequence of a message to the terminal', async () => {
    await store(3);
    const { code, out, err } = await sluss('list');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out.split('\n')).toHaveLength(4);
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(out).not.toContain('\x1b');
    expect(out).not.toContain('Berg');
  });

  it('goes on where it ended, and says how far a search came', async () => {
    await store(5);
    const first = await sluss('list', '--limit', '2');
    const [, mark = ''] = /there is more: --after (\S+)/.exec(first.err) ?? [];
    const rest = JSON.parse((await sluss('list', '--after', mark, '--json')).out);
    expect(rest.messages.map(({ id }: { id: number }) => id)).toEqual([3, 2, 1]);
    expect(rest.next).toBeNull();
    const found = await sluss('list', '--text', 'Berg^Alva', '--channel', 'lab-nord', '--limit', '1');
    expect(found.out).toContain('       5  2026-11-22 07:00:00  lab-nord');
    expect((await sluss('list', '--text', 'nobody')).out).toBe('nothing found');
    expect((await sluss('list', '--from', '2026-11-22T04:00', '--to', '2026-11-22T06:00', '--json')).out).toMatch(
      /"id": 3[\s\S]*"id": 2/,
    );
  });

  it('says so where it cannot understand a condition, or there is no journal', async () => {
    for (const args of [
      ['--from', 'yesterday'],
      ['--fault', 'none-such'],
      ['--state', 'odd'],
      ['--limit', '0'],
    ])
      expect((await sluss('list', ...args)).code).toBe(1);
    const { code, err } = await sluss('list');
    expect(code).toBe(1);
    expect(err).toContain('cannot be read');
  });
});

describe('sluss show', () => {
  it('shows what a message says only where that is asked for', async () => {
    await store(1);
    const { out } = await sluss('show', '1');
    expect(out).toContain('code-unmapped (table tests, OBX[1]-3, m.yaml:1:1)');
    expect(out).not.toContain('Berg');
    expect((await sluss('show', '1', '--bytes')).out).toContain('PID|1||||Berg^Alva');
    expect((await sluss('show', '1', '--json')).out).not.toContain(Buffer.from('MSH').toString('base64'));
    expect((await sluss('show', '1', '--json', '--bytes')).out).toContain(Buffer.from('MSH').toString('base64'));
    expect(await sluss('show', '2')).toMatchObject({ code: 1, err: 'there is no message 2' });
  });
});

describe('what lacks a request', () => {
  const admission = (text: string, outcome: Partial<Outcome>): Admission => {
    const bytes = Buffer.from(text);
    const contentHash = createHash('sha256').update(bytes).digest('hex');
    const nothing = { statements: [], drafts: [], skipped: [], provides: [], faults: [], warnings: [] };
    return {
      ...{ channel: 'lab-nord', bytes, contentHash, controlId: text, origin: 'test', sender: null, receivedAt: AT },
      owesAck: false,
      outcome: { state: 'skipped', mappingVersion: 'v1', ...nothing, ...outcome },
    };
  };
  const draft: OutcomeDraft = {
    ...{ resultKey: 'r', target: 'covidbevis', operation: 'test-certificate', party: 'nord', laneKey: 'l' },
    ...{ body: Buffer.from('{}'), notBefore: null, notAfter: null, once: null, waived: null, flaw: null, held: null },
    ...{ needs: { key: 'k', reason: 'not-requested' }, inDoubt: 'repeat', onCorrection: 'hold' },
  };

  it('is listed with what it lacks, and shown with the message that brought it', async () => {
    await store(2, async (journal) => {
      await journal.admit(admission('result', { drafts: [draft] }));
    });
    const listed = await sluss('list', '--lacking');
    expect(listed.out.split('\n')).toHaveLength(2);
    expect(listed.out).toMatch(/ 3 .*skipped {3}1 cancelled; lacking: not-requested$/);
    expect((await sluss('show', '3')).out).toMatch(/needs {8}nothing has provided it \(not-requested\)/);
    await store(0, async (journal) => {
      await journal.admit(admission('request', { state: 'mapped', provides: ['k'] }));
    });
    expect((await sluss('list', '--lacking')).out).toBe('nothing found');
    expect((await sluss('show', '3')).out).toMatch(/needs {8}provided by message 4, 2026-11-22 03:00:00/);
  });
});

describe('acts on many', () => {
  it('are counted first, and need either ids or everything that is held', async () => {
    await store(3);
    const counted = await sluss('cancel', '--all-held', '--channel', 'lab-nord', '--why', 'x');
    expect(counted).toMatchObject({ code: 0 });
    expect(counted.out).toBe(
      '       2  lab-nord         code-unmapped\n2 messages of which something is held\nNothing was done; --yes does it.',
    );
    expect((await sluss('cancel', '--why', 'x')).err).toContain('which ones?');
    expect((await sluss('cancel', '1', '--all-held', '--why', 'x')).err).toContain('which ones?');
    expect((await sluss('cancel', '1', '--channel', 'lab-nord', '--why', 'x')).err).toContain('go with --all-held');
    expect((await sluss('cancel', 'x1', '--why', 'x')).err).toContain('A message is 17, a delivery d42.');
    expect((await sluss('cancel', '1')).err).toContain('--why');
    expect((await sluss('cancel', '1', '--why', 'y'.repeat(201))).err).toContain('200 is the most');
  });
});

describe('sluss backup', () => {
  it('makes a copy that can be read, and removes what cannot be one', async () => {
    await store(3);
    const copy = join(folder, 'copy.db');
    const { messages, deliveries } = JSON.parse((await sluss('backup', copy, '--json')).out);
    expect([messages, deliveries]).toEqual([3, 0]);
    expect((await runCommand(['list', '--journal', copy]).done).out.split('\n')).toHaveLength(4);
    const nowhere = await sluss('backup', join(folder, 'none/copy.db'));
    expect([nowhere.code, nowhere.out]).toEqual([1, '']);
  });
});

describe('what is asked on a command line', () => {
  it('reads times as UTC, with an offset, or as so long ago', () => {
    expect(readTime('2026-11-22')).toBe(Date.UTC(2026, 10, 22));
    expect(readTime('2026-11-22T08:30')).toBe(Date.UTC(2026, 10, 22, 8, 30));
    expect(readTime('2026-11-22 08:30:05')).toBe(Date.UTC(2026, 10, 22, 8, 30, 5));
    expect(readTime('2026-11-22T08:30+01:00')).toBe(Date.UTC(2026, 10, 22, 7, 30));
    const ago = Date.now() - readTime('2h');
    expect(Math.abs(ago - 7_200_000)).toBeLessThan(60_000);
    for (const wrong of ['2026-13-01', 'now', '2 h', '']) expect(() => readTime(wrong)).toThrow();
  });

  it('knows the person behind sudo', () => {
    const options = { config: 'sluss.yaml' };
    expect(readOperator(options, { env: { SUDO_USER: 'alva' } })).toEqual({ by: 'alva', note: null });
    expect(readOperator({ ...options, by: 'bo', why: 'so' }, { env: { SUDO_USER: 'alva' } })).toEqual({
      by: 'bo',
      note: 'so',
    });
    expect(readOperator(options, { env: {} }).by).not.toBe('');
  });
});
