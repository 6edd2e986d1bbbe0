import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STANDARD_DELIMITERS } from '../../src/hl7/delimiters.ts';
import { parseMessage } from '../../src/hl7/message.ts';
import { arbitraryDelimiters } from './kit.ts';

const MSH = 'MSH|^~\\&|LAB|SITE|SLUSS|EHM|20220301||ORU^R01|C1|P|2.5.1';
const PID = 'PID|1||19^^^A~20^^^B||Ek^Åsa';

const names = (text: string) => parseMessage(text).segments.map(({ name }) => name);

describe('parseMessage: segments', () => {
  it.each([
    ['CR', `${MSH}\r${PID}\rPV1|1\r`],
    ['LF', `${MSH}\n${PID}\nPV1|1\n`],
    ['CRLF', `${MSH}\r\n${PID}\r\nPV1|1\r\n`],
    ['a mixture', `${MSH}\r\n${PID}\nPV1|1\r`],
    ['blank lines', `\r\n\r${MSH}\r\r${PID}\n\n\r\nPV1|1`],
    ['no last terminator', `${MSH}\r${PID}\rPV1|1`],
    ['a byte order mark', `\ufeff${MSH}\r${PID}\rPV1|1`],
    ['a byte order mark and blanks, which the header passes over too', `\ufeff \t\r\n ${MSH}\r${PID}\rPV1|1`],
  ])('are cut at %s', (_, text) => {
    const message = parseMessage(text);
    expect(message.segments.map((segment) => segment.text)).toEqual([MSH, PID, 'PV1|1']);
    expect(message.continuations).toBe(0);
  });

  it('are numbered by name', () => {
    const { segments } = parseMessage(`${MSH}\rOBX|1\rNTE|1\rOBX|2\rNTE|1\rOBX|3`);
    expect(segments.map(({ name, occurrence }) => `${name} ${occurrence}`)).toEqual([
      'MSH 1',
      'OBX 1',
      'NTE 1',
      'OBX 2',
      'NTE 2',
      'OBX 3',
    ]);
  });

  it('keep a text that a sender broke, with a line feed where it was broken, and count it', () => {
    const message = parseMessage(`${MSH}\rOBX|1|TX|X||first line\r\nsecond, lower\r\n\r\nOB3 x|third|F\rNTE|1`);
    expect(message.segments.map(({ name }) => name)).toEqual(['MSH', 'OBX', 'NTE']);
    expect(message.segments[1]?.field(5)).toBe('first line\nsecond, lower\nOB3 x');
    expect(message.segments[1]?.field(7)).toBe('F');
    expect(message.continuations).toBe(2);
  });

  it('take no word of three capitals in a broken text for a segment', () => {
    const message = parseMessage(`${MSH}\rOBX|1|TX|X||SARS-CoV-2 RNA:\rNEG\rNTE|1`);
    expect(message.segments.map(({ name }) => name)).toEqual(['MSH', 'OBX', 'NTE']);
    expect(message.segments[1]?.field(5)).toBe('SARS-CoV-2 RNA:\nNEG');
  });

  it('may stand without any field where the standard knows them, and be anything with one', () => {
    expect(names(`${MSH}\rPV1\rDSC\rZXY|1\rQ1Z|`)).toEqual(['MSH', 'PV1', 'DSC', 'ZXY', 'Q1Z']);
  });

  it('are none in an empty text, and nothing throws', () => {
    expect(parseMessage('').segments).toEqual([]);
    expect(parseMessage('\r\n\r').segments).toEqual([]);
  });

  it('lose no text, whatever ends lines and whatever stands between', () => {
    const line = fc.oneof(
      fc.constantFrom(PID, 'OBX|1|ST|A||x', 'OBX', 'NEG', 'zzz', ' leading', '|', 'Z99|^~\\&'),
      fc.string().map((text) => text.replace(/[\r\n]/g, '')),
    );
    const end = fc.constantFrom('\r', '\n', '\r\n', '\r\r', '\n\r', '\r\n\r\n');
    fc.assert(
      fc.property(fc.array(fc.tuple(line, end)), (lines) => {
        const text = `${MSH}\r${lines.flat().join('')}`;
        const message = parseMessage(text);
        const without = (of: string) => of.replace(/[\r\n]/g, '');
        expect(without(message.segments.map((segment) => segment.text).join(''))).toBe(without(text));
        const breaks = message.segments.flatMap((segment) => segment.text.match(/\n/g) ?? []);
        expect(message.continuations).toBe(breaks.length);
      }),
    );
  });
});

describe('Segment', () => {
  const [msh, pid] = parseMessage(`${MSH}\r${PID}`).segments;

  it('numbers fields as the standard does: MSH-1 is the separator', () => {
    expect(msh?.field(1)).toBe('|');
    expect(msh?.field(2)).toBe('^~\\&');
    expect(msh?.field(3)).toBe('LAB');
    expect(msh?.field(12)).toBe('2.5.1');
    expect(msh?.field(13)).toBeNull();
    expect(msh?.lastField).toBe(12);
    expect(pid?.field(1)).toBe('1');
    expect(pid?.lastField).toBe(5);
  });

  it('does not cut MSH-2 into repetitions', () => {
    expect(msh?.repetitions(2)).toEqual(['^~\\&']);
    expect(msh?.repetitions(1)).toEqual(['|']);
  });

  it('tells absent, empty and HL7 null apart', () => {
    const [, segment] = parseMessage(`${MSH}\rPID|1||""`).segments;
    expect(segment?.field(2)).toBe('');
    expect(segment?.field(3)).toBe('""');
    expect(segment?.field(4)).toBeNull();
    expect(segment?.repetitions(2)).toEqual(['']);
    expect(segment?.repetitions(4)).toEqual([]);
  });

  it('gives every repetition, empty ones too', () => {
    expect(pid?.repetitions(3)).toEqual(['19^^^A', '20^^^B']);
    expect(parseMessage('PID|a~~b~').segments[0]?.repetitions(1)).toEqual(['a', '', 'b', '']);
  });

  it('gives back every field of a segment, with any legal delimiters', () => {
    const part = fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\r\n]/g, ''));
    fc.assert(
      fc.property(
        arbitraryDelimiters,
        fc.array(fc.array(part, { minLength: 1 }), { minLength: 1 }),
        (delimiters, all) => {
          const clean = all.map((repetitions) =>
            repetitions.map((one) => one.replaceAll(delimiters.field, '').replaceAll(delimiters.repetition, '')),
          );
          const text = ['ZZZ', ...clean.map((one) => one.join(delimiters.repetition))].join(delimiters.field);
          const [segment] = parseMessage(text, delimiters).segments;
          expect(clean.map((_, index) => segment?.repetitions(index + 1))).toEqual(clean);
          expect(segment?.lastField).toBe(clean.length);
        },
      ),
    );
  });

  it('reads custom delimiters', () => {
    const delimiters = { ...STANDARD_DELIMITERS, field: '#', component: '*', repetition: '@' };
    const [header, segment] = parseMessage('MSH#*@\\&#LAB\rPID#1##a*b@c|d', delimiters).segments;
    expect(header?.field(3)).toBe('LAB');
    expect(segment?.repetitions(3)).toEqual(['a*b', 'c|d']);
  });
});
