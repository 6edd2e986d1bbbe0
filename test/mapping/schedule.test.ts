import { describe, expect, it } from 'vitest';
import { CONTEXT, compile, faultsOf, HEADER, mapperOf, mappingFile, message } from './kit.ts';

describe('a schedule', () => {
  const at = (schedule: string, sampled: string, zone = 'Europe/Stockholm') => {
    const sections = {
      let: '{ sampled: { from: OBX-14, as: dateTime }, many: 12, none: { from: OBX-8 } }',
      deliver: `[{ to: t/op, notBefore: ${schedule}, body: { set: { a: { from: OBX-5 } } } }]`,
    };
    const mapped = mapperOf(compile([mappingFile(sections)], { zone })).map(
      message([HEADER, 'PID|1', 'OBR|1||F', `OBX|1|ST|X||y|||||||||${sampled}`]),
      CONTEXT,
    );
    if (mapped.faults.length > 0) return faultsOf(mapped);
    const { notBefore } = mapped.drafts[0] ?? { notBefore: null };
    return notBefore === null ? null : new Date(notBefore).toISOString();
  };

  it.each([
    ['{ after: $sampled, days: 11 }', '202203010815', '2022-03-11T23:00:00.000Z'],
    // Over the clock change of spring, and of autumn: days are the calendar's.
    ['{ after: $sampled, days: 11 }', '202203202330', '2022-03-30T22:00:00.000Z'],
    ['{ after: $sampled, days: 1 }', '202210300130', '2022-10-30T23:00:00.000Z'],
    ['{ after: $sampled, days: 0 }', '202203010815', '2022-02-28T23:00:00.000Z'],
    // The day is the zone's, whatever offset the sender wrote.
    ['{ after: $sampled, days: 1 }', '202203012330+0000', '2022-03-02T23:00:00.000Z'],
    ['{ after: $sampled, days: $many }', '202203201030', '2022-03-31T22:00:00.000Z'],
    ['{ after: $sampled, days: { from: OBX-5 } }', '202203011030', ['mapping-incomplete - a whole number is needed']],
    ['{ after: $sampled, hours: $none }', '202203011030', ['mapping-incomplete - a whole number is needed']],
    // Hours are hours.
    ['{ after: $sampled, hours: 72 }', '202203261000', '2022-03-29T09:00:00.000Z'],
    ['{ after: $sampled, hours: 1 }', '', null],
    ['{ after: $sampled, days: 1 }', '20220301', ['mapping-incomplete OBX[1]-14 a time with offset is needed']],
  ])('%s of %s is %s', (schedule, sampled, moment) => {
    expect(at(schedule, sampled)).toEqual(moment);
  });
});
