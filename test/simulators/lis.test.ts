import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLis, type Lis, readCameBack } from '../../src/simulators/lis.ts';
import { createLaboratory } from '../../src/simulators/laboratory.ts';

const ISSUED = [
  'MSH|^~\\&|SLUSS|EHM|LIS|LAB|20220301110000+0100||ORU^R01^ORU_R01|0A1B|P|2.5.1||||||8859/1',
  'PID|1||199708062386||Åberg^Åsa',
  'OBR|1|P1|F1|94500-6^^LN',
  'OBX|1|ST|UVCI^Certificate identifier^L||URN:UVCI:01:SE:EHM/T9||||||F',
  "OBX|2|CE|HANDOVER^How the person gets it^L||MAILBOX^Sent to the person's digital mailbox^L||||||F",
  'OBX|3|ED|CERTIFICATE^Certificate^L||^application^pdf^Base64^JVBERg==||||||F',
].join('\r');

let lis: Lis;
let port = 0;
const seen: string[] = [];
beforeEach(async () => {
  lis = createLis((frame) => seen.push(frame));
  port = await lis.start(0);
});
afterEach(async () => {
  seen.length = 0;
  await lis.stop();
});

describe('the stand-in of a LIS', () => {
  it('acknowledges what comes back, as a foreign sender understands it, and keeps it to the byte', async () => {
    const sender = createLaboratory({ host: '127.0.0.1', port });
    const bytes = Buffer.from(ISSUED, 'latin1');
    expect(await sender.send(bytes)).toMatchObject({ code: 'AA', understood: true });
    lis.answer = 'AE';
    expect(await sender.send(bytes)).toMatchObject({ code: 'AE', understood: true });
    await sender.close();
    expect(lis.frames).toEqual([ISSUED, ISSUED]);
    expect(seen).toEqual(lis.frames);
  });

  it('ends while somebody is connected', async () => {
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await lis.stop();
    await closed;
    port = await lis.start(0);
  });
});

describe('what a LIS reads', () => {
  it('of results: order, identifier, how the person gets it, and the document', () => {
    expect(readCameBack(ISSUED)).toEqual({
      type: 'ORU^R01^ORU_R01',
      controlId: '0A1B',
      fillerNumber: 'F1',
      uvci: 'URN:UVCI:01:SE:EHM/T9',
      handover: 'MAILBOX',
      document: Buffer.from('%PDF'),
    });
  });

  it('of a document: the same, of TXA', () => {
    const document = ISSUED.replace('ORU^R01^ORU_R01', 'MDM^T02^MDM_T02').replace(
      /OBR.*\rOBX\|1.*\r/,
      'TXA|1|CERT|AP|||20220301||||||URN:UVCI:01:SE:EHM/T9||P1|F1\r',
    );
    expect(readCameBack(document)).toMatchObject({
      fillerNumber: 'F1',
      uvci: 'URN:UVCI:01:SE:EHM/T9',
      handover: 'MAILBOX',
    });
  });

  it('of anything else: that nothing of it is there', () => {
    const other = readCameBack('MSH|^~\\&|A|B|C|D|1||ORU^R01|1|P|2.5.1\rOBX|1|NM|K||4');
    expect(other).toMatchObject({ fillerNumber: '', uvci: '', handover: '', document: null });
  });
});
