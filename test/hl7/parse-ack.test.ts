import { describe, expect, it } from 'vitest';
import type { FaultRecord } from '../../src/contracts/fault.ts';
import { buildAck } from '../../src/hl7/ack.ts';
import { readHeader } from '../../src/hl7/header.ts';
import { parseAck } from '../../src/hl7/parse-ack.ts';

function refusal(version: string): Uint8Array {
  const header = readHeader(Buffer.from(`MSH|^~\\&|LAB|V|SLUSS|VC|2021||ORU^R01^ORU_R01|C-17|P|${version}\r`));
  const fault: FaultRecord = { code: 'charset-undecodable', at: 'PID-3[2].1', where: null, detail: 'a|b' };
  return buildAck({ header, code: 'AE', faults: [fault], controlId: 'S1', sentAt: 0, charset: null });
}

describe('parseAck', () => {
  it('reads back what buildAck wrote', () => {
    expect(parseAck(refusal('2.5'))).toEqual({
      code: 'AE',
      controlId: 'C-17',
      errors: [
        {
          at: 'PID^1^3^2^1',
          condition: '102',
          applicationCode: 'charset-undecodable',
          text: 'The bytes are not valid in the declared character set. (a|b, PID-3[2].1)',
        },
      ],
    });
    expect(parseAck(refusal('2.3'))?.errors).toEqual([
      { at: 'PID^1^3', condition: '102', applicationCode: '', text: 'Data type error' },
    ]);
  });

  it('takes the text of MSA-3 where there is no ERR', () => {
    const bytes = Buffer.from('MSH|^~\\&|A|B|C|D|||ACK|1|P|2.3\nMSA|AR|X9|No such\\T\\patient\n');
    expect(parseAck(bytes)).toEqual({
      code: 'AR',
      controlId: 'X9',
      errors: [{ at: '', condition: '', applicationCode: '', text: 'No such&patient' }],
    });
  });

  it('gives the code even where the bytes are wrong for the character set', () => {
    const bytes = Buffer.from('MSH|^~\\&|A|B|C|D|||ACK|1|P|2.5||||||UNICODE UTF-8\rMSA|AE|å|\xff\r', 'latin1');
    expect(parseAck(bytes)).toMatchObject({ code: 'AE', controlId: 'å' });
  });

  it.each([
    ['', 'nothing'],
    ['MSH|^~\\&|A|B|C|D|||ORU^R01|1|P|2.3\rPID|1\r', 'another message'],
    ['MSH|^~\\&|A|B|C|D|||ACK|1|P|2.3\rMSA|XX|1\r', 'an unknown code'],
    ['HTTP/1.1 400 Bad Request\r\n', 'another protocol'],
  ])('takes %j for no acknowledgement (%s)', (text) => {
    expect(parseAck(Buffer.from(text))).toBeNull();
  });
});
