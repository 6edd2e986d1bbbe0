import { describe, expect, it } from 'vitest';
import { STANDARD_DELIMITERS } from '../../src/hl7/delimiters.ts';
import { findExcess, type PartLimits } from '../../src/hl7/part-limits.ts';

const limits: PartLimits = { segments: 5, fields: 15, repetitions: 3 };
const check = (text: string, delimiters = STANDARD_DELIMITERS) => findExcess(Buffer.from(text), delimiters, limits);

const HEAD = 'MSH|^~\\&|A|B|C|D|20210601||ORU^R01|1|P|2.5.1';

describe('the limits of parts', () => {
  it.each([
    ['as many segments as may be', [HEAD, 'PID|1', 'OBR|1', 'OBX|1', 'OBX|2', ''].join('\r'), null],
    ['one more', [HEAD, 'PID|1', 'OBR|1', 'OBX|1', 'OBX|2', 'OBX|3'].join('\r'), 'limit 5 segments'],
    ['blank lines, which are none', [HEAD, '', '', 'PID|1', '', ''].join('\r\n'), null],
    ['lines that end in LF', [HEAD, 'PID|1', 'OBR|1', 'OBX|1', 'OBX|2', 'OBX|3'].join('\n'), 'limit 5 segments'],
    ['as many fields as may be', `${HEAD}\rOBX${'|'.repeat(15)}`, null],
    ['one more', `${HEAD}\rOBX${'|'.repeat(16)}`, 'limit 15 fields a segment'],
    ['as many repetitions as may be', `${HEAD}\rPID|1|a~b~c|d~e~f`, null],
    ['one more', `${HEAD}\rPID|1|a~b~c~d`, 'limit 3 repetitions a field'],
  ])('%s', (_, text, found) => {
    expect(check(text)).toBe(found);
  });

  it('are counted by the delimiters of the message', () => {
    const delimiters = { ...STANDARD_DELIMITERS, field: '#', repetition: '*' };
    expect(check('MSH#^*\\&#A\rPID#a|b~c~d~e~f', delimiters)).toBe(null);
    expect(check('MSH#^*\\&#A\rPID#a*b*c*d', delimiters)).toBe('limit 3 repetitions a field');
  });

  it('are told of a message that holds millions of parts', () => {
    const text = `${HEAD}\r${'OBX|1\r'.repeat(2_000_000)}`;
    expect(
      findExcess(Buffer.from(text), STANDARD_DELIMITERS, { segments: 20_000, fields: 1_000, repetitions: 1_000 }),
    ).toBe('limit 20000 segments');
  });
});
