import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frameMessage, MllpDecoder, type MllpEvent } from '../../src/hl7/mllp.ts';

const LIMIT = 200;
const M1 = 'MSH|^~\\&|A|||||||1|P|2.5\rPID|1\r';
const M2 = 'MSH|^~\\&|B|||||||2|P|2.5\rOBX|1|ST|||LONGVALUE\r';

/** Events as texts: what a test can say in one line. */
function tell(events: readonly MllpEvent[]): string[] {
  return events.map(tellOne);
}

function tellOne(event: MllpEvent): string {
  switch (event.kind) {
    case 'message':
      return `${event.isClosed ? 'message' : 'unclosed'} ${text(event.bytes)}`;
    case 'oversize':
      return `oversize ${text(event.prefix)}`;
    case 'incomplete':
      return `incomplete ${text(event.bytes)}`;
    case 'junk':
      return `junk ${event.count}`;
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function decode(chunks: readonly (string | Uint8Array)[], maxBytes = LIMIT): string[] {
  const decoder = new MllpDecoder(maxBytes);
  const events = chunks.flatMap((chunk) =>
    decoder.push(typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk),
  );
  return tell([...events, ...decoder.giveUp()]);
}

const VT = '\x0b';
const END = '\x1c\r';
const framed = (message: string): string => VT + message + END;

describe('MllpDecoder', () => {
  it.each<[string, string[], string[]]>([
    ['one message in one chunk', [framed(M1)], [`message ${M1}`]],
    ['one message in three chunks', [VT, M1.slice(0, 9), M1.slice(9) + END], [`message ${M1}`]],
    ['FS and CR in different chunks', [`${VT + M1}\x1c`, '\r'], [`message ${M1}`]],
    ['two messages in one chunk', [framed(M1) + framed(M2)], [`message ${M1}`, `message ${M2}`]],
    [
      'one and a half messages, then the rest',
      [framed(M1) + VT + M2.slice(0, 40), M2.slice(40) + END],
      [`message ${M1}`, `message ${M2}`],
    ],
    ['every byte alone', [...framed(M1)], [`message ${M1}`]],
    ['junk before VT', [`hello${framed(M1)}`], ['junk 5', `message ${M1}`]],
    ['junk between frames', [`${framed(M1)}\n`, `\n${framed(M2)}`], [`message ${M1}`, 'junk 2', `message ${M2}`]],
    ['junk after the last frame', [`${framed(M1)}bye`], [`message ${M1}`, 'junk 3']],
    ['junk alone', ['GET / HTTP/1.1\r\n\r\n'], ['junk 18']],
    ['a bare FS inside the data', [framed('MSH|a\x1cb\x1c\x1c\rc')], ['message MSH|a\x1cb\x1c', 'junk 3']],
    ['a bare FS inside the data at the end of a chunk', [`${VT}MSH|a\x1c`, `b${END}`], ['message MSH|a\x1cb']],
    ['an abandoned frame, then a good one', [VT + M1 + framed(M2)], [`incomplete ${M1}`, `message ${M2}`]],
    [
      'an abandoned frame, then a good one cut inside MSH',
      [`${VT + M1 + VT}MS`, M2.slice(2) + END],
      [`incomplete ${M1}`, `message ${M2}`],
    ],
    ['an abandoned frame, then a batch', [`${VT}MSH|x${framed('BHS|y')}`], ['incomplete MSH|x', 'message BHS|y']],
    ['a VT inside the data', [framed('MSH|a\x0bb\x0bMSHx\x0bMS')], ['message MSH|a\x0bb\x0bMSHx\x0bMS']],
    ['two VT at the start', [VT + framed(M1)], ['junk 1', `message ${M1}`]],
    ['the final CR missing', [`${VT + M1}\x1c${framed(M2)}`], [`unclosed ${M1}`, `message ${M2}`]],
    ['the final CR missing at the end of all', [`${VT + M1}\x1c`], [`unclosed ${M1}`]],
    ['FS and CR missing at the end of all', [VT + M1], [`incomplete ${M1}`]],
    ['an FS in the middle of a segment at the end of all', [`${VT}MSH|a\x1c`], ['incomplete MSH|a\x1c']],
    ['no CR behind the last segment', [framed('MSH|a')], ['message MSH|a']],
    ['an empty frame', [framed('') + framed(M1)], ['message ', `message ${M1}`]],
    ['a frame that is not HL7, then a good one', [framed('?') + framed(M1)], ['message ?', `message ${M1}`]],
    ['Latin-1 letters', [framed('MSH|Åsa \xff')], ['message MSH|Åsa \xff']],
  ])('takes %s', (_name, chunks, events) => {
    expect(decode(chunks)).toEqual(events);
    // The same bytes one by one give the same events.
    expect(decode([...chunks.join('')])).toEqual(events);
  });

  it('ends a frame at FS only when CR follows', () => {
    const decoder = new MllpDecoder(LIMIT);
    expect(decoder.push(Buffer.from(`${VT + M1}\x1c`))).toEqual([]);
    expect(decoder.isInFrame).toBe(true);
    expect(tell(decoder.push(Buffer.from('\r')))).toEqual([`message ${M1}`]);
    expect(decoder.isInFrame).toBe(false);
  });

  it('ends a frame without its final CR when asked, and only if its last segment is closed', () => {
    const decoder = new MllpDecoder(LIMIT);
    decoder.push(Buffer.from(`${VT + M1}\x1c`));
    expect(decoder.lacksOnlyFinalCr).toBe(true);
    expect(tell(decoder.endWithoutCr())).toEqual([`unclosed ${M1}`]);
    expect(decoder.endWithoutCr()).toEqual([]);
    // A CR that comes late after all is junk and harms nothing.
    expect(tell(decoder.push(Buffer.from(`\r${framed(M2)}`)))).toEqual(['junk 1', `message ${M2}`]);

    decoder.push(Buffer.from(`${VT}MSH|half a val\x1c`));
    expect(decoder.lacksOnlyFinalCr).toBe(false);
    expect(decoder.endWithoutCr()).toEqual([]);
    expect(tell(decoder.push(Buffer.from(`ue${END}`)))).toEqual(['message MSH|half a val\x1cue']);
  });

  it('goes on with the next frame after giving one up', () => {
    const decoder = new MllpDecoder(LIMIT);
    decoder.push(Buffer.from(`${VT}MSH|ha`));
    expect(tell(decoder.giveUp())).toEqual(['incomplete MSH|ha']);
    expect(decoder.giveUp()).toEqual([]);
    expect(tell(decoder.push(Buffer.from(`lf${END}${framed(M1)}`)))).toEqual(['junk 4', `message ${M1}`]);
  });

  it('takes a frame of exactly the limit and tells one above it once, with its first bytes', () => {
    const fits = `MSH|${'x'.repeat(LIMIT - 4)}`;
    expect(decode([framed(fits)])).toEqual([`message ${fits}`]);
    expect(decode([`${framed(`${fits}yz`)}${framed(M1)}`])).toEqual([`oversize ${fits}`, `message ${M1}`]);
    expect(decode([VT + fits, 'y', 'z', END + framed(M1)])).toEqual([`oversize ${fits}`, `message ${M1}`]);
    expect(decode([`${VT + fits}yyy`])).toEqual([`oversize ${fits}`]);
    expect(decode([`${VT + fits}yyy${framed(M1)}`])).toEqual([`oversize ${fits}`, `message ${M1}`]);
  });

  it('keeps at most four kilobytes of a frame that is too large', () => {
    const decoder = new MllpDecoder(100_000);
    const events = [
      decoder.push(Buffer.from(VT)),
      ...Array.from({ length: 50 }, () => decoder.push(Buffer.alloc(4000))),
    ];
    const [event, ...more] = events.flat();
    expect(more).toEqual([]);
    expect(event?.kind === 'oversize' && event.prefix.length).toBe(4096);
    expect(event?.kind === 'oversize' && event.prefix.buffer.byteLength).toBeLessThan(10_000);
  });

  it('hands a message that lies in one chunk over without copying it', () => {
    const chunk = Buffer.from(framed(M1));
    const [event] = new MllpDecoder(LIMIT).push(chunk);
    expect(event?.kind === 'message' && event.bytes.buffer).toBe(chunk.buffer);
  });

  it('gives back what frameMessage framed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const holdsMarks = bytes.includes(0x1c) || bytes.includes(0x0b);
        fc.pre(!holdsMarks);
        expect(decode([frameMessage(bytes)])).toEqual([`message ${text(bytes)}`]);
      }),
    );
  });

  const content = fc.array(fc.constantFrom('MSH|', 'x', '|', '\r', '\x1c', VT, 'MS', 'H', 'BHS|', 'y'.repeat(60)), {
    maxLength: 12,
  });
  const piece = fc.oneof(
    content.map((parts) => framed(parts.join(''))),
    content.map((parts) => VT + parts.join('')),
    content.map((parts) => parts.join('')),
  );

  it('tells the same events however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), fc.array(fc.nat(40)), (pieces, cuts) => {
        const bytes = Buffer.from(pieces.join(''), 'latin1');
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const length of cuts) {
          chunks.push(bytes.subarray(at, at + length));
          at += length;
        }
        chunks.push(bytes.subarray(at));
        expect(decode(chunks)).toEqual(decode([bytes]));
      }),
      { numRuns: 2000 },
    );
  });

  it('neither loses nor repeats a byte of any content', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const bytes = Buffer.from(pieces.join(''), 'latin1');
        const decoder = new MllpDecoder(10_000);
        const events = [...decoder.push(bytes), ...decoder.giveUp()];
        const sizes = events.map((event) => {
          if (event.kind === 'junk') return { least: event.count, most: event.count };
          if (event.kind === 'oversize') throw new Error('nothing is that large here');
          const size = event.bytes.length + 1;
          // VT, and FS CR or FS alone where the frame ended.
          return event.kind === 'message' ? { least: size + 1, most: size + 2 } : { least: size, most: size };
        });
        expect(sizes.reduce((sum, size) => sum + size.least, 0)).toBeLessThanOrEqual(bytes.length);
        expect(sizes.reduce((sum, size) => sum + size.most, 0)).toBeGreaterThanOrEqual(bytes.length);
      }),
    );
  });

  it('keeps nothing of a chunk that told nothing', () => {
    const decoder = new MllpDecoder(1_000);
    const told: MllpEvent[] = [];
    for (const text of [`x${VT}MSH|`, 'a', '\x1c', 'b', `${VT}M`, 'S', 'x', '\x1c', '\r']) {
      const chunk = Buffer.from(text);
      const events = decoder.push(chunk);
      if (events.length === 0) chunk.fill(0);
      told.push(...events);
    }
    const message = told.find((event) => event.kind === 'message');
    expect(message === undefined ? null : Buffer.from(message.bytes).toString()).toBe(`MSH|a\x1cb${VT}MSx`);
  });

  it('copies a large message a bounded number of times, however small the chunks', () => {
    // Work that grew with the square of the size would take minutes here; there is no other assertion on time.
    const size = 16 * 1024 * 1024;
    const decoder = new MllpDecoder(size);
    const chunk = Buffer.alloc(16 * 1024, 'x');
    const events = decoder.push(Buffer.from(VT));
    for (let sent = 0; sent < size; sent += chunk.length) events.push(...decoder.push(chunk));
    events.push(...decoder.push(Buffer.from(END)));
    expect(events.map((event) => event.kind === 'message' && event.bytes.length)).toEqual([size]);
    const single = new MllpDecoder(size);
    const one = Buffer.from('x');
    single.push(Buffer.from(VT));
    for (let sent = 0; sent < 1_000_000; sent++) single.push(one);
    expect(single.push(Buffer.from(END)).map((event) => event.kind === 'message' && event.bytes.length)).toEqual([
      1_000_000,
    ]);
  });
});
