import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Hl7Message } from '@medplum/core';
import { Hl7Client } from '@medplum/hl7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readHeader } from '../../src/hl7/header.ts';
import { frameMessage, MllpDecoder } from '../../src/hl7/mllp.ts';
import { parseAck } from '../../src/hl7/parse-ack.ts';
import { createLaboratory } from '../../src/simulators/laboratory.ts';
import { type EngineProcess, within } from './engine-process.ts';
import { testMessage } from './message.ts';
import { connectPeer, type MllpPeer } from './mllp-peer.ts';
import { makeSite, NORD, type Site, SYD } from './site.ts';

const CORPUS = join(import.meta.dirname, '../../../shared/corpus');
const corpus = existsSync(CORPUS) ? globSync('**/*.hl7', { cwd: CORPUS }).sort() : [];
if (corpus.length === 0) console.warn('traffic.test.ts: there is no ../shared/corpus; nothing of it goes in');

const MAX_MESSAGE_BYTES = 1_000_000;

let site: Site;
let engine: EngineProcess;
beforeAll(async () => {
  const mllp = `, maxMessage: ${MAX_MESSAGE_BYTES}, partialFrameTimeout: 400ms`;
  site = await makeSite({ mllp });
  engine = await site.start();
}, 60_000);
afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

/** Resolves once the service has issued so many more certificates. */
function issuedMore(count: number): Promise<void> {
  const { ledger } = site.standIn;
  const wanted = ledger.certificates() + count;
  const look = async () => {
    while (ledger.certificates() < wanted) await ledger.waitFor(ledger.entries().length + 1);
  };
  return within(30_000, look(), () => `${wanted} certificates; there are ${ledger.certificates()}`);
}

describe('two care providers', { timeout: 120_000 }, () => {
  it('never share a certificate, however their results interleave', async () => {
    const { ledger } = site.standIn;
    const before = ledger.entries().length;
    const each = 60;
    const issued = issuedMore(3 * 2 * each);
    const send = async (channel: string, first: number, parties: readonly (typeof NORD | typeof SYD)[]) => {
      using peer = await connectPeer(await site.port(channel));
      for (let index = 0; index < 2 * each; index += 1) {
        const party = parties[index % parties.length] ?? NORD;
        const controlId = `P${first + index}`;
        // The same persons at both: their lanes must not be taken for one another's either.
        const message = testMessage({ controlId, person: 100_000 + (index % 7), results: [controlId], party });
        peer.socket.write(frameMessage(message));
      }
      const answers = await peer.answered(2 * each);
      expect(answers.map((answer) => parseAck(answer)?.code)).toEqual(Array(2 * each).fill('AA'));
    };
    await Promise.all([
      send('lab-both', 0, [NORD, SYD]),
      send('lab-nord', 1_000, [NORD]),
      send('lab-syd', 2_000, [SYD]),
    ]);
    await issued;
    const entries = ledger.entries().slice(before);
    expect(ledger.crossed()).toEqual([]);
    expect(entries.filter(({ organisation }) => organisation === NORD.number)).toHaveLength(3 * each);
    expect(entries.filter(({ organisation }) => organisation === SYD.number)).toHaveLength(3 * each);
    const stated = new Map<string, string>([
      [NORD.number, NORD.name],
      [SYD.number, SYD.name],
    ]);
    for (const entry of entries) expect(entry.stated).toBe(stated.get(entry.organisation));
  });

  it('are not spoken for by a channel that may not', async () => {
    const before = site.standIn.ledger.entries().length;
    using peer = await connectPeer(await site.port('lab-nord'));
    const ack = await peer.exchange(testMessage({ controlId: 'X1', person: 7, results: ['X1'], party: SYD }));
    expect(ack?.code).toBe('AA');
    await engine.seen('message-held', ({ fault }) => fault === 'party-not-permitted');
    const issued = issuedMore(1);
    await peer.exchange(testMessage({ controlId: 'X2', person: 7, results: ['X2'] }));
    await issued;
    expect(
      site.standIn.ledger
        .entries()
        .slice(before)
        .map(({ organisation }) => organisation),
    ).toEqual([NORD.number]);
  });
});

describe('foreign senders', { timeout: 120_000 }, () => {
  it('node-hl7-client gets AA, and its results get their certificates', async () => {
    const laboratory = createLaboratory({ host: '127.0.0.1', port: await site.port('lab-nord') });
    try {
      const issued = issuedMore(10);
      for (let index = 0; index < 10; index += 1) {
        const controlId = `N${index}`;
        const answer = await laboratory.send(testMessage({ controlId, person: 200_000 + index, results: [controlId] }));
        expect(answer).toMatchObject({ code: 'AA', sentBy: 'library', understood: true });
      }
      await issued;
    } finally {
      await laboratory.close();
    }
  });

  it('@medplum/hl7 gets AA, and its results get their certificates', async () => {
    const client = new Hl7Client({ host: '127.0.0.1', port: await site.port('lab-nord') });
    try {
      const issued = issuedMore(20);
      const ids = Array.from({ length: 20 }, (_, index) => `MP${index}`);
      const answers = await Promise.all(
        ids.map((controlId, index) => {
          const text = testMessage({ controlId, person: 210_000 + index, results: [controlId] }).toString('latin1');
          // The client is typed with a copy of @medplum/core of its own.
          return client.sendAndWait(Hl7Message.parse(text) as unknown as Parameters<Hl7Client['sendAndWait']>[0]);
        }),
      );
      expect(answers.map((answer) => answer.getSegment('MSA')?.getField(1)?.toString())).toEqual(ids.map(() => 'AA'));
      expect(answers.map((answer) => answer.getSegment('MSA')?.getField(2)?.toString())).toEqual(ids);
      await issued;
    } finally {
      await client.close();
    }
  });
});

describe.runIf(corpus.length > 0)('public messages', () => {
  it('all get exactly the answers they are owed, and the engine lives on', async () => {
    using peer = await connectPeer(await site.port('lab-both'));
    for (const [index, file] of corpus.entries()) {
      const frame = frameMessage(readFileSync(join(CORPUS, file)));
      const owed = countOwed(frame);
      const before = peer.answers.length;
      peer.socket.write(frame);
      // Behind it a message that is certainly answered: when that answer is there, all before it are.
      const probe = `PROBE${index}`;
      peer.socket.write(frameMessage(testMessage({ controlId: probe, person: 300_000 + index, results: [probe] })));
      let answers = await peer.answered(before + owed + 1);
      // In enhanced mode a message asks for none, one or two answers of its own.
      while (parseAck(answers.at(-1) as Uint8Array)?.controlId !== probe) {
        answers = await peer.answered(answers.length + 1);
      }
      expect(parseAck(answers.at(-1) as Uint8Array)?.code, file).toBe('AA');
      for (const answer of answers.slice(before, -1)) expect(String(answer[0]), file).toMatch(/^(77|66|70|254|255|0)$/);
    }
    expect(engine.hasEnded()).toBe(false);
    expect(engine.lines.filter(({ event }) => /broken/.test(event))).toEqual([]);
  }, 120_000);
});

/** Frames that have to be answered at once: all but acknowledgements and messages that say themselves what they want. */
function countOwed(frame: Uint8Array): number {
  return new MllpDecoder(MAX_MESSAGE_BYTES).push(frame).filter((event) => {
    if (event.kind === 'junk') return false;
    return event.kind !== 'message' || !choosesItsAnswers(event.bytes);
  }).length;
}

function choosesItsAnswers(bytes: Uint8Array): boolean {
  try {
    const { messageCode, acceptAck, applicationAck } = readHeader(bytes);
    return messageCode === 'ACK' || acceptAck !== '' || applicationAck !== '';
  } catch {
    return false;
  }
}

describe('a sender that misbehaves', { timeout: 120_000 }, () => {
  const good = (controlId: string) => testMessage({ controlId, person: 400_000, results: [controlId] });
  const peerAt = async (): Promise<MllpPeer> => connectPeer(await site.port('lab-nord'));

  it('gets a negative answer and is cut off where its frame is over the limit', async () => {
    using peer = await peerAt();
    const rest = Buffer.alloc(MAX_MESSAGE_BYTES, 'x');
    peer.socket.write(frameMessage(Buffer.concat([good('BIG'), Buffer.from('NTE|1||'), rest])));
    const [answer] = await peer.answered(1);
    expect(parseAck(answer as Uint8Array)).toMatchObject({ code: 'AR', controlId: 'BIG' });
    await within(30_000, peer.closed, () => 'the connection to be closed');
    await engine.seen('message-refused', ({ fault }) => fault === 'frame-too-large');
  });

  it('is answered where it stops within a frame, and may go on with the next', async () => {
    using peer = await peerAt();
    peer.socket.write(frameMessage(good('SLOW')).subarray(0, 80));
    const [answer] = await peer.answered(1);
    expect(parseAck(answer as Uint8Array)?.code).toBe('AR');
    expect((await peer.exchange(good('AFTER-SLOW')))?.code).toBe('AA');
  });

  it('holds nobody up by sending a byte at a time', async () => {
    using slow = await peerAt();
    using quick = await peerAt();
    const frame = frameMessage(good('DRIP'));
    for (let index = 0; index < frame.length; index += 1) {
      slow.socket.write(frame.subarray(index, index + 1));
      if (index % 100 === 0) expect((await quick.exchange(good(`QUICK${index}`)))?.code).toBe('AA');
    }
    const [answer] = await slow.answered(1);
    expect(parseAck(answer as Uint8Array)).toMatchObject({ code: 'AA', controlId: 'DRIP' });
  });

  it('loses nothing by junk before, between and within its frames', async () => {
    using peer = await peerAt();
    peer.socket.write('GET / HTTP/1.1\r\n\r\n');
    expect((await peer.exchange(good('J1')))?.code).toBe('AA');
    peer.socket.write(Buffer.alloc(5_000, 0xff));
    expect(await peer.exchange(Buffer.from('nothing of HL7'))).toMatchObject({ code: 'AR' });
    expect(await peer.exchange(Buffer.alloc(0))).toMatchObject({ code: 'AR' });
    expect((await peer.exchange(good('J2')))?.code).toBe('AA');
  });

  it('may go away in the middle: the next one is served', async () => {
    for (let index = 0; index < 20; index += 1) {
      using gone = await peerAt();
      gone.socket.write(frameMessage(good(`GONE${index}`)).subarray(0, 10 + 7 * index));
      gone.socket.resetAndDestroy();
      await gone.closed;
    }
    using peer = await peerAt();
    expect((await peer.exchange(good('STILL-THERE')))?.code).toBe('AA');
  });
});
