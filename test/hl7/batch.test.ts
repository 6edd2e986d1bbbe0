import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BatchEvent, BatchSplitter, holdsBatch } from '../../src/hl7/batch.ts';

const M1 = 'MSH|^~\\&|A|||||||1|P|2.5\rPID|1\r';
const M2 = 'MSH|^~\\&|B|||||||2|P|2.5\rOBX|1|ST|||x\r';
const M3 = 'MSH@^~\\&@C@@@@@@@3@P@2.5\nPID@1\n';

function tell(event: BatchEvent): string {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
  switch (event.kind) {
    case 'message':
      return text(event.bytes);
    case 'oversize':
      return `oversize ${text(event.prefix)}`;
    case 'header':
      return `header ${text(event.bytes)}`;
    case 'trailer':
      return `${event.isClosed ? 'trailer' : 'no trailer'} ${event.segment} ${event.declared} ${event.counted}`;
    case 'stray':
      return `stray ${event.lines}`;
  }
}

function split(chunks: readonly Uint8Array[], maxBytes = 200): string[] {
  const splitter = new BatchSplitter(maxBytes);
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()].map(tell);
}

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');
const each = (text: string): Buffer[] => [...text].map(bytesOf);

describe('BatchSplitter', () => {
  it.each<[string, string, string[]]>([
    ['one message', M1, [M1]],
    ['several bare messages', M1 + M2 + M3, [M1, M2, M3]],
    [
      'a batch in a file',
      `FHS|^~\\&|F\rBHS|^~\\&|B\r${M1}${M2}BTS|2\rFTS|1\r`,
      ['header FHS|^~\\&|F', 'header BHS|^~\\&|B', M1, M2, 'trailer BTS 2 2', 'trailer FTS 1 1'],
    ],
    [
      'two batches in a file',
      `FHS|^~\\&|F\nBHS|^~\\&|B\n${M1}BTS|1\nBHS|^~\\&|C\n${M2}BTS|1\nFTS|2`,
      [
        'header FHS|^~\\&|F',
        'header BHS|^~\\&|B',
        M1,
        'trailer BTS 1 1',
        'header BHS|^~\\&|C',
        M2,
        'trailer BTS 1 1',
        'trailer FTS 2 2',
      ],
    ],
    ['a batch without file', `BHS|^~\\&\r${M1}BTS\r`, ['header BHS|^~\\&', M1, 'trailer BTS null 1']],
    ['a wrong count', `BHS|^~\\&\r${M1}BTS|3|x\r`, ['header BHS|^~\\&', M1, 'trailer BTS 3 1']],
    ['a count that is no number', `BHS|^~\\&\r${M1}BTS|two\r`, ['header BHS|^~\\&', M1, 'trailer BTS null 1']],
    [
      'a file that was cut off',
      `FHS|^~\\&\rBHS|^~\\&\r${M1}${M2.slice(0, 30)}`,
      ['header FHS|^~\\&', 'header BHS|^~\\&', M1, M2.slice(0, 30), 'no trailer BTS null 2', 'no trailer FTS null 1'],
    ],
    [
      'a batch that begins before the last one ended',
      `BHS|^~\\&\r${M1}BHS|^~\\&|2\r${M2}BTS|1\r`,
      ['header BHS|^~\\&', M1, 'no trailer BTS null 1', 'header BHS|^~\\&|2', M2, 'trailer BTS 1 1'],
    ],
    ['stray lines before the first message', `# export\r\n\r\nPID|1\r\n${M1}`, ['stray 2', M1]],
    [
      'stray lines behind a trailer',
      `BHS|^~\\&\r${M1}BTS|1\rfoo\r`,
      ['header BHS|^~\\&', M1, 'trailer BTS 1 1', 'stray 1'],
    ],
    ['no message at all', 'hello\nworld', ['stray 2']],
    ['nothing', '', []],
    ['a byte order mark', `\xef\xbb\xbf${M1}`, [M1]],
    ['blank lines between messages, which stay with the one before', `\r\n${M1}\r\n\r\n${M2}`, [`${M1}\r\n\r\n`, M2]],
    ['MLLP envelopes around messages', `\x0b${M1}\x1c\r\x0b${M2}\x1c\r`, [M1, M2]],
    ['MLLP envelopes with line feeds', `\x0b${M1}\x1c\n\x0b${M2}\x1c`, [M1, M2]],
    ['MLLP envelopes without the final CR', `\x0b${M1}\x1c\x0b${M2}\x1c`, [M1, M2]],
    ['an FS that begins a line of data', `MSH|a\r\x1cx\r${M2}`, ['MSH|a\r\x1cx\r', M2]],
    ['lines that only look like MSH', 'MSH|a\rMSHA|b\rMSH\rxMSH|c\r', ['MSH|a\rMSHA|b\rMSH\rxMSH|c\r']],
    ['mixed line ends', 'MSH|a\r\nPID|1\nOBX|1\rOBX|2\r\nMSH|b\n', ['MSH|a\r\nPID|1\nOBX|1\rOBX|2\r\n', 'MSH|b\n']],
  ])('takes %s', (_name, text, events) => {
    expect(split([bytesOf(text)])).toEqual(events);
    expect(split(each(text))).toEqual(events);
  });

  it('tells an oversized message by its first bytes and goes on with the next', () => {
    const large = `MSH|${'x'.repeat(300)}\rPID|1\r`;
    const events = [`oversize ${large.slice(0, 200)}`, M2, 'trailer BTS 2 2'];
    expect(split([bytesOf(`BHS|^\r${large}${M2}BTS|2\r`)]).slice(1)).toEqual(events);
    expect(split(each(`BHS|^\r${large}${M2}BTS|2\r`)).slice(1)).toEqual(events);
  });

  it('bounds an envelope segment that does not end', () => {
    const splitter = new BatchSplitter(100);
    const events = [
      splitter.push(bytesOf('BHS|')),
      ...Array.from({ length: 100 }, () => splitter.push(Buffer.alloc(1000, 'x'))),
    ];
    const [header] = events.flat();
    expect(header?.kind === 'header' && header.bytes.length).toBeLessThanOrEqual(16_384);
    expect(splitter.push(bytesOf(`\r${M1}MSH|^~\\&|B`)).map(tell)).toEqual([M1]);
  });

  const piece = fc.constantFrom(
    'MSH|a',
    'FHS|^',
    'BHS|^',
    'BTS|1',
    'FTS|',
    'PID|1',
    '\r',
    '\n',
    '\r\n',
    '\x0b',
    '\x1c',
    'MSH',
    'x'.repeat(70),
  );

  it('tells the same events however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.array(fc.nat(30)), (pieces, cuts) => {
        const bytes = bytesOf(pieces.join(''));
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const length of cuts) {
          chunks.push(bytes.subarray(at, at + length));
          at += length;
        }
        chunks.push(bytes.subarray(at));
        expect(split(chunks)).toEqual(split([bytes]));
      }),
      { numRuns: 2000 },
    );
  });

  it('gives back every message of a list byte for byte', () => {
    const line = fc
      .stringMatching(/^[A-LN-Z][A-Z]{2}\|[a-zåäö |^]{0,20}$/)
      .filter((text) => !/^(BHS|FHS|BTS|FTS)/.test(text));
    const end = fc.constantFrom('\r', '\n', '\r\n');
    const message = fc
      .tuple(fc.array(line, { maxLength: 4 }), end)
      .map(([lines, cut]) => ['MSH|^~\\&|x', ...lines, ''].join(cut));
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), (messages) => {
        expect(split([bytesOf(messages.join(''))], 1000)).toEqual(messages);
      }),
    );
  });
});

describe('holdsBatch', () => {
  it.each<[string, boolean]>([
    [M1, false],
    [M1 + M2, true],
    [`${M1}\n${M2}`, true],
    ['FHS|^~\\&\r', true],
    [`\r\nBHS|^~\\&\r${M1}`, true],
    ['MSH|a|MSH|\rOBX|MSH|\rMSHX\rMSH\r', false],
    ['', false],
    ['PID|1\rMSH|a\rMSH|b', false],
    [`\xef\xbb\xbf${M1}`, false],
  ])('of %j is %s', (text, expected) => {
    expect(holdsBatch(bytesOf(text))).toBe(expected);
  });
});
