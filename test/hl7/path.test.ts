import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STANDARD_DELIMITERS } from '../../src/hl7/delimiters.ts';
import { arrangeGroups, findGroups, type Group } from '../../src/hl7/group.ts';
import { type Message, parseMessage } from '../../src/hl7/message.ts';
import {
  isValued,
  locate,
  locateSegment,
  PathError,
  parsePath,
  readCells,
  readFirstRaw,
  readFirstValued,
  readPart,
} from '../../src/hl7/path.ts';

const MESSAGE = [
  'MSH|^~\\&|LAB&1.2.3&ISO^x|SITE|||20220301||ORU^R01|C1|P|2.5.1',
  'PID|1||123^^^A&1.2.752.1&ISO^MR~199708062386^^^SKV&1.2.752.129.2.1.3.1&ISO^NNSWE||Ek&von^Åsa^M||19970806|""',
  'NTE|1||on the patient',
  'ORC|RE|P1|F1',
  'OBR|1|P1|F1|94500-6^PCR^LN',
  'NTE|1||on the order',
  'NTE|2||more~and more',
  'OBX|1|CWE|94500-6^^LN|a|260415000^Not detected^SCT||||||F',
  'NTE|1||on the result',
  'OBX|2|ST|X|b|||||||P',
  'SPM|1|S1^L1||NAS|||||||||||||20220301081500^20220301081600',
  'ORC|RE|P2|F2',
  'OBR|2|P2|F2|X',
  'OBX|1|ST|"q]|a|z',
  'SPM|1|S2',
].join('\r');

const message: Message = parseMessage(MESSAGE);
const root = arrangeGroups(message);
const [first, second, third] = findGroups(root, 'OBSERVATION') as [Group, Group, Group];
const [order1, order2] = findGroups(root, 'ORDER_OBSERVATION') as [Group, Group];
const texts = (path: string, scope: Group = root) => readCells(parsePath(path), scope, message).map(({ raw }) => raw);
const places = (path: string, scope: Group = root) => readCells(parsePath(path), scope, message).map(locate);

describe('parsePath', () => {
  it.each([
    ['PID', { segment: 'PID', field: null }],
    ['PID-3', { segment: 'PID', field: 3, repetitions: { kind: 'first' }, component: null, subcomponent: null }],
    ['PID-3.4', { field: 3, component: 4, subcomponent: null }],
    ['PID-3.4.2', { field: 3, component: 4, subcomponent: 2 }],
    ['PID-3[2].4.1', { repetitions: { kind: 'nth', number: 2 }, component: 4, subcomponent: 1 }],
    ['PID-3[*]', { repetitions: { kind: 'all' } }],
    ['OBX[3]-5', { segments: { kind: 'nth', number: 3 } }],
    ['OBX[*]-5[*].1', { segments: { kind: 'all' }, repetitions: { kind: 'all' }, component: 1 }],
    [
      'PID-3[5="NNSWE"].1',
      {
        repetitions: { kind: 'where', tests: [{ field: null, component: 5, subcomponent: null, value: 'NNSWE' }] },
        component: 1,
      },
    ],
    [
      `PID-3[4.2='1.2', 5 = "a]b'"].1`,
      {
        repetitions: {
          kind: 'where',
          tests: [
            { field: null, component: 4, subcomponent: 2, value: '1.2' },
            { field: null, component: 5, subcomponent: null, value: "a]b'" },
          ],
        },
      },
    ],
    [
      'OBX[3.1="94500-6"]-5',
      {
        segments: { kind: 'where', tests: [{ field: 3, component: 1, subcomponent: null, value: '94500-6' }] },
        field: 5,
      },
    ],
    ['ORDER_OBSERVATION.NTE[*]-3', { group: 'ORDER_OBSERVATION', segment: 'NTE', field: 3 }],
    ['VISIT.PV1-19.1', { group: 'VISIT', segment: 'PV1', field: 19, component: 1 }],
    ['ZCB-2', { segment: 'ZCB', field: 2 }],
    ['OBX-125', { field: 125 }],
  ])('reads %s', (text, expected) => {
    expect(parsePath(text)).toMatchObject({ text, ...expected });
  });

  it.each([
    ['', 0, 'Expected a segment name, such as OBX'],
    ['pid-3', 0, 'Expected a segment name, such as OBX'],
    ['PI-3', 0, 'Expected a segment name, such as OBX'],
    ['PIDX-3', 0, 'Expected a segment name, such as OBX'],
    ['PID.3', 3, 'Expected a field number, as in PID-3'],
    ['PID-', 4, 'Expected a field number'],
    ['PID-0', 4, 'Expected a field number'],
    ['PID-x', 4, 'Expected a field number'],
    ['PID-3.', 6, 'Expected a component number'],
    ['PID-3.0', 6, 'Expected a component number'],
    ['PID-3.1.', 8, 'Expected a sub-component number'],
    ['PID-3.1.1.1', 9, 'Unexpected text after the path'],
    ['PID-3 ', 5, 'Unexpected text after the path'],
    ['PID-3-1', 5, 'Unexpected text after the path'],
    ['PID-3.4[2]', 7, 'Unexpected text after the path'],
    ['PID-3[', 6, 'Expected a number, * or a test such as 5="NNSWE"'],
    ['PID-3[]', 6, 'Expected a number, * or a test such as 5="NNSWE"'],
    ['PID-3[0]', 6, 'Expected a number, * or a test such as 5="NNSWE"'],
    ['PID-3[*', 7, 'Expected ] after *'],
    ['PID-3[2', 7, 'Expected = in the test'],
    ['PID-3[5=NNSWE]', 8, 'Expected a value in quotes'],
    ['PID-3[5="NNSWE]', 8, 'Expected a value in quotes'],
    ['PID-3[5="N"', 11, 'Expected ] or , after the test'],
    ['PID-3[1.2.3="N"]', 11, 'Too many levels'],
    ['OBX[1.2.3.4="N"]-5', 11, 'Too many levels'],
    ['ORDERS.OBX-5', 0, 'No such group: ORDERS'],
    ['ORDER_OBSERVATION.', 18, 'Expected a segment name, such as OBX'],
    ['ORDER_OBSERVATION.x', 18, 'Expected a segment name, such as OBX'],
  ])('refuses %j at character %i', (text, offset, reason) => {
    try {
      parsePath(text);
    } catch (error) {
      expect(error).toBeInstanceOf(PathError);
      expect((error as PathError).offset).toBe(offset);
      expect((error as PathError).message).toBe(`${reason}: ${text}`);
      return;
    }
    throw new Error('it was taken');
  });

  it('either reads a text or throws a PathError within it', () => {
    const unit = fc.constantFrom('PID', 'OBX', '-', '.', '[', ']', '*', '=', '"', '3', '12', ',', ' ', 'ORU_R01.', 'x');
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 12 }), (units) => {
        const text = units.join('');
        try {
          expect(parsePath(text).text).toBe(text);
        } catch (error) {
          expect(error).toBeInstanceOf(PathError);
          expect((error as PathError).offset).toBeGreaterThanOrEqual(0);
          expect((error as PathError).offset).toBeLessThanOrEqual(text.length);
        }
      }),
    );
  });
});

describe('readCells', () => {
  it.each([
    ['MSH-1', ['|']],
    ['MSH-2', ['^~\\&']],
    ['MSH-3.1.2', ['1.2.3']],
    ['MSH-9.2', ['R01']],
    ['PID-3', ['123^^^A&1.2.752.1&ISO^MR']],
    ['PID-3.1', ['123']],
    ['PID-3[2].1', ['199708062386']],
    ['PID-3[3].1', []],
    ['PID-3[*].5', ['MR', 'NNSWE']],
    ['PID-3[5="NNSWE"].1', ['199708062386']],
    ['PID-3[5="NNSWE",4.1="SKV"].1', ['199708062386']],
    ['PID-3[5="NNSWE",4.1="A"].1', []],
    ['PID-3[4.2="1.2.752.1"].1', ['123']],
    ['PID-3[5="XX"].1', []],
    ['PID-5.1.1', ['Ek']],
    ['PID-5.1.2', ['von']],
    ['PID-5.9', ['']],
    ['PID-6', ['']],
    ['PID-6[*]', ['']],
    ['PID-8', ['""']],
    ['PID-30', []],
    ['PV1-2', []],
    ['OBX[*]-4', ['a', 'b', 'a']],
    ['OBX[2]-4', ['b']],
    ['OBX[9]-4', []],
    ['OBX[3.1="94500-6"]-5.1', ['260415000']],
    ['OBX[3="94500-6^^LN"]-4', ['a']],
    ['OBX[11="P"]-4', ['b']],
    [`OBX[3='"q]']-5`, ['z']],
    ['SPM[*]-2.1', ['S1', 'S2']],
    ['SPM-17.1', ['20220301081500']],
    ['NTE[*]-3', ['on the patient', 'on the order', 'more', 'on the result']],
  ])('reads %s in the message as a whole', (path, expected) => {
    expect(texts(path)).toEqual(expected);
  });

  it('lets a text without components stand for its first component and sub-component', () => {
    expect(texts('OBR-4.1', order2)).toEqual(['X']);
    expect(texts('OBR-4.1.1', order2)).toEqual(['X']);
    expect(texts('OBR-4.1.2', order2)).toEqual(['']);
    expect(texts('OBR-4.2', order2)).toEqual(['']);
  });

  it('has no sub-component but the first where the message has no such delimiter', () => {
    const own = { delimiters: { ...STANDARD_DELIMITERS, subcomponent: null } };
    expect(readPart('a&b^c', 1, 1, own)).toBe('a&b');
    expect(readPart('a&b^c', 1, 2, own)).toBe('');
  });

  it('compares what a part means, not how it is escaped', () => {
    const escaped = parseMessage('OBX|1|ST|x^A \\T\\ B||one\rOBX|2|ST|\\X41\\||two');
    const read = (path: string) => readCells(parsePath(path), arrangeGroups(escaped), escaped).map(({ raw }) => raw);
    expect(read('OBX[3.2="A & B"]-5')).toEqual(['one']);
    expect(read('OBX[3="A"]-5')).toEqual([]);
  });

  it('means the result’s own segments, and those around it', () => {
    expect(texts('OBX-5', second)).toEqual(['']);
    expect(texts('OBX[*]-4', second)).toEqual(['b']);
    expect(texts('OBR-3', second)).toEqual(['F1']);
    expect(texts('OBR-3', third)).toEqual(['F2']);
    expect(texts('ORC-3', third)).toEqual(['F2']);
    expect(texts('SPM-2.1', first)).toEqual(['S1']);
    expect(texts('SPM-2.1', third)).toEqual(['S2']);
    expect(texts('PID-5.2', third)).toEqual(['Åsa']);
    expect(texts('MSH-10', third)).toEqual(['C1']);
  });

  it('does not take another result’s notes for its own', () => {
    expect(texts('NTE[*]-3', first)).toEqual(['on the result']);
    expect(texts('NTE[*]-3', second)).toEqual([]);
    expect(texts('NTE[*]-3[*]', order1)).toEqual(['on the order', 'more', 'and more']);
  });

  it('means a named group’s own segments where the segment may stand in it', () => {
    expect(texts('ORDER_OBSERVATION.NTE[*]-3', first)).toEqual(['on the order', 'more']);
    expect(texts('ORDER_OBSERVATION.NTE-3', third)).toEqual([]);
    expect(texts('PATIENT.NTE-3', first)).toEqual(['on the patient']);
    expect(texts('OBSERVATION.NTE-3', first)).toEqual(['on the result']);
    expect(texts('OBSERVATION.NTE[*]-3')).toEqual(['on the result']);
  });

  it('finds what stands deeper in a named group', () => {
    expect(texts('ORDER_OBSERVATION.OBX[*]-4', first)).toEqual(['a', 'b']);
    expect(texts('ORDER_OBSERVATION.OBX[4="b"]-3', first)).toEqual(['X']);
    expect(texts('ORDER_OBSERVATION.OBX[4="b"]-3', third)).toEqual([]);
  });

  it('means the nearest of several groups of a name', () => {
    expect(texts('SPECIMEN.SPM[*]-2.1', first)).toEqual(['S1']);
    expect(texts('SPECIMEN.SPM[*]-2.1', third)).toEqual(['S2']);
    expect(texts('SPECIMEN.SPM[*]-2.1')).toEqual(['S1', 'S2']);
    expect(texts('ORDER_OBSERVATION.OBR[*]-3')).toEqual(['F1', 'F2']);
  });

  it('never takes a field of another patient', () => {
    const two = parseMessage(`${MESSAGE.split('\r')[0]}\rPID|1||A\rOBR|1\rOBX|1\rPID|2||B\rOBR|1\rOBX|1`);
    const [, inner] = findGroups(arrangeGroups(two), 'OBSERVATION') as [Group, Group];
    const read = (path: string) => readCells(parsePath(path), inner, two).map(({ raw }) => raw);
    expect(read('PID[*]-3')).toEqual(['B']);
    expect(read('PATIENT.PID[*]-3')).toEqual(['B']);
    expect(read('PATIENT_RESULT.PID[*]-3')).toEqual(['B']);
    expect(read('ORU_R01.PID[*]-3')).toEqual(['A', 'B']);
  });
});

describe('locate', () => {
  it.each([
    ['PID-3[2].1', 'PID-3[2].1'],
    ['PID-3[1].1', 'PID-3.1'],
    ['PID-5.1.2', 'PID-5.1.2'],
    ['PID-3[5="NNSWE"].1', 'PID-3[2].1'],
    ['OBX-5', 'OBX[1]-5'],
    ['OBR[2]-3', 'OBR[2]-3'],
    ['SPM-2', 'SPM-2'],
    ['SPM[2]-2', 'SPM[2]-2'],
    ['ORDER_OBSERVATION.NTE[2]-3[2]', 'NTE[3]-3[2]'],
    ['MSH-3.1.2', 'MSH-3.1.2'],
  ])('names what stands at %s as %s', (path, place) => {
    expect(places(path)[0]).toBe(place);
  });

  it('counts segments through the message, whatever they were found in', () => {
    expect(places('OBX-3', third)).toEqual(['OBX[3]-3']);
    expect(message.segments.map(locateSegment).filter((name) => name.startsWith('ORC'))).toEqual(['ORC', 'ORC[2]']);
  });
});

describe('isValued', () => {
  it.each([
    ['', false],
    [' ', false],
    ['^^', false],
    ['^ &^', false],
    ['""', true],
    ['0', true],
    ['^x', true],
  ])('of %j is %s', (raw, expected) => {
    expect(isValued(raw, message)).toBe(expected);
  });
});

describe('the first that says something', () => {
  it('is the first such cell, and its raw text, wherever the path leads', () => {
    const segment = fc.constantFrom(
      'MSH',
      'PID',
      'NTE',
      'ORC',
      'OBR',
      'OBX',
      'SPM',
      'OBX[*]',
      'NTE[2]',
      'NTE[*]',
      'ZZZ',
    );
    const field = fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 17, 40);
    const repetition = fc.constantFrom('', '[*]', '[1]', '[2]', '[3]', '[5="NNSWE"]');
    const part = fc.constantFrom('', '.1', '.2', '.4.2', '.1.2', '.9');
    fc.assert(
      fc.property(segment, field, repetition, part, fc.constantFrom(root, first, second, order2), (...parts) => {
        const [name, number, repeated, within, scope] = parts;
        const path = parsePath(`${name}-${number}${repeated}${within}`);
        const cell = readCells(path, scope, message).find(({ raw }) => isValued(raw, message)) ?? null;
        expect(readFirstValued(path, scope, message)).toEqual(cell);
        expect(readFirstRaw(path, scope, message)).toBe(cell?.raw ?? '');
      }),
      { numRuns: 1000 },
    );
  });
});
