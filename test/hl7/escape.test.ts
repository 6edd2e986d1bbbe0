import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeText, findCharset } from '../../src/hl7/charset.ts';
import { type Delimiters, STANDARD_DELIMITERS } from '../../src/hl7/delimiters.ts';
import { escapeText, transcodeText, unescapeText } from '../../src/hl7/escape.ts';
import { arbitraryDelimiters } from './kit.ts';

const UTF8 = findCharset('UTF-8')!;
const utf8 = (bytes: Uint8Array) => decodeText(bytes, UTF8);
const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
const meaning = (raw: string, delimiters: Delimiters = STANDARD_DELIMITERS) => unescapeText(raw, delimiters, utf8);

describe('unescapeText', () => {
  it.each([
    ['plain', 'plain'],
    ['a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f', 'a|b^c&d~e\\f'],
    ['\\E\\F\\E\\', '\\F\\'],
    ['\\H\\bold\\N\\', 'bold'],
    ['a\\.br\\b', 'a\nb'],
    ['a\\.sp\\b\\.sp3\\c', 'a\nb\n\n\nc'],
    ['a\\.sp+2\\b', 'a\n\nb'],
    ['\\.in+4\\a\\.ti-4\\b\\.fi\\c\\.nf\\', 'abc'],
    ['a\\.sk3\\b\\.ce\\c', 'a   b\nc'],
    ['\\X41\\\\X0D0A\\', 'A\r\n'],
    ['\\XC3A5\\', 'å'],
    ['\\xC3A5\\', '\\xC3A5\\'],
  ])('reads %j as %j', (raw, text) => {
    expect(meaning(raw)).toBe(text);
  });

  it('reads hexadecimal bytes in the character set of the message', () => {
    expect(unescapeText('Sk\\XE5\\ne', STANDARD_DELIMITERS, latin1)).toBe('Skåne');
    expect(unescapeText('Sk\\XC3A5\\ne', STANDARD_DELIMITERS, utf8)).toBe('Skåne');
  });

  it.each([
    ['bytes that are none in the character set', '\\XE5\\'],
    ['an odd number of digits', '\\X4\\'],
    ['something that is no hexadecimal', '\\X4G\\'],
    ['no bytes at all', '\\X\\'],
    ['a sequence of a sender’s own', '\\Zabc\\'],
    ['a character set sequence', '\\C2842\\'],
    ['an unknown command', '\\.xy\\'],
    ['a lone escape character', '5 \\ 3'],
    ['an empty sequence', 'a\\\\b'],
    ['a path of Windows', 'C:\\temp\\x'],
  ])('keeps %s as it came', (_, raw) => {
    expect(meaning(raw)).toBe(raw);
  });

  it('finds the sequence behind an escape character that opens none', () => {
    expect(meaning('5 \\ 3 \\T\\ 2')).toBe('5 \\ 3 & 2');
    expect(meaning('\\\\F\\')).toBe('\\|');
  });

  it('leaves a message without escape character alone', () => {
    expect(meaning('a\\F\\b', { ...STANDARD_DELIMITERS, escape: null })).toBe('a\\F\\b');
  });

  it('means the message’s own delimiters', () => {
    const delimiters: Delimiters = {
      field: '#',
      component: '*',
      repetition: '@',
      escape: '!',
      subcomponent: '%',
      truncation: '?',
    };
    expect(meaning('!F!!S!!R!!E!!T!!P!', delimiters)).toBe('#*@!%?');
    expect(meaning('\\P\\')).toBe('#');
  });

  it('never throws, and is quick with a text of escape characters only', () => {
    fc.assert(fc.property(fc.string(), (raw) => typeof meaning(raw) === 'string'));
    expect(meaning('\\'.repeat(200_000))).toBe('\\'.repeat(200_000));
  });
});

describe('escapeText', () => {
  it('writes delimiters, line breaks and control characters as sequences', () => {
    expect(escapeText('a|b^c&d~e\\f', STANDARD_DELIMITERS)).toBe('a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f');
    expect(escapeText('1\r\n2\r3\n4', STANDARD_DELIMITERS)).toBe('1\\.br\\2\\.br\\3\\.br\\4');
    expect(escapeText('a\tb\u000bc', STANDARD_DELIMITERS)).toBe('a\\X09\\b\\X0B\\c');
  });

  it('puts blanks where the message has no escape character', () => {
    expect(escapeText('a|b\n', { ...STANDARD_DELIMITERS, escape: null })).toBe('a b ');
  });

  it('gives a text that stands in one field and comes back, for any text and any legal delimiters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), arbitraryDelimiters, (text, delimiters) => {
        const escaped = escapeText(text, delimiters);
        const cuts = [
          delimiters.field,
          delimiters.component,
          delimiters.repetition,
          delimiters.subcomponent,
          '\r',
          '\n',
        ];
        expect(cuts.filter((cut) => cut !== null && escaped.includes(cut))).toEqual([]);
        expect(meaning(escaped, delimiters)).toBe(text.replace(/\r\n?/g, '\n'));
      }),
      { numRuns: 500 },
    );
  });

  it('comes back where the point is a delimiter, which `.br` would be cut at', () => {
    const delimiters = { ...STANDARD_DELIMITERS, component: '.' };
    expect(escapeText('a\nb', delimiters)).toBe('a\\X0A\\b');
    expect(meaning('a\\X0A\\b', delimiters)).toBe('a\nb');
  });
});

describe('transcodeText', () => {
  const OTHER: Delimiters = {
    field: '#',
    component: '$',
    repetition: '%',
    escape: '!',
    subcomponent: '@',
    truncation: null,
  };

  it.each([
    ['plain', 'plain'],
    ['a|b^c', 'a|b^c'],
    ['a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f', 'a|b^c&d~e\\f'],
    ['1 # 2 $ 3!', '1 !F! 2 !S! 3!E!'],
    ['Sk\\XE5\\ne', 'Skåne'],
    ['\\H\\bold\\N\\ a\\.br\\b\\.in+4\\', '!H!bold!N! a!.br!b!.in+4!'],
    ['\\Zabc\\ \\C2842\\', '!Zabc! !C2842!'],
    ['C:\\temp\\x', 'C:\\temp\\x'],
    ['5 \\ 3', '5 \\ 3'],
  ])('brings %j over as %j', (raw, written) => {
    expect(transcodeText(raw, STANDARD_DELIMITERS, OTHER, latin1)).toBe(written);
  });

  it('keeps what any text means, whatever the delimiters of both messages', () => {
    fc.assert(
      fc.property(fc.string(), arbitraryDelimiters, arbitraryDelimiters, (text, from, to) => {
        fc.pre(from.escape !== null && to.escape !== null);
        const raw = escapeText(text, from);
        expect(meaning(transcodeText(raw, from, to, utf8), to)).toBe(meaning(raw, from));
      }),
      { numRuns: 500 },
    );
  });
});
