import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  arrangeGroups,
  collectSegments,
  findGroups,
  findSegments,
  type Group,
  isGroupName,
} from '../../src/hl7/group.ts';
import { parseMessage, type Segment } from '../../src/hl7/message.ts';

/** Segments by name, numbered where there are several: `['PID', 'OBX', 'OBX']`. */
const arrange = (names: string) =>
  arrangeGroups(
    parseMessage(
      names
        .split(' ')
        .map((name) => `${name}|`)
        .join('\r'),
    ),
  );

const nameOf = (segment: Segment) => (segment.occurrence > 1 ? `${segment.name}${segment.occurrence}` : segment.name);

/** `ORDER(ORC OBR OBS(OBX NTE))` */
function show(group: Group): string {
  const short = group.name
    .replace('PATIENT_RESULT', 'RESULT')
    .replace('PATIENT_OBSERVATION', 'POBS')
    .replace('SPECIMEN_OBSERVATION', 'SOBS')
    .replace('ORDER_OBSERVATION', 'ORDER')
    .replace('OBSERVATION', 'OBS');
  return `${short}(${[...group.segments.map(nameOf), ...group.children.map(show)].join(' ')})`;
}

/** What stands below the message's own segments. */
const shape = (names: string) => arrange(`MSH ${names}`).children.map(show).join(' ');

describe('arrangeGroups', () => {
  it.each([
    [
      'the standard’s order',
      'PID PD1 NTE NK1 PV1 PV2 ORC OBR NTE TQ1 TQ2 CTD OBX NTE OBX SPM OBX DSC',
      'RESULT(PATIENT(PID PD1 NTE NK1 VISIT(PV1 PV2)) ORDER(ORC OBR NTE2 CTD TIMING_QTY(TQ1 TQ2) OBS(OBX NTE3) OBS(OBX2) SPECIMEN(SPM SOBS(OBX3))))',
    ],
    ['the shortest there is', 'PID OBR OBX', 'RESULT(PATIENT(PID) ORDER(OBR OBS(OBX)))'],
    ['no ORC', 'PID OBR OBX OBR OBX', 'RESULT(PATIENT(PID) ORDER(OBR OBS(OBX)) ORDER(OBR2 OBS(OBX2)))'],
    [
      'several ORC and OBR',
      'PID ORC OBR OBX OBX ORC OBR OBX',
      'RESULT(PATIENT(PID) ORDER(ORC OBR OBS(OBX) OBS(OBX2)) ORDER(ORC2 OBR2 OBS(OBX3)))',
    ],
    [
      'orders without results',
      'PID ORC OBR ORC OBR OBX',
      'RESULT(PATIENT(PID) ORDER(ORC OBR) ORDER(ORC2 OBR2 OBS(OBX)))',
    ],
    [
      'one ORC for several OBR',
      'PID ORC OBR OBX OBR OBX',
      'RESULT(PATIENT(PID) ORDER(ORC OBR OBS(OBX)) ORDER(OBR2 OBS(OBX2)))',
    ],
    [
      'ORC behind its OBR',
      'PID OBR ORC OBX OBR ORC OBX',
      'RESULT(PATIENT(PID) ORDER(OBR ORC OBS(OBX)) ORDER(OBR2 ORC2 OBS(OBX2)))',
    ],
    [
      'an OBR without ORC before one with',
      'PID OBR ORC OBR OBX',
      'RESULT(PATIENT(PID) ORDER(OBR) ORDER(ORC OBR2 OBS(OBX)))',
    ],
    ['SPM before OBX', 'PID OBR SPM OBX OBX', 'RESULT(PATIENT(PID) ORDER(OBR SPECIMEN(SPM) OBS(OBX) OBS(OBX2)))'],
    ['SPM between OBR and ORC', 'PID ORC SPM OBR OBX', 'RESULT(PATIENT(PID) ORDER(ORC OBR SPECIMEN(SPM) OBS(OBX)))'],
    ['SPM before its OBR', 'PID SPM OBR OBX', 'RESULT(PATIENT(PID) ORDER(OBR SPECIMEN(SPM) OBS(OBX)))'],
    ['SPM after OBX', 'PID OBR OBX SPM', 'RESULT(PATIENT(PID) ORDER(OBR OBS(OBX) SPECIMEN(SPM)))'],
    [
      'OBX of a specimen, with its note',
      'PID OBR OBX SPM NTE OBX NTE OBX',
      'RESULT(PATIENT(PID) ORDER(OBR OBS(OBX) SPECIMEN(SPM NTE SOBS(OBX2 NTE2) SOBS(OBX3))))',
    ],
    [
      'two specimens',
      'PID OBR OBX SPM OBX SPM OBX',
      'RESULT(PATIENT(PID) ORDER(OBR OBS(OBX) SPECIMEN(SPM SOBS(OBX2)) SPECIMEN(SPM2 SOBS(OBX3))))',
    ],
    ['NTE after ORC', 'PID ORC NTE OBR OBX', 'RESULT(PATIENT(PID) ORDER(ORC NTE OBR OBS(OBX)))'],
    ['NTE after PV1', 'PID PV1 NTE OBR', 'RESULT(PATIENT(PID NTE VISIT(PV1)) ORDER(OBR))'],
    ['NTE after TQ1', 'PID OBR TQ1 NTE', 'RESULT(PATIENT(PID) ORDER(OBR NTE TIMING_QTY(TQ1)))'],
    ['no PID', 'OBR OBX', 'RESULT(ORDER(OBR OBS(OBX)))'],
    ['PV1 and NK1 before PID', 'PV1 NK1 PID OBR OBX', 'RESULT(PATIENT(NK1 PID VISIT(PV1)) ORDER(OBR OBS(OBX)))'],
    ['PV1 after OBR', 'PID OBR PV1 OBX', 'RESULT(PATIENT(PID VISIT(PV1)) ORDER(OBR OBS(OBX)))'],
    [
      'two patients',
      'PID OBR OBX PID PV1 OBR OBX',
      'RESULT(PATIENT(PID) ORDER(OBR OBS(OBX))) RESULT(PATIENT(PID2 VISIT(PV1)) ORDER(OBR2 OBS(OBX2)))',
    ],
    ['OBX before any order', 'PID OBX NTE OBR OBX', 'RESULT(PATIENT(PID POBS(OBX NTE)) ORDER(OBR OBS(OBX2)))'],
    ['nothing but OBX', 'OBX OBX', 'RESULT(PATIENT(POBS(OBX) POBS(OBX2)))'],
    [
      'Z-segments, which stay where they come',
      'PID ZPI OBR ZOR OBX ZOX ZOX',
      'RESULT(PATIENT(PID ZPI) ORDER(OBR ZOR OBS(OBX ZOX ZOX2)))',
    ],
    ['FT1 and CTI after results', 'PID OBR OBX FT1 CTI', 'RESULT(PATIENT(PID) ORDER(OBR FT1 CTI OBS(OBX)))'],
  ])('arranges %s', (_, names, expected) => {
    expect(shape(names)).toBe(expected);
  });

  it('keeps MSH, SFT, UAC and DSC at the message itself, and notes before anything else', () => {
    expect(show(arrange('MSH SFT UAC NTE PID DSC'))).toBe('ORU_R01(MSH SFT UAC NTE DSC RESULT(PATIENT(PID)))');
  });

  it('puts every segment into exactly one group, in the order they came, and never throws', () => {
    const name = fc.constantFrom(
      ...'MSH SFT UAC DSC PID PD1 NK1 ARV PV1 PV2 ORC OBR CTD FT1 CTI TQ1 TQ2 OBX SPM NTE PRT ZAB EVN TXA'.split(' '),
    );
    fc.assert(
      fc.property(fc.array(name, { maxLength: 40 }), (names) => {
        const message = parseMessage(names.map((one) => `${one}|`).join('\r'));
        const placed: Segment[] = [];
        const visit = (group: Group): void => {
          const order = group.segments.map((segment) => message.segments.indexOf(segment));
          expect(order).toEqual([...order].sort((a, b) => a - b));
          placed.push(...group.segments);
          for (const child of group.children) {
            expect(child.parent).toBe(group);
            expect(isGroupName(child.name)).toBe(true);
            visit(child);
          }
        };
        visit(arrangeGroups(message));
        expect(placed).toHaveLength(message.segments.length);
        expect(new Set(placed).size).toBe(message.segments.length);
      }),
      { numRuns: 300 },
    );
  });

  it('is quick with a message of many orders', () => {
    const root = arrange(`MSH PID ${'ORC OBR OBX NTE SPM '.repeat(5000).trim()}`);
    expect(findGroups(root, 'OBSERVATION')).toHaveLength(5000);
  });
});

describe('findSegments', () => {
  const root = arrange('MSH PID NTE ORC OBR NTE OBX NTE OBX ZOX SPM OBR OBX SPM');
  const [one, two, three] = findGroups(root, 'OBSERVATION') as [Group, Group, Group];
  const found = (scope: Group, name: string) => findSegments(scope, name).map(nameOf);

  it('means the group’s own segments, and those of the nearest group around it', () => {
    expect(found(one, 'OBX')).toEqual(['OBX']);
    expect(found(two, 'OBX')).toEqual(['OBX2']);
    expect(found(three, 'OBR')).toEqual(['OBR2']);
    expect(found(three, 'SPM')).toEqual(['SPM2']);
    expect(found(one, 'PID')).toEqual(['PID']);
    expect(found(one, 'MSH')).toEqual(['MSH']);
    expect(found(three, 'ORC')).toEqual([]);
  });

  it('gives notes of the group itself, never of a neighbour', () => {
    expect(found(one, 'NTE')).toEqual(['NTE3']);
    expect(found(two, 'NTE')).toEqual([]);
  });

  it('gives every segment of a name to the message as a whole', () => {
    expect(found(root, 'NTE')).toEqual(['NTE', 'NTE2', 'NTE3']);
    expect(collectSegments(root, 'OBX').map(nameOf)).toEqual(['OBX', 'OBX2', 'OBX3']);
  });

  it('finds a Z-segment in the nearest group that has one', () => {
    expect(found(two, 'ZOX')).toEqual(['ZOX']);
    expect(found(one, 'ZOX')).toEqual(['ZOX']);
    expect(found(one, 'ZZZ')).toEqual([]);
  });
});
