import { FileBatch } from 'node-hl7-client';
import { describe, expect, it } from 'vitest';
import { BatchAck } from '../../src/hl7/batch-ack.ts';

const CONTENT = { controlId: 'S9', sentAt: Date.UTC(2021, 5, 1, 10, 15, 2) };
const A1 = Buffer.from('MSH|^~\\&|S|V|L|F|20210601||ACK^R01^ACK|a1|P|2.5\rMSA|AA|1\r');
const A2 = Buffer.from('MSH|^~\\&|S|V|L|F|20210601||ACK^R01^ACK|a2|P|2.5\rMSA|AE|2\r');

function lines(...pieces: Uint8Array[]): string[] {
  return Buffer.concat(pieces).toString('latin1').split('\r').slice(0, -1);
}

describe('BatchAck', () => {
  it('answers a file with its addresses turned round and its control id referred to', () => {
    const ack = new BatchAck(CONTENT);
    const text = lines(
      ack.open('FHS', Buffer.from('FHS|^~\\&|LAB|VÄST|SLUSS|VC|2021||name.hl7|c|F-1', 'latin1')),
      ack.open('BHS', Buffer.from('BHS|^~\\&|LAB|VÄST|SLUSS|VC|2021||n|c|B-1', 'latin1')),
      ack.answer(A1),
      ack.answer(A2),
      ack.close('BTS', 'BTS-1 says 3, found 2'),
      ack.close('FTS', null),
      ack.end(),
    );
    expect(text).toEqual([
      'FHS|^~\\&|SLUSS|VC|LAB|VÄST|20210601101502+0000||||S9|F-1',
      'BHS|^~\\&|SLUSS|VC|LAB|VÄST|20210601101502+0000||||S9|B-1',
      'MSH|^~\\&|S|V|L|F|20210601||ACK^R01^ACK|a1|P|2.5',
      'MSA|AA|1',
      'MSH|^~\\&|S|V|L|F|20210601||ACK^R01^ACK|a2|P|2.5',
      'MSA|AE|2',
      'BTS|2|BTS-1 says 3, found 2',
      'FTS|1',
    ]);
  });

  it('answers bare messages inside a batch of its own', () => {
    const ack = new BatchAck(CONTENT);
    const text = lines(ack.answer(A1), ack.answer(null), ack.end());
    expect(text[0]).toBe('BHS|^~\\&|||||20210601101502+0000||||S9');
    expect(text.at(-1)).toBe('BTS|1');
  });

  it('closes what the sender left open', () => {
    const ack = new BatchAck(CONTENT);
    const pieces = [
      ack.open('FHS', Buffer.from('FHS|^~\\&')),
      ack.open('BHS', Buffer.from('BHS|^~\\&')),
      ack.answer(A1),
      ack.open('BHS', Buffer.from('BHS|^~\\&')),
      ack.end(),
    ];
    expect(lines(...pieces).map((line) => line.slice(0, 5))).toEqual([
      'FHS|^',
      'BHS|^',
      'MSH|^',
      'MSA|A',
      'BTS|1',
      'BHS|^',
      'BTS|0',
      'FTS|2',
    ]);
  });

  it('uses the delimiters of the sender, or plain ones where it has none', () => {
    const odd = new BatchAck(CONTENT);
    expect(lines(odd.open('BHS', Buffer.from('BHS@:*!%@L@F@S@V')), odd.close('BTS', 'a@b'))).toEqual([
      'BHS@:*!%@S@V@L@F@20210601101502+0000@@@@S9',
      'BTS@0@a b',
    ]);
    const none = new BatchAck(CONTENT);
    expect(lines(none.open('BHS', Buffer.from('BHS|')))).toEqual(['BHS|^~\\&|||||20210601101502+0000||||S9']);
  });

  it('is a batch file to node-hl7-client', () => {
    const ack = new BatchAck(CONTENT);
    const text = [
      ack.open('FHS', Buffer.from('FHS|^~\\&|A|B|C|D')),
      ack.open('BHS', Buffer.from('BHS|^~\\&|A|B|C|D')),
      ack.answer(A1),
      ack.answer(A2),
      ack.end(),
    ];
    const file = new FileBatch({ text: Buffer.concat(text).toString('latin1') });
    expect(file.messages().map((message) => message.get('MSA.1').toString())).toEqual(['AA', 'AE']);
  });
});
