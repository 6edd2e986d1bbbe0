import { afterEach, describe, expect, it } from 'vitest';
import { Fault } from '../../src/contracts/fault.ts';
import type { Inbound, Source } from '../../src/contracts/source.ts';
import { mllpSource } from '../../src/sources/mllp.ts';
import {
  connectTo,
  createFakeIntake,
  createTestHost,
  type Decision,
  type FakeIntake,
  framed,
  oru,
  type Peer,
  type TestHost,
} from './harness.ts';

const VT = '\x0b';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Listening {
  readonly source: Source;
  readonly host: TestHost;
  readonly fake: FakeIntake;
  connect(): Promise<Peer>;
}

async function listen(more: object = {}, fake = createFakeIntake()): Promise<Listening> {
  const host = createTestHost();
  const config = mllpSource.config.parse({ port: 0, maxMessage: 2_000, ...more });
  const source = mllpSource.create(config, host);
  await source.start(fake.intake);
  const peers: Peer[] = [];
  cleanups.push(async () => {
    for (const peer of peers) peer.socket.destroy();
    const stopped = source.stop();
    host.clock.advance(10_000);
    await stopped;
  });
  return {
    source,
    host,
    fake,
    async connect() {
      const peer = await connectTo(source.address);
      peers.push(peer);
      return peer;
    },
  };
}

describe('the MLLP listener, tortured as field.md §2.13 has it', () => {
  it('answers one message that came in three packets', async () => {
    const { connect, fake } = await listen();
    const peer = await connect();
    const text = framed(oru('1'));
    await peer.writeApart(text.slice(0, 7));
    await peer.writeApart(text.slice(7, 40));
    await peer.writeApart(text.slice(40));
    expect(await peer.codes(1)).toEqual(['AA 1']);
    expect(fake.calls.map((call) => call.text)).toEqual([oru('1')]);
  });

  it('answers when FS and CR come in different packets', async () => {
    const { connect } = await listen();
    const peer = await connect();
    await peer.writeApart(`${VT + oru('1')}\x1c`);
    await peer.writeApart('\r');
    expect(await peer.codes(1)).toEqual(['AA 1']);
  });

  it('answers two messages of one packet, in order', async () => {
    const { connect } = await listen();
    const peer = await connect();
    peer.write(framed(oru('1')) + framed(oru('2')));
    expect(await peer.codes(2)).toEqual(['AA 1', 'AA 2']);
  });

  it('answers one and a half messages, then the rest, once each and whole', async () => {
    const { connect, fake } = await listen();
    const peer = await connect();
    const long = oru('2', 'OBX|1|ST|||LONGVALUE\r');
    await peer.writeApart(framed(oru('1')) + framed(long).slice(0, -12));
    await peer.writeApart(framed(long).slice(-12));
    expect(await peer.codes(2)).toEqual(['AA 1', 'AA 2']);
    expect(fake.calls.map((call) => call.text)).toEqual([oru('1'), long]);
  });

  it('passes over junk before VT, and says so without repeating it', async () => {
    const { connect, host } = await listen();
    const peer = await connect();
    peer.write(`191212121212${framed(oru('1'))}`);
    expect(await peer.codes(1)).toEqual(['AA 1']);
    expect(await host.logged('junk-skipped')).toMatchObject({ level: 'warn', count: 12 });
    expect(JSON.stringify(host.lines)).not.toContain('191212');
  });

  it('hands Latin-1 bytes over as they came', async () => {
    const { connect, fake } = await listen();
    const peer = await connect();
    peer.write(framed(oru('1', 'PID|||||Öberg^Åsa\r')));
    await peer.codes(1);
    expect(Buffer.from(fake.calls[0]?.inbound.bytes ?? []).includes(Buffer.from('Öberg^Åsa', 'latin1'))).toBe(true);
  });

  it('answers an abandoned frame as incomplete and the good one behind it as good', async () => {
    const { connect, fake, host } = await listen();
    const peer = await connect();
    peer.write(`${VT}${oru('1').slice(0, 60)}${framed(oru('2'))}`);
    expect(await peer.codes(2)).toEqual(['AR 1', 'AA 2']);
    expect(fake.calls.map((call) => call.fault?.code ?? null)).toEqual(['frame-incomplete', null]);
    expect(await host.logged('frame-incomplete')).toMatchObject({ bytes: 60 });
  });

  it('answers a frame that is not HL7 and the good one behind it', async () => {
    const { connect } = await listen();
    const peer = await connect();
    peer.write(framed('GET / HTTP/1.1') + framed('') + framed(oru('2')));
    expect(await peer.codes(3)).toEqual(['AR ', 'AR ', 'AA 2']);
  });

  it('takes 10 MB in 16 KiB writes', async () => {
    const { connect, fake } = await listen({ maxMessage: 16 * 1024 * 1024 });
    const peer = await connect();
    const bytes = Buffer.from(framed(oru('1', `OBX|1|ED|||${'QUJD'.repeat(2_500_000)}\r`)));
    for (let at = 0; at < bytes.length; at += 16_384) peer.write(bytes.subarray(at, at + 16_384));
    expect(await peer.codes(1)).toEqual(['AA 1']);
    expect(fake.calls[0]?.inbound.bytes.length).toBe(bytes.length - 3);
  });

  it('answers every message of a sender that writes byte by byte', async () => {
    const { connect } = await listen();
    const peer = await connect();
    for (const byte of framed(oru('1')) + framed(oru('2'))) peer.write(byte);
    expect(await peer.codes(2)).toEqual(['AA 1', 'AA 2']);
  });

  it('takes a bare FS and a bare VT as data', async () => {
    const { connect, fake } = await listen();
    const peer = await connect();
    peer.write(framed(oru('1', 'NTE|1||a\x1cb\x0bc\r')));
    expect(await peer.codes(1)).toEqual(['AA 1']);
    expect(fake.calls[0]?.text).toContain('a\x1cb\x0bc');
  });

  it('takes a message without a CR behind its last segment', async () => {
    const { connect } = await listen();
    const peer = await connect();
    peer.write(framed(oru('1').slice(0, -1)));
    expect(await peer.codes(1)).toEqual(['AA 1']);
  });
});

describe('a sender that leaves the final CR out', () => {
  it('is answered when its next frame begins', async () => {
    const { connect } = await listen();
    const peer = await connect();
    peer.write(`${VT}${oru('1')}\x1c${framed(oru('2'))}`);
    expect(await peer.codes(2)).toEqual(['AA 1', 'AA 2']);
  });

  it('is answered after a short silence, and counted', async () => {
    const { connect, host } = await listen();
    const peer = await connect();
    peer.write(`${VT}${oru('1')}\x1c`);
    await host.clock.armed(200);
    host.clock.advance(200);
    expect(await peer.codes(1)).toEqual(['AA 1']);
    expect(await host.logged('frame-unclosed')).toMatchObject({ level: 'warn' });
    peer.write(`\r${framed(oru('2'))}`);
    expect(await peer.codes(2)).toEqual(['AA 1', 'AA 2']);
  });

  it('is answered when it ends its side', async () => {
    const { connect } = await listen();
    const peer = await connect();
    peer.socket.end(Buffer.from(`${VT}${oru('1')}\x1c`));
    expect(await peer.codes(1)).toEqual(['AA 1']);
    await peer.closed;
  });
});

describe('limits', () => {
  it('answers a frame over the limit negatively after those before it, then closes', async () => {
    const { connect, fake, host } = await listen();
    const peer = await connect();
    peer.write(framed(oru('1')), VT + oru('2', `NTE|1||${'x'.repeat(5_000)}`), framed(oru('3')));
    expect(await peer.codes(3)).toEqual(['AA 1', 'AR 2']);
    peer.socket.end();
    await peer.closed;
    expect(fake.calls).toHaveLength(2);
    expect(fake.calls[1]?.fault?.code).toBe('frame-too-large');
    expect(fake.calls[1]?.inbound.bytes.length).toBe(2_000);
    expect(await host.logged('frame-too-large')).toMatchObject({ bytes: 2_000 });
  });

  it('gives a partial frame up after its time, answers it, and takes the next', async () => {
    const { connect, fake, host } = await listen();
    const peer = await connect();
    await peer.writeApart(VT + oru('1'));
    await host.clock.armed(30_000);
    host.clock.advance(30_000);
    expect(await peer.codes(1)).toEqual(['AR 1']);
    expect(fake.calls[0]?.fault?.code).toBe('frame-incomplete');
    peer.write(framed(oru('2')));
    expect(await peer.codes(2)).toEqual(['AR 1', 'AA 2']);
  });

  it('closes an idle connection, but not while an answer is owed', async () => {
    const { connect, fake, host } = await listen({ idleTimeout: '1m' }, createFakeIntake({ byHand: true }));
    const peer = await connect();
    peer.write(framed(oru('1')));
    const [call] = await fake.called(1);
    host.clock.advance(70_000);
    call?.answer();
    expect(await peer.codes(1)).toEqual(['AA 1']);
    expect(peer.isEnded).toBe(false);
    await host.clock.armed(60_000);
    host.clock.advance(60_000);
    await peer.answers(2);
    expect(peer.isEnded).toBe(true);
  });

  it('refuses connections above the limit', async () => {
    const { connect, host } = await listen({ maxConnections: 1 });
    const first = await connect();
    const second = await connect();
    await second.ended;
    expect(await host.logged('connection-limit')).toMatchObject({ count: 1 });
    first.write(framed(oru('1')));
    expect(await first.codes(1)).toEqual(['AA 1']);
  });

  it('refuses connections above the limit of one address, and takes one again when another has gone', async () => {
    const { connect, host } = await listen({ maxConnectionsPerAddress: 2 });
    const first = await connect();
    const second = await connect();
    for (let round = 0; round < 3; round++) await (await connect()).ended;
    // However many were refused, it is said once.
    expect(host.lines.filter((line) => line.event === 'address-limit')).toMatchObject([
      { address: '127.0.0.1', detail: 'limit 2', count: 1 },
    ]);
    first.write(framed(oru('1')));
    expect(await first.codes(1)).toEqual(['AA 1']);
    second.socket.destroy();
    await host.logged('connection-closed');
    host.clock.advance(60_000);
    const third = await connect();
    third.write(framed(oru('3')));
    expect(await third.codes(1)).toEqual(['AA 3']);
    await (await connect()).ended;
    expect(await host.logged('address-limit', 2)).toMatchObject({ count: 3 });
  });

  it('gives up a frame that never ends, however steadily it comes, answers it and closes', async () => {
    const { connect, fake, host } = await listen({ frameTimeout: '2m' });
    const peer = await connect();
    const before = host.clock.now();
    await peer.writeApart(VT + oru('1'));
    while (host.clock.now() < before + 120_000) {
      await host.clock.armed(30_000);
      const heard = host.clock.now();
      peer.write('x');
      // A turn of another connection: by then the byte has been heard.
      const other = await connect();
      other.write(framed(oru('9')));
      await other.answers(1);
      other.socket.destroy();
      host.clock.advance(10_000);
      expect(host.clock.now()).toBe(heard + 10_000);
    }
    expect(await peer.codes(1)).toEqual(['AR 1']);
    await peer.ended;
    const slow = fake.calls.find((call) => call.fault !== null);
    expect(slow?.fault?.record).toMatchObject({ code: 'frame-incomplete', detail: 'limit 120 s a frame' });
  });

  it('takes a frame whose pieces come within its time, counted anew for each frame', async () => {
    const { connect, host } = await listen({ frameTimeout: '1m' });
    const peer = await connect();
    for (const id of ['1', '2', '3']) {
      const text = framed(oru(id));
      await peer.writeApart(text.slice(0, 30));
      await host.clock.armed(30_000);
      host.clock.advance(25_000);
      await peer.writeApart(text.slice(30));
      expect((await peer.codes(Number(id))).at(-1)).toBe(`AA ${id}`);
      host.clock.advance(20_000);
    }
  });

  it('disconnects a sender that does not take its answers, having buffered a bounded part of them', async () => {
    const bytes = Buffer.alloc(200_000, 'A');
    let calls = 0;
    const intake = () => {
      calls += 1;
      return Promise.resolve({ code: 'AA', bytes, messageId: calls, isFinal: true } as const);
    };
    const { connect, host } = await listen({ readAhead: 4 }, { ...createFakeIntake(), intake });
    const peer = await connect();
    peer.socket.pause();
    const count = 1_000;
    peer.write(Array.from({ length: count }, (_, index) => framed(oru(String(index)))).join(''));
    await host.clock.armed(60_000);
    host.clock.advance(59_999);
    expect(host.lines.some((line) => line.event === 'answers-not-taken')).toBe(false);
    host.clock.advance(1);
    const line = await host.logged('answers-not-taken');
    expect(line).toMatchObject({ level: 'warn' });
    // What is buffered here is never more than the answers of what was read ahead.
    expect(line.bytes).toBeLessThanOrEqual(5 * (bytes.length + 3));
    expect(calls).toBeLessThan(count / 2);
    await host.logged('connection-closed');
  });

  it('closes a connection that only sends junk', async () => {
    const { connect, host } = await listen();
    const peer = await connect();
    peer.write(Buffer.alloc(1_200_000, 'x'));
    await host.logged('connection-not-mllp');
    await peer.ended;
  });
});

describe('order and back-pressure', () => {
  it('hands over in order of arrival without waiting, and answers in that order whatever ends first', async () => {
    const { connect, fake } = await listen({}, createFakeIntake({ byHand: true }));
    const peer = await connect();
    peer.write(['1', '2', '3'].map((id) => framed(oru(id))).join(''));
    const [first, second, third] = await fake.called(3);
    third?.answer('AE');
    second?.answer();
    first?.answer();
    expect(await peer.codes(3)).toEqual(['AA 1', 'AA 2', 'AE 3']);
  });

  it('takes nothing more behind a message that could not be stored while others were under way, and closes', async () => {
    const first: Decision = { code: 'AR', fault: new Fault('journal-failed'), isStored: false };
    const decide = (inbound: Inbound): Decision =>
      Buffer.from(inbound.bytes).includes('ORU_R01|1|') ? first : { code: 'AA' };
    const fake = createFakeIntake({ byHand: true, decide });
    const { connect } = await listen({ readAhead: 2 }, fake);
    const peer = await connect();
    peer.write([1, 2, 3].map((id) => framed(oru(String(id)))).join(''));
    const [one, two] = await fake.called(2);
    one?.answer();
    two?.answer();
    // Its next answer would be that of the third.
    expect(await peer.codes(3)).toEqual(['AR 1', 'AA 2']);
    peer.socket.end();
    await peer.closed;
    expect(fake.calls).toHaveLength(2);
  });

  it('reads at most 32 frames ahead', async () => {
    const { connect, fake } = await listen({}, createFakeIntake({ byHand: true }));
    const peer = await connect();
    const ids = Array.from({ length: 100 }, (_, index) => String(index));
    peer.write(ids.map((id) => framed(oru(id))).join(''));
    const calls = await fake.called(32);
    expect(fake.calls).toHaveLength(32);
    calls[0]?.answer();
    await fake.called(33);
    expect(fake.calls).toHaveLength(33);
    for (let answered = 1; answered < 100; answered++) (await fake.called(answered + 1))[answered]?.answer();
    expect(await peer.codes(100)).toEqual(ids.map((id) => `AA ${id}`));
  });

  it('stops reading from a sender whose messages wait', async () => {
    const { connect, fake } = await listen({ readAhead: 1 }, createFakeIntake({ byHand: true }));
    const peer = await connect();
    peer.write(framed(oru('1')));
    const [call] = await fake.called(1);
    // More than every buffer on the way holds: the rest stays with the sender.
    const rest = Buffer.from(framed(oru('2', `NTE|1||${'x'.repeat(1_800)}\r`)).repeat(20_000), 'latin1');
    let isTaken = false;
    peer.socket.write(rest, () => {
      isTaken = true;
    });
    // Each turn of another connection is a turn of the event loop, in which whatever is read from would be read.
    const other = await connect();
    for (let turn = 0; turn < 1_000; turn++) {
      other.write(framed(oru('9')));
      (await fake.called(turn + 2))[turn + 1]?.answer();
      await other.answers(turn + 1);
    }
    expect(isTaken).toBe(false);
    expect(fake.calls.filter((made) => made.text.includes('|2|P'))).toEqual([]);
    call?.answer();
    expect(await peer.codes(1)).toEqual(['AA 1']);
    await fake.called(1_002);
  });

  it('writes nothing for a message that is not to be answered now', async () => {
    const { connect, fake } = await listen({}, createFakeIntake({ byHand: true }));
    const peer = await connect();
    peer.write(framed(oru('1')) + framed(oru('2')));
    const [first, second] = await fake.called(2);
    first?.silence();
    second?.answer();
    expect(await peer.codes(1)).toEqual(['AA 2']);
  });

  it('closes a connection whose intake breaks its promise', async () => {
    const host = createTestHost();
    const source = mllpSource.create(mllpSource.config.parse({ port: 0 }), host);
    await source.start(() => Promise.reject(new Error('not to be shown')));
    cleanups.push(() => source.stop());
    const peer = await connectTo(source.address);
    peer.write(framed(oru('1')));
    await peer.ended;
    expect(await host.logged('intake-broken')).toMatchObject({ level: 'error', error: 'Error' });
    expect(JSON.stringify(host.lines)).not.toContain('not to be shown');
  });
});

describe('batches in a frame', () => {
  it('hands the messages over one by one and answers them with a batch', async () => {
    const { connect, fake } = await listen();
    const peer = await connect();
    peer.write(framed(`FHS|^~\\&|LAB\rBHS|^~\\&|LAB\r${oru('1')}${oru('2')}BTS|2\rFTS|1\r`) + framed(oru('3')));
    expect(await peer.codes(2)).toEqual(['FHS BHS AA 1 AA 2 BTS FTS', 'AA 3']);
    expect(fake.calls.map((call) => call.text)).toEqual([oru('1'), oru('2'), oru('3')]);
  });

  it('answers several bare messages of one frame with a batch', async () => {
    const { connect } = await listen();
    const peer = await connect();
    peer.write(framed(oru('1') + oru('2')));
    expect(await peer.codes(1)).toEqual(['BHS AA 1 AA 2 BTS']);
  });

  it('reports a count that does not fit', async () => {
    const { connect, host } = await listen();
    const peer = await connect();
    peer.write(framed(`BHS|^~\\&|LAB\r${oru('1')}BTS|2\r`));
    const [answer = ''] = await peer.answers(1);
    expect(answer).toContain('BTS|1|BTS-1 says 2 but 1 came\r');
    expect(await host.logged('batch-flawed')).toMatchObject({ detail: 'BTS-1 says 2 but 1 came' });
  });

  it('admits what comes behind a large batch after all of its messages', async () => {
    const { connect, fake } = await listen({ maxMessage: 100_000 }, createFakeIntake({ byHand: true }));
    const peer = await connect();
    const ids = Array.from({ length: 50 }, (_, index) => String(index));
    peer.write(framed(ids.map((id) => oru(id)).join('')) + framed(oru('last')));
    await fake.called(32);
    expect(fake.calls).toHaveLength(32);
    for (let answered = 0; answered < 51; answered++) (await fake.called(answered + 1))[answered]?.answer();
    const answers = await peer.codes(2);
    expect(answers).toEqual([`BHS ${ids.map((id) => `AA ${id}`).join(' ')} BTS`, 'AA last']);
    expect(fake.calls.at(-1)?.text).toBe(oru('last'));
  });

  it('refuses a batch of too many messages whole', async () => {
    const { connect, fake } = await listen({ maxBatchMessages: 2 });
    const peer = await connect();
    peer.write(framed(oru('1') + oru('2') + oru('3')));
    expect(await peer.codes(1)).toEqual(['AR 1']);
    expect(fake.calls.map((call) => call.fault?.code)).toEqual(['too-many']);
  });
});

describe('a frame made to hurt', () => {
  it('of envelopes and nothing else is refused whole', async () => {
    const { connect, fake } = await listen({ maxMessage: 4_000_000, maxBatchMessages: 100 });
    const peer = await connect();
    peer.write(framed(`BHS|^~\\&\r${'BTS|7\r'.repeat(500_000)}`), framed(oru('2')));
    expect(await peer.codes(2)).toEqual(['AR ', 'AA 2']);
    expect(fake.calls[0]?.fault?.code).toBe('too-many');
  });

  it('of wrong trailers is told a few times only', async () => {
    const { connect, host } = await listen();
    const peer = await connect();
    peer.write(framed(`BHS|^~\\&\r${oru('1')}${'BTS|7\r'.repeat(100)}`));
    expect(await peer.codes(1)).toEqual(['BHS AA 1 BTS']);
    expect(host.lines.filter((line) => line.event === 'batch-flawed')).toHaveLength(10);
  });
});

describe('the end of a connection', () => {
  it('waits for the answers of a sender that has closed its side', async () => {
    const { connect, fake } = await listen({}, createFakeIntake({ byHand: true }));
    const peer = await connect();
    peer.socket.end(Buffer.from(framed(oru('1')) + framed(oru('2'))));
    const calls = await fake.called(2);
    for (const call of calls) call.answer();
    expect(await peer.codes(2)).toEqual(['AA 1', 'AA 2']);
    await peer.closed;
  });

  it('records an unfinished frame of a sender that closed its side, and answers it', async () => {
    const { connect, fake } = await listen();
    const peer = await connect();
    peer.socket.end(Buffer.from(VT + oru('1')));
    expect(await peer.codes(1)).toEqual(['AR 1']);
    expect(fake.calls[0]?.fault?.code).toBe('frame-incomplete');
  });

  it('records an unfinished frame of a connection that broke', async () => {
    const { connect, fake } = await listen();
    const peer = await connect();
    await peer.writeApart(framed(oru('1')) + VT + oru('2'));
    await peer.codes(1);
    peer.socket.resetAndDestroy();
    const [, second] = await fake.called(2);
    expect(second?.fault?.code).toBe('frame-incomplete');
    expect(await second?.inbound.reply?.({ code: 'AA', bytes: Buffer.from('x'), messageId: 1, isFinal: true })).toBe(
      false,
    );
  });

  it('writes an answer owed for later while the connection lives, and not after', async () => {
    const { connect, fake } = await listen();
    const peer = await connect();
    peer.write(framed(oru('1')));
    await peer.codes(1);
    const reply = fake.calls[0]?.inbound.reply;
    const owed = { code: 'AE' as const, bytes: Buffer.from('MSH|^~\\&|\rMSA|AE|1\r'), messageId: 1, isFinal: true };
    expect(await reply?.(owed)).toBe(true);
    expect(await peer.codes(2)).toEqual(['AA 1', 'AE 1']);
    peer.socket.end();
    await peer.closed;
    expect(await reply?.(owed)).toBe(false);
  });

  it('L1: writes an answer owed for later behind the immediate answers, its own and those before it', async () => {
    const { connect, fake } = await listen({}, createFakeIntake({ byHand: true }));
    const peer = await connect();
    peer.write(framed(oru('1')) + framed(oru('2')) + framed(oru('3')));
    const [first, second, third] = await fake.called(3);
    const owed = { code: 'AA' as const, bytes: Buffer.from('MSH|^~\\&|\rMSA|AA|2\r'), messageId: 2, isFinal: true };
    const flushed = second?.inbound.reply?.(owed);
    second?.answer('CA');
    third?.answer('CA');
    first?.answer('CA');
    expect(await flushed).toBe(true);
    const codes = await peer.codes(4);
    expect(codes.filter((code) => code.startsWith('CA'))).toEqual(['CA 1', 'CA 2', 'CA 3']);
    expect(codes.indexOf('AA 2')).toBeGreaterThan(codes.indexOf('CA 2'));
  });

  it('L1: writes one without an immediate answer once those before it are written', async () => {
    const { connect, fake } = await listen({}, createFakeIntake({ byHand: true }));
    const peer = await connect();
    peer.write(framed(oru('1')) + framed(oru('2')));
    const [first, second] = await fake.called(2);
    const owed = { code: 'AA' as const, bytes: Buffer.from('MSH|^~\\&|\rMSA|AA|2\r'), messageId: 2, isFinal: true };
    const flushed = second?.inbound.reply?.(owed);
    second?.silence();
    first?.answer();
    expect(await flushed).toBe(true);
    expect(await peer.codes(2)).toEqual(['AA 1', 'AA 2']);
  });

  it('L2: writes an answer that is due already before it closes behind a sender that closed its side', async () => {
    const { connect, fake } = await listen({}, createFakeIntake({ byHand: true }));
    const peer = await connect();
    peer.socket.end(Buffer.from(framed(oru('1'))));
    const [call] = await fake.called(1);
    const owed = { code: 'AA' as const, bytes: Buffer.from('MSH|^~\\&|\rMSA|AA|1\r'), messageId: 1, isFinal: true };
    // Each turn of another connection is a turn of the event loop, in which the end is heard.
    const other = await connect();
    for (let turn = 0; turn < 20; turn++) {
      other.write(framed(oru('9')));
      (await fake.called(turn + 2))[turn + 1]?.answer();
      await other.answers(turn + 1);
    }
    const flushed = call?.inbound.reply?.(owed);
    call?.answer('CA');
    expect(await flushed).toBe(true);
    expect(await peer.codes(2)).toEqual(['CA 1', 'AA 1']);
    await peer.ended;
  });

  it('gives up an answer owed for later when the connection breaks before its turn', async () => {
    const { connect, fake } = await listen({}, createFakeIntake({ byHand: true }));
    const peer = await connect();
    peer.write(framed(oru('1')));
    const [call] = await fake.called(1);
    const owed = { code: 'AA' as const, bytes: Buffer.from('MSH|^~\\&|\rMSA|AA|1\r'), messageId: 1, isFinal: true };
    const flushed = call?.inbound.reply?.(owed);
    peer.socket.resetAndDestroy();
    expect(await flushed).toBe(false);
  });

  it('writes nothing for an answer without bytes', async () => {
    const source = mllpSource.create(mllpSource.config.parse({ port: 0 }), createTestHost());
    const silent = { code: 'AR' as const, bytes: new Uint8Array(0), messageId: null, isFinal: false };
    const fake = createFakeIntake();
    await source.start((inbound) =>
      Buffer.from(inbound.bytes).includes('|1|P') ? Promise.resolve(silent) : fake.intake(inbound),
    );
    cleanups.push(() => source.stop());
    const peer = await connectTo(source.address);
    cleanups.push(async () => void peer.socket.destroy());
    peer.write(framed(oru('1')) + framed(oru('2')));
    expect(await peer.codes(1)).toEqual(['AA 2']);
  });

  it('lets answers under way be written when it stops, and takes nothing new', async () => {
    const { connect, fake, source } = await listen({}, createFakeIntake({ byHand: true }));
    const peer = await connect();
    peer.write(framed(oru('1')));
    const [call] = await fake.called(1);
    const stopped = source.stop();
    peer.write(framed(oru('2')));
    call?.answer();
    expect(await peer.codes(2)).toEqual(['AA 1']);
    peer.socket.end();
    await stopped;
    await source.stop();
    expect(fake.calls).toHaveLength(1);
    await expect(connectTo(source.address)).rejects.toThrow();
  });

  it('does not wait for ever for an answer when it stops', async () => {
    const { connect, fake, source, host } = await listen({}, createFakeIntake({ byHand: true }));
    const peer = await connect();
    peer.write(framed(oru('1')));
    await fake.called(1);
    const stopped = source.stop();
    host.clock.advance(5_000);
    await stopped;
    await peer.ended;
  });

  it('says why it cannot start', async () => {
    const { source } = await listen();
    const port = Number(new URL(source.address).port);
    const second = mllpSource.create(mllpSource.config.parse({ port }), createTestHost());
    await expect(second.start(createFakeIntake().intake)).rejects.toThrow(/EADDRINUSE/);
  });
});

describe('its configuration', () => {
  it('refuses keys it does not know and client certificates nobody can check', () => {
    expect(() => mllpSource.config.parse({ port: 1, prot: 2 })).toThrow(/prot/);
    expect(() => mllpSource.config.parse({ port: 1, tls: { cert: 'a', key: 'b' } })).toThrow(/tls\.ca is required/);
  });
});
