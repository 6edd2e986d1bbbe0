import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/contracts/clock.ts';
import { Fault } from '../../src/contracts/fault.ts';
import type { Ack, Inbound, Intake, Source } from '../../src/contracts/source.ts';
import { folderSource } from '../../src/sources/folder.ts';
import {
  codeOf,
  createFakeIntake,
  createHost,
  createTestHost,
  type Decision,
  type FakeIntake,
  oru,
  systemClock,
  type TestHost,
} from './harness.ts';

let folder: string;
const sources: Source[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluss-folder-'));
});
afterEach(async () => {
  await Promise.all(sources.splice(0).map((source) => source.stop()));
  await rm(folder, { recursive: true });
});

interface Watching<Time extends Clock> {
  readonly source: Source;
  readonly host: TestHost<Time>;
  readonly fake: FakeIntake;
}

async function watchWith<Time extends Clock>(
  host: TestHost<Time>,
  more: object,
  fake: FakeIntake,
): Promise<Watching<Time>> {
  const config = folderSource.config.parse({ path: 'in', stable: '20ms', rescan: '200ms', retry: '30ms', ...more });
  const source = folderSource.create(config, host);
  sources.push(source);
  await mkdir(join(folder, 'in'), { recursive: true });
  await source.start(fake.intake);
  return { source, host, fake };
}

const watch = (more: object = {}, fake = createFakeIntake()): Promise<Watching<Clock>> =>
  watchWith(createHost(folder, systemClock), more, fake);

/** Refuses messages whose control id begins with B; of C it says to send them again, as often as told. */
function picky(againTimes = 0): FakeIntake {
  let again = againTimes;
  const decide = (inbound: Inbound): Decision => {
    const text = Buffer.from(inbound.bytes).toString('latin1');
    const controlId = text.split('|')[9] ?? '';
    if (inbound.fault !== null) return { code: 'AR', fault: inbound.fault };
    if (!text.startsWith('MSH')) return { code: 'AR', fault: new Fault('not-hl7') };
    if (controlId.startsWith('B')) return { code: 'AE', fault: new Fault('field-required', { at: 'PID-3[2].1' }) };
    if (controlId.startsWith('C') && again-- > 0) {
      return { code: 'AR', fault: new Fault('journal-busy'), isStored: false };
    }
    return { code: 'AA' };
  };
  return createFakeIntake({ decide });
}

const drop = (name: string, text: string): Promise<void> => writeFile(join(folder, 'in', name), text, 'latin1');
const read = (...path: string[]): Promise<string> => readFile(join(folder, 'in', ...path), 'latin1');
const list = async (name: string): Promise<string[]> => (await readdir(join(folder, 'in', name))).sort();
const files = async (): Promise<Record<string, string[]>> => ({
  processing: await list('processing'),
  done: await list('done'),
  failed: await list('failed'),
});

describe('the folder source', () => {
  it('takes a file and puts it into done with its answer beside it', async () => {
    const { host, fake, source } = await watch();
    await drop('a.hl7', oru('1'));
    await host.logged('file-done');
    expect(fake.calls.map((call) => [call.text, call.inbound.origin])).toEqual([[oru('1'), 'folder a.hl7 #1']]);
    expect(await files()).toEqual({ processing: [], done: ['a.hl7', 'a.hl7.ack'], failed: [] });
    expect(await read('done', 'a.hl7')).toBe(oru('1'));
    expect(codeOf(await read('done', 'a.hl7.ack'))).toBe('AA 1');
    expect(source.address).toBe(`folder://${folder}/in`);
  });

  it('takes what was there before it started, oldest first', async () => {
    await mkdir(join(folder, 'in'));
    await drop('b.hl7', oru('1'));
    await drop('a.hl7', oru('2'));
    await utimes(join(folder, 'in', 'b.hl7'), 1_000, 1_000);
    const { fake } = await watch();
    const calls = await fake.called(2);
    expect(calls.map((call) => call.inbound.origin)).toEqual(['folder b.hl7 #1', 'folder a.hl7 #1']);
  });

  it('waits until a slow writer has stopped writing', async () => {
    const host = createTestHost(folder);
    const { fake } = await watchWith(host, { stable: '2s', rescan: '1m' }, createFakeIntake());
    const lookAgain = async (ms: number): Promise<void> => {
      await host.clock.armed(ms);
      host.clock.advance(ms);
    };
    await lookAgain(0);
    const text = oru('1', `NTE|1||${'x'.repeat(1_000)}\r`);
    await drop('slow.hl7', text.slice(0, 100));
    await lookAgain(100);
    for (const at of [100, 400, 900]) {
      // The next look is due when the part seen last would be stable: until then it grows.
      await host.clock.armed(2_000);
      await appendFile(join(folder, 'in', 'slow.hl7'), text.slice(at, at === 900 ? undefined : at === 100 ? 400 : 900));
      host.clock.advance(2_000);
      expect(fake.calls).toEqual([]);
    }
    const done = host.logged('file-done');
    let isDone = false;
    void done.then(() => {
      isDone = true;
    });
    while (!isDone) await Promise.race([done, lookAgain(2_000)]);
    expect(fake.calls.map((call) => call.text)).toEqual([text]);
  });

  it('takes a file that is renamed in from a name it does not match', async () => {
    const { fake } = await watch();
    await drop('x.part', oru('1'));
    await rename(join(folder, 'in', 'x.part'), join(folder, 'in', 'x.hl7'));
    const [call] = await fake.called(1);
    expect(call?.inbound.origin).toBe('folder x.hl7 #1');
  });

  it('takes each of several hundred files once', async () => {
    const { host, fake } = await watch();
    const ids = Array.from({ length: 300 }, (_, index) => `f${index}`);
    await Promise.all(ids.map((id) => drop(`${id}.hl7`, oru(id))));
    await host.logged('file-done', 300);
    expect(fake.calls.map((call) => call.text.split('|')[9]).sort()).toEqual([...ids].sort());
    const now = await files();
    expect(now.done).toHaveLength(600);
    expect(now.processing).toEqual([]);
  });

  it('hands many files over one after the other, oldest first, and puts each away with its own answer', async () => {
    await mkdir(join(folder, 'in'));
    const names = Array.from({ length: 60 }, (_, index) => `${String(index).padStart(2, '0')}`);
    for (const name of names.toReversed()) {
      await drop(`${name}.hl7`, oru(name));
      await utimes(join(folder, 'in', `${name}.hl7`), 1_000, 1_000);
    }
    const fake = createFakeIntake({ byHand: true });
    const { host } = await watch({ stable: 0 }, fake);
    for (let answered = 0; answered < names.length; answered++) {
      const calls = await fake.called(answered + 1);
      expect(calls).toHaveLength(answered + 1);
      calls[answered]?.answer();
    }
    await host.logged('file-done', names.length);
    expect(fake.calls.map((call) => call.text)).toEqual(names.map((name) => oru(name)));
    for (const name of names) expect(codeOf(await read('done', `${name}.hl7.ack`))).toBe(`AA ${name}`);
  });

  it('hands a file over again that could not be put away', async () => {
    const { host, fake } = await watch();
    await rm(join(folder, 'in/done'), { recursive: true });
    await drop('a.hl7', oru('1'));
    await host.logged('file-failed');
    await mkdir(join(folder, 'in/done'));
    await host.logged('file-done');
    expect(fake.calls.length).toBeGreaterThan(1);
    expect(await files()).toEqual({ processing: [], done: ['a.hl7', 'a.hl7.ack'], failed: [] });
  });

  it('takes only files whose names match, and nothing hidden, linked or nested', async () => {
    const { fake } = await watch({ patterns: ['lab-*.h?7'] });
    await mkdir(join(folder, 'in', 'lab-folder.hl7'));
    await writeFile(join(folder, 'elsewhere.hl7'), oru('0'));
    await symlink(join(folder, 'elsewhere.hl7'), join(folder, 'in', 'lab-link.hl7'));
    await drop('.lab-1.hl7', oru('1'));
    await drop('other.hl7', oru('2'));
    await drop('LAB-3.HL7', oru('3'));
    await fake.called(1);
    expect(fake.calls.map((call) => call.inbound.origin)).toEqual(['folder LAB-3.HL7 #1']);
  });

  it('keeps both files of one name', async () => {
    const { host } = await watch();
    await drop('a.hl7', oru('1'));
    await host.logged('file-done');
    await drop('a.hl7', oru('2'));
    await host.logged('file-done', 2);
    expect((await files()).done).toEqual(['a-2.hl7', 'a-2.hl7.ack', 'a.hl7', 'a.hl7.ack']);
    expect(await read('done', 'a.hl7')).toBe(oru('1'));
    expect(await read('done', 'a-2.hl7')).toBe(oru('2'));
    expect(codeOf(await read('done', 'a-2.hl7.ack'))).toBe('AA 2');
  });

  it('never writes over an answer whose file somebody took away', async () => {
    const { host } = await watch();
    await drop('a.hl7', oru('1'));
    await host.logged('file-done');
    await rm(join(folder, 'in', 'done', 'a.hl7'));
    await drop('a.hl7', oru('2'));
    await host.logged('file-done', 2);
    expect(codeOf(await read('done', 'a.hl7.ack'))).toBe('AA 1');
    expect(codeOf(await read('done', 'a-2.hl7.ack'))).toBe('AA 2');
  });

  it('sees files by polling too', async () => {
    const { fake } = await watch({ poll: true, pollInterval: '20ms', rescan: '1m' });
    await drop('a.hl7', oru('1'));
    await fake.called(1);
  });
});

describe('a file of several messages', () => {
  it('is answered with a batch, and gives the refused messages back as a file of their own', async () => {
    const { host, fake } = await watch({}, picky());
    const header = 'FHS|^~\\&|LAB|F\rBHS|^~\\&|LAB|F\r';
    await drop('b.hl7', `${header}${oru('1')}${oru('B2')}${oru('3')}BTS|3\rFTS|1\r`);
    await host.logged('file-done');
    expect(fake.calls.map((call) => call.inbound.origin)).toEqual([
      'folder b.hl7 #1',
      'folder b.hl7 #2',
      'folder b.hl7 #3',
    ]);
    expect(await files()).toEqual({
      processing: [],
      done: ['b.hl7', 'b.hl7.ack'],
      failed: ['b.hl7', 'b.hl7.reasons.txt'],
    });
    expect(codeOf(await read('done', 'b.hl7.ack'))).toBe('FHS BHS AA 1 AE B2 AA 3 BTS FTS');
    expect(await read('failed', 'b.hl7')).toBe(oru('B2'));
    expect(await read('failed', 'b.hl7.reasons.txt')).toBe(
      'message 2: AE: A required field is missing. (PID-3[2].1)\n',
    );
  });

  it('gets answers and reasons that any account may read, and refused messages that none but its own may', async () => {
    const { host } = await watch({}, picky());
    await drop('b.hl7', oru('1') + oru('B2'));
    await host.logged('file-done');
    const mode = async (...path: string[]) => (await stat(join(folder, 'in', ...path))).mode & 0o777;
    const mask = process.umask();
    expect(await mode('done', 'b.hl7.ack')).toBe(0o644 & ~mask);
    expect(await mode('failed', 'b.hl7.reasons.txt')).toBe(0o644 & ~mask);
    expect(await mode('failed', 'b.hl7')).toBe(0o600);
  });

  it('is answered with a batch where the messages come bare', async () => {
    const { host } = await watch();
    await drop('b.hl7', `${oru('1')}\n${oru('2')}`);
    await host.logged('file-done');
    expect(codeOf(await read('done', 'b.hl7.ack'))).toBe('BHS AA 1 AA 2 BTS');
  });

  it('states a count that does not fit, in the answer and the log', async () => {
    const { host } = await watch();
    await drop('b.hl7', `# export\rBHS|^~\\&|LAB|F\r${oru('1')}BTS|7\r`);
    await host.logged('file-done');
    expect(await read('done', 'b.hl7.ack')).toContain('BTS|1|BTS-1 says 7 but 1 came');
    expect(host.lines.filter((line) => line.event === 'file-flawed').map((line) => line.detail)).toEqual([
      '1 lines belong to no message',
      'BTS-1 says 7 but 1 came',
    ]);
  });

  it('hands over in order, at most 32 ahead of their answers', async () => {
    const { host, fake } = await watch({}, createFakeIntake({ byHand: true }));
    const ids = Array.from({ length: 100 }, (_, index) => `${index}`);
    await drop('b.hl7', ids.map((id) => oru(id)).join(''));
    await fake.called(32);
    expect(fake.calls).toHaveLength(32);
    for (let answered = 0; answered < 100; answered++) {
      (await fake.called(answered + 1))[answered]?.answer();
      expect(fake.calls.length).toBeLessThanOrEqual(answered + 33);
    }
    await host.logged('file-done');
    expect(fake.calls.map((call) => call.text)).toEqual(ids.map((id) => oru(id)));
  });

  it('is put into failed whole where every message was refused', async () => {
    const { host } = await watch({}, picky());
    await drop('b.hl7', oru('B1') + oru('B2'));
    await host.logged('file-done');
    expect(await files()).toEqual({
      processing: [],
      done: [],
      failed: ['b.hl7', 'b.hl7.ack', 'b.hl7.reasons.txt'],
    });
    expect(await read('failed', 'b.hl7')).toBe(oru('B1') + oru('B2'));
  });

  it('holds an envelope and no message: it is answered as such', async () => {
    const { host, fake } = await watch();
    await drop('b.hl7', 'FHS|^~\\&|LAB|F\rBHS|^~\\&|LAB|F\rBTS|0\rFTS|1\r');
    await host.logged('file-done');
    expect(fake.calls).toEqual([]);
    expect(codeOf(await read('done', 'b.hl7.ack'))).toBe('FHS BHS BTS FTS');
  });
});

describe('a file that is no HL7', () => {
  it.each([
    ['text', 'Dear laboratory,\nhello\n'],
    ['nothing', ''],
  ])('is refused with a record: %s', async (_name, text) => {
    const { host, fake } = await watch({}, picky());
    await drop('a.txt', text);
    await host.logged('file-done');
    expect(fake.calls.map((call) => call.text)).toEqual([text]);
    expect((await files()).failed).toEqual(['a.txt', 'a.txt.ack', 'a.txt.reasons.txt']);
    expect(await read('failed', 'a.txt.reasons.txt')).toMatch(
      /^message 1: AR: .* no usable MSH segment at its start\.\n/,
    );
  });

  it('is not handed over beyond its first bytes where it is large', async () => {
    const { host, fake } = await watch({ maxMessage: 2_000 }, picky());
    await drop('a.txt', 'x'.repeat(50_000));
    await host.logged('file-done');
    expect(fake.calls.map((call) => [call.fault?.code, call.text.length])).toEqual([['not-hl7', 2_000]]);
  });

  it('is handed over whole where it is UTF-16', async () => {
    const { host, fake } = await watch();
    const bytes = Buffer.from(`\ufeff${oru('1')}`, 'utf16le');
    await drop('a.txt', bytes.toString('latin1'));
    await host.logged('file-done');
    expect(Buffer.from(fake.calls[0]?.inbound.bytes ?? []).equals(bytes)).toBe(true);
  });
});

describe('sizes', () => {
  it('refuses a message above the limit and takes the others', async () => {
    const { host, fake } = await watch({ maxMessage: 2_000 }, picky());
    await drop('a.hl7', oru('1') + oru('2', `NTE|1||${'x'.repeat(3_000)}\r`) + oru('3'));
    await host.logged('file-done');
    expect(fake.calls.map((call) => call.fault?.code ?? null)).toEqual([null, 'frame-too-large', null]);
    expect(codeOf(await read('done', 'a.hl7.ack'))).toBe('BHS AA 1 AR 2 AA 3 BTS');
    expect((await files()).failed).toEqual(['a.hl7.reasons.txt']);
  });

  it('refuses a file of more messages than it may hold whole, before any of them is taken', async () => {
    const { fake, host } = await watch({ stable: 0, maxMessages: 3 });
    await drop('four.hl7', ['1', '2', '3', '4'].map((id) => oru(id)).join(''));
    await drop('three.hl7', ['5', '6', '7'].map((id) => oru(id)).join(''));
    await host.logged('file-done', 2);
    expect(fake.calls).toHaveLength(4);
    const refused = fake.calls.find((call) => call.fault !== null);
    expect(refused?.fault?.record).toMatchObject({ code: 'too-many', detail: 'limit 3 messages' });
    expect((await files()).failed).toEqual(['four.hl7', 'four.hl7.ack', 'four.hl7.reasons.txt']);
    expect((await files()).done).toEqual(['three.hl7', 'three.hl7.ack']);
  });

  it('refuses a file above the limit', async () => {
    const { host, fake } = await watch({ maxFile: 2_000 }, picky());
    await drop('a.hl7', oru('1').repeat(100));
    await host.logged('file-done');
    expect(fake.calls.map((call) => call.fault?.code)).toEqual(['frame-too-large']);
    expect((await files()).failed).toEqual(['a.hl7', 'a.hl7.ack', 'a.hl7.reasons.txt']);
  });

  it('takes a file far larger than a chunk', async () => {
    const { host, fake } = await watch();
    const ids = Array.from({ length: 8_000 }, (_, index) => `${index}`);
    await drop('a.hl7', ids.map((id) => oru(id)).join(''));
    expect(await host.logged('file-done')).toMatchObject({ count: 8_000 });
    expect(fake.calls.map((call) => call.text)).toEqual(ids.map((id) => oru(id)));
  });
});

describe('messages that were not taken', () => {
  it('leave the file in processing, and it is handed over again later', async () => {
    const { host, fake } = await watch({}, picky(2));
    await drop('a.hl7', oru('1') + oru('C2') + oru('B3'));
    await host.logged('file-again', 2);
    await host.logged('file-done');
    expect(fake.calls.filter((call) => call.text.includes('|C2|'))).toHaveLength(3);
    expect(await files()).toEqual({
      processing: [],
      done: ['a.hl7', 'a.hl7.ack'],
      failed: ['a.hl7', 'a.hl7.reasons.txt'],
    });
    expect(codeOf(await read('done', 'a.hl7.ack'))).toBe('BHS AA 1 AA C2 AE B3 BTS');
  });

  it('stay where they lie while the disk is nearly full, and are taken by themselves when it has room again', async () => {
    const { host, fake } = await watch();
    host.room = false;
    await drop('a.hl7', oru('1'));
    await drop('b.hl7', oru('2'));
    // Looked at several times by then, and left alone.
    await host.askedForRoom(20);
    expect(fake.calls).toEqual([]);
    expect((await readdir(join(folder, 'in'))).filter((name) => name.endsWith('.hl7')).sort()).toEqual([
      'a.hl7',
      'b.hl7',
    ]);
    expect(await readdir(join(folder, 'in/processing'))).toEqual([]);
    host.room = true;
    await host.logged('file-done', 2);
    expect(fake.calls).toHaveLength(2);
  });

  it('are left to the process that watches the folder, and taken up, begun ones first, when it does no more', async () => {
    const host = createTestHost(folder);
    host.isHeldByAnother = true;
    await mkdir(join(folder, 'in/processing'), { recursive: true });
    await drop('processing/begun.hl7', oru('1'));
    await drop('new.hl7', oru('2'));
    const { fake } = await watchWith(host, { stable: 0, rescan: '1m' }, createFakeIntake());
    const askAgain = async (ms: number): Promise<void> => {
      await host.clock.armed(ms);
      // The look before has come to its end.
      await new Promise(setImmediate);
      host.clock.advance(ms);
    };
    await askAgain(0);
    await askAgain(5_000);
    // It would ask once more, and has taken nothing.
    await host.clock.armed(5_000);
    expect(fake.calls).toEqual([]);
    expect((await files()).processing).toEqual(['begun.hl7']);

    host.isHeldByAnother = false;
    await askAgain(5_000);
    await host.logged('file-done', 2);
    expect(fake.calls.map(({ text }) => text)).toEqual([oru('1'), oru('2')]);

    // It gave no sign of life for too long, and another has it now.
    await host.clock.armed(60_000);
    host.isHeldByAnother = true;
    await drop('later.hl7', oru('3'));
    await askAgain(60_000);
    await askAgain(5_000);
    expect(fake.calls).toHaveLength(2);
  });

  it('of a file under way stop being handed over when the disk fills, and the file waits', async () => {
    const fake = createFakeIntake({
      decide: () => {
        host.room = host.lines.some((line) => line.event === 'file-again');
        return host.room ? { code: 'AA' } : { code: 'AR', fault: new Fault('disk-low'), isStored: false };
      },
    });
    const host = createHost(folder, systemClock);
    await watchWith(host, {}, fake);
    await drop('a.hl7', oru('1') + oru('2'));
    await host.logged('file-again');
    expect(await readdir(join(folder, 'in/processing'))).toEqual(['a.hl7']);
    host.room = true;
    await host.logged('file-done');
    expect(codeOf(await read('done', 'a.hl7.ack'))).toBe('BHS AA 1 AA 2 BTS');
  });

  it('do not keep another file from being taken', async () => {
    const { host, fake } = await watch({}, picky(1_000_000));
    await drop('c.hl7', oru('C1'));
    await host.logged('file-again');
    await drop('d.hl7', oru('4'));
    await host.logged('file-done');
    expect(fake.calls.some((call) => call.text.includes('|4|'))).toBe(true);
    expect((await files()).processing).toEqual(['c.hl7']);
  });

  it('stop the round after three files in a row', async () => {
    await mkdir(join(folder, 'in'));
    for (const id of ['C1', 'C2', 'C3', 'C4', 'C5']) await drop(`${id}.hl7`, oru(id));
    const { host, fake } = await watch({ stable: 0, retry: '1m' }, picky(1_000_000));
    await host.logged('file-again', 3);
    await drop('late.hl7', oru('4'));
    expect(fake.calls).toHaveLength(3);
  });

  it('are those whose answer says that the receiver has to be waited for, stored or not', async () => {
    let isReady = false;
    const decide = (): Decision =>
      isReady ? { code: 'AA' } : { code: 'AR', fault: new Fault('target-unreachable'), isStored: true };
    const { host } = await watch({}, createFakeIntake({ decide }));
    await drop('a.hl7', oru('1'));
    await host.logged('file-again');
    expect((await files()).failed).toEqual([]);
    isReady = true;
    await host.logged('file-done');
    expect((await files()).done).toEqual(['a.hl7', 'a.hl7.ack']);
  });

  it('are those that could not be stored, whatever the answer says', async () => {
    let isReady = false;
    const decide = (): Decision => (isReady ? { code: 'AA' } : { code: 'AE', isStored: false });
    const { host } = await watch({}, createFakeIntake({ decide }));
    await drop('a.hl7', oru('1'));
    await host.logged('file-again');
    expect((await files()).failed).toEqual([]);
    isReady = true;
    await host.logged('file-done');
  });

  it('are not those that get no answer because none is due', async () => {
    const { host, fake } = await watch({}, createFakeIntake({ byHand: true }));
    await drop('a.hl7', oru('1'));
    (await fake.called(1))[0]?.silence();
    await host.logged('file-done');
    expect((await files()).done).toEqual(['a.hl7']);
  });

  it('are those that get none although they were not taken', async () => {
    const quiet: Ack = { code: 'AR', bytes: new Uint8Array(0), messageId: null, isFinal: false };
    let isReady = false;
    const ready = createFakeIntake();
    const intake: Intake = (inbound) => (isReady ? ready.intake(inbound) : Promise.resolve(quiet));
    const { host } = await watch({}, { ...ready, intake });
    await drop('a.hl7', oru('1').replace('ORU^R01^ORU_R01', 'ACK'));
    await host.logged('file-again');
    expect((await files()).done).toEqual([]);
    isReady = true;
    await host.logged('file-done');
  });

  it('are told by what the answer says of itself, in any version of HL7', async () => {
    let isReady = false;
    const decide = (): Decision => (isReady ? { code: 'AA' } : { code: 'AR', fault: new Fault('target-unreachable') });
    const { host } = await watch({}, createFakeIntake({ decide }));
    // Up to v2.4 no ERR-5 names the fault.
    await drop('a.hl7', oru('1').replace('|2.5.1\r', '|2.3\r'));
    await host.logged('file-again');
    isReady = true;
    await host.logged('file-done');
    expect((await files()).done).toEqual(['a.hl7', 'a.hl7.ack']);
  });
});

describe('stopping and starting', () => {
  it('takes files that were in processing up again, and clears what a broken write left', async () => {
    const { host, fake, source } = await watch({ readAhead: 1 }, createFakeIntake({ byHand: true }));
    await drop('a.hl7', oru('1') + oru('2'));
    await fake.called(1);
    const stopped = source.stop();
    for (const call of fake.calls) call.answer();
    await stopped;
    expect(host.lines.some((line) => line.event === 'file-done')).toBe(false);
    expect((await files()).processing).toEqual(['a.hl7']);
    await writeFile(join(folder, 'in', 'processing', '.sluss-1-1.part'), 'half an answer');
    await writeFile(join(folder, 'in', 'processing', 'reserved.hl7'), '');

    const second = await watch();
    await second.host.logged('file-done');
    expect(second.fake.calls.map((call) => call.text)).toEqual([oru('1'), oru('2')]);
    expect(await files()).toEqual({ processing: [], done: ['a.hl7', 'a.hl7.ack'], failed: [] });
  });

  it.each([
    ['had reserved its name', { 'done/a.hl7': '' }],
    ['had published its answer', { 'done/a.hl7': '', 'done/a.hl7.ack': 'half of it' }],
    ['had reserved a name for its refused messages', { 'failed/a.hl7': '', 'failed/a.hl7.reasons.txt': 'why' }],
  ])('answers a file under its own name where a killed process %s', async (_when, left) => {
    for (const place of ['processing', 'done', 'failed']) await mkdir(join(folder, 'in', place), { recursive: true });
    await writeFile(join(folder, 'in/processing/a.hl7'), oru('1'));
    for (const [path, content] of Object.entries(left)) await writeFile(join(folder, 'in', path), content);
    const { host } = await watch();
    await host.logged('file-done');
    expect(await files()).toEqual({ processing: [], done: ['a.hl7', 'a.hl7.ack'], failed: [] });
    expect(codeOf(await read('done', 'a.hl7.ack'))).toBe('AA 1');
  });

  it('takes no file of another for one that a killed process had reserved', async () => {
    for (const place of ['processing', 'done', 'failed']) await mkdir(join(folder, 'in', place), { recursive: true });
    await writeFile(join(folder, 'in/processing/a.hl7'), oru('2'));
    const left = { 'done/a.hl7': oru('1'), 'done/a.hl7.ack': 'AA', 'failed/a.hl7': '', 'failed/a.hl7.ack': 'AR' };
    for (const [path, content] of Object.entries(left)) await writeFile(join(folder, 'in', path), content);
    const { host } = await watch();
    await host.logged('file-done');
    expect(await files()).toEqual({
      processing: [],
      done: ['a-2.hl7', 'a-2.hl7.ack', 'a.hl7', 'a.hl7.ack'],
      failed: ['a.hl7', 'a.hl7.ack'],
    });
  });

  it('hands nothing more over once it stops', async () => {
    const { fake, source } = await watch({ readAhead: 2 }, createFakeIntake({ byHand: true }));
    await drop('a.hl7', ['1', '2', '3', '4'].map((id) => oru(id)).join(''));
    await fake.called(2);
    const stopped = source.stop();
    for (const call of fake.calls) call.answer();
    await stopped;
    await source.stop();
    expect(fake.calls).toHaveLength(2);
    expect((await files()).processing).toEqual(['a.hl7']);
  });

  it('does not start where its folder is missing', async () => {
    const config = folderSource.config.parse({ path: 'nowhere' });
    const source = folderSource.create(config, createHost(folder, systemClock));
    await expect(source.start(createFakeIntake().intake)).rejects.toThrow(/nowhere/);
  });

  it('refuses keys it does not know and folders elsewhere', () => {
    expect(() => folderSource.config.parse({ path: 'in', pattern: '*' })).toThrow(/pattern/);
    expect(() => folderSource.config.parse({ path: 'in', done: '../done' })).toThrow(/folder inside/);
  });
});

describe('privacy', () => {
  it('puts neither names nor contents of files into the log or the reasons', async () => {
    const { host } = await watch({}, picky());
    await drop('19121212-1212.hl7', `${oru('B-SECRET')}${oru('1')}stray SECRET\r`.replace('PID|1||X', 'PID|1||SECRET'));
    await host.logged('file-done');
    expect(JSON.stringify(host.lines)).not.toMatch(/19121212|SECRET/);
    expect(await read('failed', '19121212-1212.hl7.reasons.txt')).not.toContain('SECRET');
  });
});
