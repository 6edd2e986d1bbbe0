import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Control, createControl } from '../../src/console/control.ts';
import { Fault } from '../../src/contracts/fault.ts';
import { MAX_NOTE_LENGTH, type Operations } from '../../src/contracts/operations.ts';

let folder = '';
let control: Control | null = null;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluss-control-'));
});
afterEach(async () => {
  await control?.stop();
  control = null;
  rmSync(folder, { recursive: true });
});

const status = { version: '1.2.3', mappingVersion: () => 'abc', isReady: () => true };
const path = () => join(folder, 'journal.db.sock');

async function open(operations: Partial<Operations> = {}, makeWay = () => {}) {
  control = createControl({ path: path(), makeWay, operations: operations as Operations, status });
  await control.start();
}

function post(
  call: string,
  body: unknown,
  method = 'POST',
): Promise<{ status: number; answer: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const asked = request({ socketPath: path(), path: `/v1/${call}`, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, answer: JSON.parse(text) }));
    });
    asked.on('error', reject);
    asked.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
}

describe('the control socket', () => {
  it('is its owner’s alone, whatever the umask, and is gone after a stop', async () => {
    const before = process.umask(0);
    try {
      await open();
    } finally {
      expect(process.umask(before)).toBe(0);
    }
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    await control?.stop();
    expect(statSync(path(), { throwIfNoEntry: false })).toBeUndefined();
  });

  it('takes calls with what they need, and gives bytes as base64', async () => {
    const calls: unknown[] = [];
    await open({
      release: async (...args) => {
        calls.push(args);
        return [{ messageId: 1, deliveryId: 2, result: 'released', overtakenBy: null }];
      },
      show: async () => ({ message: { bytes: Buffer.from('MSH') }, deliveries: [], history: [] }) as never,
    });
    expect(await post('status', {})).toMatchObject({ status: 200, answer: { result: { mappingVersion: 'abc' } } });
    const done = await post('release', { things: [{ delivery: 2 }, { message: 1 }], by: 'alva', note: 'so' });
    expect(done).toMatchObject({ status: 200, answer: { result: [{ result: 'released' }] } });
    expect(calls).toEqual([[[{ delivery: 2 }, { message: 1 }], { by: 'alva', note: 'so' }]]);
    expect((await post('show', { message: 1 })).answer).toMatchObject({ result: { message: { bytes: 'TVNI' } } });
  });

  it.each([
    ['release', { things: [], by: 'a', note: null }],
    ['release', { things: [{ delivery: '2' }], by: 'a', note: null }],
    ['release', { things: [{ delivery: 2, message: 1 }], by: 'a', note: null }],
    ['release', { things: [{ delivery: 2 }], by: '', note: null }],
    ['release', { things: [{ delivery: 2 }], note: null }],
    ['cancel', { things: [{ delivery: 2 }], by: 'a', note: 'x'.repeat(MAX_NOTE_LENGTH + 1) }],
    ['pause', { scope: { target: 't' }, by: 'a', note: null }],
    ['pause', { scope: { target: 't', party: null, operation: null, more: 1 }, by: 'a', note: null }],
  ])('refuses %s with %j, and says what is wrong but not with which value', async (call, body) => {
    await open();
    const { status: code, answer } = await post(call, body);
    expect(code).toBe(400);
    expect(answer.error).toMatch(/^body/);
    expect(answer.error).not.toMatch(/xxx|more/);
  });

  it('refuses what is no JSON, and more of it than any call needs, without reading it to its end', async () => {
    await open();
    expect(await post('show', '{"message":')).toEqual({ status: 400, answer: { error: 'that is no JSON' } });
    expect(await post('show', { message: 1, more: 'x'.repeat(300_000) })).toMatchObject({ status: 413 });
    expect(await post('status', {})).toMatchObject({ status: 200 });
  });

  it('tells a fault in its own words, and of an unforeseen error nothing', async () => {
    await open({
      pauses: () => Promise.reject(new Fault('journal-failed')),
      show: () => Promise.reject(new Error('Berg^Alva')),
    });
    expect(await post('pauses', {})).toMatchObject({
      status: 503,
      answer: { error: new Fault('journal-failed').message },
    });
    expect(await post('show', { message: 1 })).toEqual({ status: 500, answer: { error: 'internal error' } });
    expect(await post('drop', {})).toMatchObject({ status: 404 });
    expect(await post('pauses', {}, 'PUT')).toMatchObject({ status: 404 });
  });

  it('does not start where something is in the way, or the path is too long', async () => {
    writeFileSync(path(), 'mine');
    await expect(open()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    control = null;
    rmSync(path());
    writeFileSync(path(), 'left behind');
    await open({}, () => rmSync(path()));
    const long = join(folder, 'a'.repeat(200));
    expect(() => createControl({ path: long, makeWay: () => {}, operations: {} as Operations, status })).toThrow(
      /longer than/,
    );
  });
});
