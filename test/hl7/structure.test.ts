import { describe, expect, it } from 'vitest';
import { STANDARD_DELIMITERS } from '../../src/hl7/delimiters.ts';
import { arrangeGroups } from '../../src/hl7/group.ts';
import { parseMessage } from '../../src/hl7/message.ts';
import { checkStructure } from '../../src/hl7/structure.ts';

/** Places that are told, or where the message is refused. */
function check(names: string, version = '2.5.1'): string[] {
  const text = ['MSH|^~\\&|', ...names.split(' ').map((name) => `${name}|1`)].join('\r');
  try {
    return checkStructure(arrangeGroups(parseMessage(text, STANDARD_DELIMITERS)), version).map(({ at }) => at ?? '');
  } catch (error) {
    return [`refused at ${(error as { at: string }).at}`];
  }
}

describe('the structure of a result message', () => {
  it.each([
    ['PID OBR OBX', []],
    ['PID PV1 ORC OBR NTE OBX NTE SPM OBX', []],
    ['PID OBR', []],
    ['PID OBR OBX PID OBR OBX', []],
    ['PID NTE OBR OBX ZXX', []],
    ['PID SPM OBR OBX', []],
    ['PID OBR ORC OBX', []],
    ['OBR OBX', ['PID']],
    ['NTE PID OBR OBX', ['NTE']],
    ['PD1 NTE OBR OBX', ['PID', 'NTE']],
    ['PID OBX OBR OBX', ['OBX[1]']],
    ['PID OBX', ['OBX[1]']],
    ['PID SPM OBX', ['SPM']],
    ['PID ORC OBX', ['ORC']],
    ['OBX', ['PID', 'OBX[1]']],
    ['PID', ['refused at OBR']],
    ['PID PV1 NTE', ['refused at OBR']],
    ['ZXX', ['refused at OBR']],
    ['PID PID OBR OBX', ['refused at PID[2]']],
    ['PID OBR OBX PID', ['refused at PID[2]']],
    ['PID OBR OBX PID PV1 PID OBR OBX', ['refused at PID[3]']],
  ])('%s: %j', (names, places) => {
    expect(check(names)).toEqual(places);
  });

  it('may have observations of the patient before any order from 2.7 on', () => {
    expect(check('PID OBX OBR OBX', '2.7')).toEqual([]);
    expect(check('PID OBX OBR OBX', '2.8.2')).toEqual([]);
    expect(check('PID OBX OBR OBX', '2.6')).toEqual(['OBX[1]']);
    expect(check('PID OBX OBR OBX', '2.3.z')).toEqual(['OBX[1]']);
  });
});
