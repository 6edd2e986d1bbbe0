import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/contracts/fault.ts';
import { readHeader, utf16Order } from '../../src/hl7/header.ts';

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const MSH =
  'MSH|^~\\&|LAB^1.2.3^ISO|Västra|SLUSS|VC^7|20210601101502+0200||ORU^R01^ORU_R01|C-1\\T\\2|P^T|2.5.1^SWE|||AL|NE||8859/1~UNICODE UTF-8';

function faultOf(bytes: Uint8Array): Fault {
  try {
    readHeader(bytes);
  } catch (error) {
    if (error instanceof Fault) return error;
  }
  throw new Error('no fault');
}

describe('readHeader', () => {
  it('reads every field of MSH, raw, a character a byte', () => {
    expect(readHeader(latin1(`${MSH}\rPID|1\r`))).toEqual({
      delimiters: { field: '|', component: '^', repetition: '~', escape: '\\', subcomponent: '&', truncation: null },
      sendingApplication: 'LAB^1.2.3^ISO',
      sendingFacility: 'Västra',
      receivingApplication: 'SLUSS',
      receivingFacility: 'VC^7',
      sentAt: '20210601101502+0200',
      messageCode: 'ORU',
      triggerEvent: 'R01',
      structure: 'ORU_R01',
      controlId: 'C-1\\T\\2',
      processingId: 'P',
      version: '2.5.1',
      acceptAck: 'AL',
      applicationAck: 'NE',
      charset: '8859/1',
    });
  });

  it.each([
    ['LF', '\n'],
    ['CRLF', '\r\n'],
    ['CR', '\r'],
    ['nothing', ''],
  ])('ends MSH at %s', (_name, end) => {
    const header = readHeader(latin1(`MSH|^~\\&|A|||||||7|P|2.3${end}${end === '' ? '' : 'PID|x'}`));
    expect(header).toMatchObject({ sendingApplication: 'A', controlId: '7', version: '2.3', charset: '' });
  });

  it('passes over a byte order mark and leading blank lines', () => {
    const bytes = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), latin1(`\r\n \t\n${MSH}\r`)]);
    expect(readHeader(bytes).controlId).toBe('C-1\\T\\2');
  });

  it('reads the custom delimiters of the message', () => {
    expect(readHeader(latin1('MSH@~&#\\@SEND~1@@@@@@ADT~A01~ADT_A01@42@P@2.5\r'))).toMatchObject({
      delimiters: { field: '@', component: '~', repetition: '&', escape: '#', subcomponent: '\\', truncation: null },
      sendingApplication: 'SEND~1',
      triggerEvent: 'A01',
      controlId: '42',
    });
  });

  it.each([
    ['MSH|^|A', { component: '^', repetition: '~', escape: null, subcomponent: null, truncation: null }],
    ['MSH|^~|A', { component: '^', repetition: '~', escape: null, subcomponent: null, truncation: null }],
    ['MSH|^~\\|A', { escape: '\\', subcomponent: null }],
    ['MSH|^~\\&|A', { escape: '\\', subcomponent: '&', truncation: null }],
    ['MSH|^~\\&#|A', { subcomponent: '&', truncation: '#' }],
    ['MSH|^~\\&', { subcomponent: '&' }],
  ])('takes the MSH-2 of %s', (text, delimiters) => {
    expect(readHeader(latin1(text)).delimiters).toMatchObject(delimiters);
  });

  it('reads the whole MSH of UTF-16, however long', () => {
    const long = `MSH|^~\\&|${'x'.repeat(20_000)}||||||ORU^R01|C-9|P|2.5\rPID|1`;
    expect(readHeader(Buffer.from(long, 'utf16le')).controlId).toBe('C-9');
  });

  it('reads UTF-16 by its mark or its zero bytes', () => {
    const le = Buffer.from(`\ufeff${MSH}\rPID|1`, 'utf16le');
    const be = Buffer.from(`${MSH}\rPID|1`, 'utf16le').swap16();
    expect(utf16Order(le)).toBe('le');
    expect(utf16Order(be)).toBe('be');
    expect(readHeader(le)).toEqual(readHeader(be));
    expect(readHeader(le)).toMatchObject({ sendingFacility: 'Västra', charset: '8859/1' });
  });

  it.each([
    ['nothing', ''],
    ['blank lines only', '\r\n\r\n'],
    ['another segment first', 'PID|1\rMSH|^~\\&|A'],
    ['MSH alone', 'MSH'],
    ['MSH and a separator', 'MSH|'],
    ['an empty MSH-2', 'MSH||A|B'],
    ['letters as delimiters', 'MSHa^~\\&aA'],
    ['digits as delimiters', 'MSH|^1\\&|A'],
    ['a delimiter twice', 'MSH|^~\\\\&|A'],
    ['the separator missing after MSH-2', 'MSH|^~\\&LAB|A'],
    ['a word that begins with MSH', 'MSHX|^~\\&|A'],
    ['a delimiter beyond ASCII', 'MSH§^~\\&§A'],
    ['a blank as separator', 'MSH ^~\\& A'],
  ])('refuses %s as not HL7', (_name, text) => {
    expect(faultOf(latin1(text)).code).toBe('not-hl7');
  });

  it('looks at nothing behind the first segment', () => {
    const bytes = Buffer.concat([latin1(`${MSH}\r`), Buffer.alloc(1024, 0xff)]);
    expect(readHeader(bytes).controlId).toBe('C-1\\T\\2');
  });
});
