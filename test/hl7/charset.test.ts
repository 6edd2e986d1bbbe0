import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/contracts/fault.ts';
import {
  type Charset,
  decodeMessage,
  decodeText,
  encodeExactly,
  encodeText,
  findCharset,
  resolveCharset,
} from '../../src/hl7/charset.ts';

const NO_POLICY = { default: null, force: null };

function named(name: string): Charset {
  const found = findCharset(name);
  if (found === null) throw new Error(`no charset ${name}`);
  return found;
}

function faultOf(run: () => unknown): Fault {
  try {
    run();
  } catch (error) {
    if (error instanceof Fault) return error;
  }
  throw new Error('no fault');
}

describe('resolveCharset', () => {
  it.each([
    ['ASCII', 'ASCII'],
    ['8859/1', '8859/1'],
    ['ISO-8859-1', '8859/1'],
    ['ISO8859-1', '8859/1'],
    ['iso_8859-1', '8859/1'],
    ['8859-1', '8859/1'],
    ['8859/2', '8859/2'],
    ['8859/15', '8859/15'],
    ['ISO-8859-15', '8859/15'],
    ['UNICODE UTF-8', 'UNICODE UTF-8'],
    ['UTF-8', 'UNICODE UTF-8'],
    ['utf8', 'UNICODE UTF-8'],
    ['UNICODE UTF-16', 'UNICODE UTF-16'],
    ['WINDOWS-1252', 'WINDOWS-1252'],
    ['cp850', 'CP850'],
    ['GB 18030-2000', 'GB 18030-2000'],
    ['KS X 1001', 'KS X 1001'],
    ['BIG-5', 'BIG-5'],
  ])('knows %s as %s', (spelling, name) => {
    expect(resolveCharset(spelling, NO_POLICY).name).toBe(name);
  });

  it('takes an empty MSH-18 as ASCII unless the channel has a default', () => {
    expect(resolveCharset('', NO_POLICY).name).toBe('ASCII');
    expect(resolveCharset('', { default: '8859/1', force: null }).name).toBe('8859/1');
  });

  it('believes MSH-18 over the default, and force over MSH-18', () => {
    expect(resolveCharset('UNICODE UTF-8', { default: '8859/1', force: null }).name).toBe('UNICODE UTF-8');
    expect(resolveCharset('UNICODE UTF-8', { default: null, force: '8859/1' }).name).toBe('8859/1');
  });

  it('refuses a name it does not know without repeating it', () => {
    const fault = faultOf(() => resolveCharset('ANSI', NO_POLICY));
    expect(fault.record).toEqual({ code: 'charset-unknown', at: 'MSH-18', where: null, detail: null });
  });
});

describe('decodeText', () => {
  it('reads å ä ö in 8859/1, 8859/15, WINDOWS-1252 and UTF-8', () => {
    const latin = Uint8Array.from([0xc5, 0x73, 0x61, 0x20, 0xd6, 0x62]);
    for (const name of ['8859/1', '8859/15', 'WINDOWS-1252']) expect(decodeText(latin, named(name))).toBe('Åsa Öb');
    expect(decodeText(Buffer.from('Åsa Öb'), named('UTF-8'))).toBe('Åsa Öb');
  });

  it('maps 0x80 to 0x9F of 8859/1 to the C1 controls, not to the letters of Windows-1252', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    expect(decodeText(bytes, named('8859/1'))).toBe(String.fromCharCode(...bytes));
    expect(decodeText(Uint8Array.from([0x80]), named('WINDOWS-1252'))).toBe('€');
    expect(decodeText(Uint8Array.from([0xa4]), named('8859/15'))).toBe('€');
  });

  it.each([
    ['ASCII', [0x41, 0xc5], 'ASCII, byte 1'],
    ['UTF-8', [0x41, 0xc5, 0x73], 'UNICODE UTF-8, byte 1'],
    ['UTF-8', [0x41, 0x80], 'UNICODE UTF-8, byte 1'],
    ['UTF-8', [0xc3, 0xa9, 0xc3], 'UNICODE UTF-8, byte 2'],
    ['UTF-8', [0xed, 0xa0, 0x80], 'UNICODE UTF-8, byte 0'],
    ['UTF-8', [0xef, 0xbb, 0xbf, 0x41, 0xff], 'UNICODE UTF-8, byte 4'],
    ['WINDOWS-1252', [0x41, 0x81], 'WINDOWS-1252, byte 1'],
    ['8859/3', [0xa5], '8859/3, byte 0'],
    ['GB 18030-2000', [0x81], 'GB 18030-2000'],
    ['UNICODE UTF-16', [0xfe, 0xff, 0xd8, 0x00, 0x00, 0x41], 'UNICODE UTF-16'],
  ])('refuses bytes that are not valid in %s: %j', (name, bytes, detail) => {
    const fault = faultOf(() => decodeText(Uint8Array.from(bytes), named(name)));
    expect(fault.record).toEqual({ code: 'charset-undecodable', at: 'MSH-18', where: null, detail });
  });

  it.each(['å', 'ł', '😀'])('reads a long text with %s in it as a short one', (letter) => {
    const text = `${'x'.repeat(99_997)}${letter}${'y'.repeat(99_997)}`;
    expect(decodeText(Buffer.from(text), named('UTF-8')) === text).toBe(true);
  });

  it('finds the first bad byte of a long UTF-8 text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 50 }), fc.string({ unit: 'grapheme' }), (before, after) => {
        const bytes = Buffer.concat([Buffer.from(before), Buffer.from([0xff]), Buffer.from(after)]);
        const fault = faultOf(() => decodeText(bytes, named('UTF-8')));
        expect(fault.detail).toBe(`UNICODE UTF-8, byte ${Buffer.byteLength(before)}`);
      }),
    );
  });

  it('drops a byte order mark and keeps a real U+FFFD', () => {
    expect(decodeText(Buffer.from('\ufeffMSH'), named('UTF-8'))).toBe('MSH');
    expect(decodeText(Buffer.from('\ufeffMSH'), named('ASCII'))).toBe('MSH');
    expect(decodeText(Buffer.from('a\ufffdb'), named('UTF-8'))).toBe('a\ufffdb');
  });

  it('reads UTF-16 in either order', () => {
    const le = Buffer.from('MSH|å', 'utf16le');
    expect(decodeText(le, named('UTF-16'))).toBe('MSH|å');
    expect(decodeText(Buffer.from(le).swap16(), named('UTF-16'))).toBe('MSH|å');
  });

  it('gives back what was encoded, in every set that has the characters', () => {
    for (const name of ['ASCII', '8859/1', '8859/2', 'UTF-8', 'UTF-16', 'WINDOWS-1250', 'BIG-5']) {
      expect(decodeText(encodeText('MSH|^~\\&|A', named(name)), named(name))).toBe('MSH|^~\\&|A');
    }
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        fc.pre(!text.startsWith('\ufeff'));
        expect(decodeText(encodeText(text, named('UTF-8')), named('UTF-8'))).toBe(text.toWellFormed());
      }),
    );
  });
});

describe('decodeMessage', () => {
  const [ascii, utf16] = [named('ASCII'), named('UNICODE UTF-16')];
  const text = 'MSH|^~\\&|LAB\rPID|1\r';

  it.each([
    ['two bytes a letter where the set has one', Buffer.from(text, 'utf16le'), ascii],
    ['one byte a letter where the set has two', Buffer.from(text, 'latin1'), utf16],
  ])('refuses %s, in which no segment would be found', (_, bytes, charset) => {
    expect(faultOf(() => decodeMessage(bytes, charset)).code).toBe('charset-undecodable');
  });

  it('reads both where they are what they are said to be', () => {
    expect(decodeMessage(Buffer.from(text, 'latin1'), ascii)).toBe(text);
    expect(decodeMessage(Buffer.from(text, 'utf16le'), utf16)).toBe(text);
  });
});

describe('encodeText', () => {
  it('writes ? for what the set does not have', () => {
    expect(Buffer.from(encodeText('å€😀', named('ASCII'))).toString('latin1')).toBe('???');
    expect(Buffer.from(encodeText('å€😀', named('8859/1'))).toString('latin1')).toBe('å??');
    expect(Buffer.from(encodeText('å€', named('8859/15'))).toString('hex')).toBe('e5a4');
  });
});

describe('encodeExactly', () => {
  it.each([
    ['ASCII', 'Åsa'],
    ['8859/1', 'Dvořák'],
    ['8859/1', '€'],
    ['WINDOWS-1252', 'ř'],
    ['8859/2', 'ã'],
    ['UNICODE UTF-8', '\ud800'],
  ])('%s lacks a character of %j', (name, text) => {
    expect(encodeExactly(text, findCharset(name)!)).toBeNull();
  });

  it.each([
    ['8859/1', 'Åsa'],
    ['WINDOWS-1252', '€'],
    ['8859/2', 'Dvořák'],
    ['UNICODE UTF-8', 'Dvořák 𝒜'],
    ['GB 18030-2000', '中文'],
  ])('%s has all of %j', (name, text) => {
    const charset = findCharset(name)!;
    expect(decodeText(encodeExactly(text, charset)!, charset)).toBe(text);
  });
});
