import { Hl7Message } from '@medplum/core';
import { Message } from 'node-hl7-client';
import { describe, expect, it } from 'vitest';
import type { FaultRecord } from '../../src/contracts/fault.ts';
import { type AckDialect, STANDARD_DIALECT } from '../../src/contracts/source.ts';
import { type AckContent, buildAck } from '../../src/hl7/ack.ts';
import { decodeText, findCharset } from '../../src/hl7/charset.ts';
import { readHeader } from '../../src/hl7/header.ts';
import { frameMessage, MllpDecoder } from '../../src/hl7/mllp.ts';
import { parseAck } from '../../src/hl7/parse-ack.ts';

const SENT_AT = Date.UTC(2021, 5, 1, 10, 15, 2, 345);

function mshOf(version: string, more = ''): string {
  return `MSH|^~\\&|LAB^1^ISO|VÄST|SLUSS|VC7|20210601||ORU^R01^ORU_R01|C-17|P|${version}${more}\r`;
}

function fault(code: FaultRecord['code'], at: string | null, detail: string | null = null): FaultRecord {
  return { code, at, where: 'mappings/secret-place.yaml:3:5', detail };
}

function ack(message: string | null, more: Partial<AckContent> = {}): string {
  const header = message === null ? null : readHeader(Buffer.from(message, 'latin1'));
  const content = { header, code: 'AA', faults: [], controlId: 'S1', sentAt: SENT_AT, charset: null, ...more } as const;
  return Buffer.from(buildAck(content)).toString('latin1');
}

describe('buildAck', () => {
  it('turns the addresses round and answers the control id', () => {
    expect(ack(mshOf('2.5.1'))).toBe(
      'MSH|^~\\&|SLUSS|VC7|LAB^1^ISO|VÄST|20210601101502+0000||ACK^R01^ACK|S1|P|2.5.1\rMSA|AA|C-17\r',
    );
  });

  it.each([
    ['2.1', 'ACK'],
    ['2.2', 'ACK'],
    ['2.3', 'ACK^R01'],
    ['2.3.1', 'ACK^R01^ACK'],
    ['2.4', 'ACK^R01^ACK'],
    ['2.5', 'ACK^R01^ACK'],
    ['2.8.2', 'ACK^R01^ACK'],
    ['2.3.z', 'ACK^R01'],
    ['', 'ACK^R01^ACK'],
  ])('names its type as version "%s" does', (version, type) => {
    const [msh = ''] = ack(mshOf(version)).split('\r');
    expect(msh.split('|')[8]).toBe(type);
    expect(msh.split('|')[11]).toBe(version === '' ? '2.5.1' : version);
  });

  it('names no trigger event where the message has none', () => {
    expect(ack('MSH|^~\\&|A|B|C|D|||ORU|1|P|2.5')).toContain('||ACK|S1|P|2.5\r');
  });

  it('gives back MSH-18 and the control id byte for byte', () => {
    const message = 'MSH|^~\\&|A|B|C|D|||ORU^R01|å\\T\\ 7|D^T|2.5||||||8859/1~X';
    expect(ack(message)).toBe(
      'MSH|^~\\&|C|D|A|B|20210601101502+0000||ACK^R01^ACK|S1|D|2.5||||||8859/1\rMSA|AA|å\\T\\ 7\r',
    );
  });

  it.each([
    ['PID-3[2].1', 'PID^1^3^2^1'],
    ['OBX[3]-5', 'OBX^3^5'],
    ['OBX[3]-5[2].1.2', 'OBX^3^5^2^1^2'],
    ['MSH-18', 'MSH^1^18'],
    ['OBR-4.1', 'OBR^1^4^1^1'],
    ['OBX[2]', 'OBX^2'],
    ['ZXT-2', 'ZXT^1^2'],
    [null, ''],
    ['somewhere', ''],
  ])('writes the location %s as ERR-2 %s', (at, location) => {
    const text = ack(mshOf('2.5.1'), { code: 'AE', faults: [fault('field-required', at)] });
    const err = text.split('\r')[2]?.split('|') ?? [];
    expect(err[2]).toBe(location);
    expect(err[3]).toBe('101^Required field missing^HL70357');
    expect(err[4]).toBe('E');
    expect(err[5]).toBe('field-required^^L');
  });

  it('writes one ERR a fault from v2.5 on, with our text and never our file', () => {
    const faults = [fault('field-required', 'PID-3[2].1'), fault('charset-undecodable', 'MSH-18', '8859/3, byte 7')];
    const text = ack(mshOf('2.5.1'), { code: 'AE', faults });
    expect(text.split('\r').slice(1)).toEqual([
      'MSA|AE|C-17|A required field is missing.',
      'ERR||PID^1^3^2^1|101^Required field missing^HL70357|E|field-required^^L|||A required field is missing. (PID-3[2].1)',
      'ERR||MSH^1^18|102^Data type error^HL70357|E|charset-undecodable^^L|||The bytes are not valid in the declared character set. (8859/3, byte 7, MSH-18)',
      '',
    ]);
    expect(text).not.toContain('secret-place');
  });

  it('writes the old ERR-1 to senders of v2.3 and v2.4', () => {
    for (const version of ['2.1', '2.3', '2.4']) {
      const faults = [fault('field-required', 'PID-3[2].1'), fault('not-hl7', null)];
      expect(ack(mshOf(version), { code: 'AE', faults }).split('\r').slice(1)).toEqual([
        'MSA|AE|C-17|A required field is missing.',
        'ERR|PID^1^3^101&Required field missing&HL70357~^^^207&Application internal error&HL70357',
        '',
      ]);
    }
  });

  it('leaves MSA-3 out from v2.7 on, and out of positive answers', () => {
    expect(ack(mshOf('2.7'), { code: 'AE', faults: [fault('check-digit', null)] })).toContain('MSA|AE|C-17\r');
    expect(ack(mshOf('2.5'), { code: 'AA', faults: [fault('code-unmapped', 'OBX-3')] })).toContain('MSA|AA|C-17\rERR');
    expect(ack(mshOf('2.5'), { code: 'CA', faults: [fault('code-unmapped', 'OBX-3')] })).toContain('|W|');
  });

  it('answers junk with a plain header and an empty control id', () => {
    expect(ack(null, { code: 'AR', faults: [fault('not-hl7', null)] })).toBe(
      'MSH|^~\\&|||||20210601101502+0000||ACK|S1|P|2.5.1\r' +
        'MSA|AR||What came holds no HL7 v2 message: there is no usable MSH segment at its start.\r' +
        'ERR|||207^Application internal error^HL70357|E|not-hl7^^L|||What came holds no HL7 v2 message: there is no usable MSH segment at its start.\r',
    );
  });

  it('uses the delimiters and the escape character of the sender', () => {
    const message = 'MSH@:*!%@LAB:1@F@R@RF@@@ORU:R01:ORU_R01@9@P@2.5';
    const text = ack(message, { code: 'AE', faults: [fault('charset-undecodable', 'PID-5[1].2', 'a@b:c!d')] });
    expect(text.split('\r')[0]).toBe('MSH@:*!%@R@RF@LAB:1@F@20210601101502+0000@@ACK:R01:ACK@S1@P@2.5');
    expect(text).toContain('ERR@@PID:1:5:1:2@102:Data type error:HL70357@E@charset-undecodable::L@@@');
    expect(text).toContain('(a!F!b!S!c!E!d, PID-5[1].2)');
  });

  it('writes its own words in the character set of the sender', () => {
    const faults = [fault('code-refused', null, 'Åä')];
    const utf8 = findCharset('UTF-8');
    const bytes = Buffer.from(ack(mshOf('2.5'), { code: 'AE', faults, charset: utf8 }), 'latin1');
    expect(bytes.toString('utf8')).toContain('(Åä)');
    expect(ack(mshOf('2.5'), { code: 'AE', faults, charset: findCharset('8859/1') })).toContain('(Åä)');
    expect(ack(mshOf('2.5'), { code: 'AE', faults })).toContain('(??)');
  });

  it('answers a UTF-16 message in UTF-16', () => {
    const utf16 = findCharset('UTF-16');
    const header = readHeader(Buffer.from(`\ufeff${mshOf('2.5')}`, 'utf16le'));
    const bytes = buildAck({ header, code: 'AA', faults: [], controlId: 'S1', sentAt: SENT_AT, charset: utf16 });
    expect(utf16 && decodeText(bytes, utf16)).toContain('VÄST');
    expect(parseAck(bytes)?.code).toBe('AA');
  });

  it('is one frame whatever the sender’s fields end with: an FS of theirs does not end it', () => {
    const odd = 'MSH|^~\\&|LAB||||20210601||ORU^R01|C\x1c|P|2.5.1||||||ASCII\x1c\r';
    const made = Buffer.from(ack(odd), 'latin1');
    const frames = new MllpDecoder(1_000).push(frameMessage(made));
    expect(frames).toEqual([{ kind: 'message', bytes: made, isClosed: true }]);
    expect(parseAck(made)).toMatchObject({ code: 'AA', controlId: 'C\x1c' });
  });

  it('bounds the number of ERR segments', () => {
    const faults = Array.from({ length: 5000 }, () => fault('field-required', 'PID-3'));
    expect(ack(mshOf('2.5'), { code: 'AE', faults }).match(/ERR\|/g)).toHaveLength(50);
  });
});

describe('an acknowledgement of enhanced mode', () => {
  it('says in MSH-15 and MSH-16 that it wants none itself, and keeps MSH-18 in its place', () => {
    expect(ack(mshOf('2.5.1', '|||AL|AL'), { asksForNone: true })).toContain('|S1|P|2.5.1|||NE|NE\r');
    const told = ack(mshOf('2.5.1', '|||AL|AL||8859/1'), { code: 'CA', asksForNone: true });
    expect(told).toContain('|S1|P|2.5.1|||NE|NE||8859/1\rMSA|CA|C-17\r');
  });
});

describe('a dialect', () => {
  const faults = [fault('field-required', 'PID-3')];
  const written = (version: string, dialect: Partial<AckDialect>) =>
    ack(mshOf(version), { code: 'AE', faults, dialect: { ...STANDARD_DIALECT, ...dialect } })
      .split('\r')
      .slice(1, -1);

  it('writes other codes, and leaves the rest of a refusal as it is', () => {
    expect(written('2.5.1', { codes: { AE: 'AR' } })[0]).toBe('MSA|AR|C-17|A required field is missing.');
    expect(written('2.5.1', { codes: { AE: 'AA' } })[1]).toContain('|E|field-required^^L|');
    expect(written('2.5.1', { codes: { AR: 'AE' } })[0]).toContain('MSA|AE|');
  });

  it('D3: writes ERR in the form it asks for, or not at all', () => {
    const old = 'ERR|PID^1^3^101&Required field missing&HL70357';
    expect(written('2.5.1', { err: 'old' })[1]).toBe(old);
    expect(written('2.3', { err: 'new' })[1]).toMatch(/^ERR\|\|PID\^1\^3\|101/);
    expect(written('2.3', { err: 'auto' })[1]).toBe(old);
    expect(written('2.5.1', { err: 'none' })).toEqual(['MSA|AE|C-17|A required field is missing.']);
  });

  it('leaves MSA-3 out', () => {
    expect(written('2.5.1', { msa3: false })[0]).toBe('MSA|AE|C-17');
  });
});

describe('an acknowledgement as foreign parsers read it', () => {
  const faults = [fault('field-required', 'PID-3[2].1'), fault('check-digit', 'OBX[3]-5')];
  const text = ack(mshOf('2.5.1'), { code: 'AE', faults });

  it('is whole to node-hl7-client', () => {
    const message = new Message({ text: text.replace(/\r$/, '') });
    expect(message.get('MSH.9.1').toString()).toBe('ACK');
    expect(message.get('MSA.1').toString()).toBe('AE');
    expect(message.get('MSA.2').toString()).toBe('C-17');
    expect(message.get('ERR.2.3').toString()).toBe('3');
    expect(message.get('ERR.3.1').toString()).toBe('101');
    expect(message.toString()).toBe(text.replace(/\r$/, ''));
  });

  it('is whole to @medplum/core', () => {
    const message = Hl7Message.parse(text);
    expect(message.getSegment('MSA')?.getField(2)?.toString()).toBe('C-17');
    const errors = message.getAllSegments('ERR');
    expect(errors.map((err) => err.getComponent(2, 1))).toEqual(['PID', 'OBX']);
    expect(errors.map((err) => err.getComponent(2, 2))).toEqual(['1', '3']);
    expect(errors[1]?.getField(8)?.toString()).toBe('The check digit of an identifier is wrong. (OBX[3]-5)');
  });
});
