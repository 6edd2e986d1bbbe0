import { createHash } from 'node:crypto';
import { NORD, type Provider } from './site.ts';

export interface TestMessage {
  /** MSH-10. */
  readonly controlId: string;
  /** PID-3: any number stands for a person. */
  readonly person: number;
  /** OBR-3 of each of its results: the laboratory's own numbers. */
  readonly results: readonly string[];
  readonly party?: Pick<Provider, 'number'>;
  /** MSH-7. */
  readonly sentAt?: string;
  /** PID-5. */
  readonly name?: string;
  /** OBX-3; by default a NAAT. */
  readonly test?: string;
}

const NAAT = '94500-6^SARS-CoV-2 RNA^LN';

/** A message with negative tests of a person who asked for certificates. */
export function testMessage(message: TestMessage): Buffer {
  const { controlId, person, results, party = NORD, sentAt = '20221114153000', test = NAAT } = message;
  const segments = [
    `MSH|^~\\&|ANALYS|LAB^${party.number}^L|SLUSS|COVIDBEVIS|${sentAt}||ORU^R01^ORU_R01|${controlId}|P|2.5.1`,
    `PID|1||${personnummer(person)}^^^&1.2.752.129.2.1.3.1&ISO^NNSWE||${message.name ?? 'Berg^Alva'}`,
    ...results.flatMap((filler, index) => [
      `OBR|${index + 1}||${filler}|${test}|||202211140830||||||||||||||||||F||||||TESTBEVIS`,
      `OBX|1|CWE|${test}||260415000^Not detected^SCT||||||F`,
    ]),
  ];
  return Buffer.from(`${segments.join('\r')}\r`, 'latin1');
}

/** A personnummer of somebody who does not exist: 12 digits with their check digit. */
export function personnummer(person: number): string {
  const birthDay = new Date(Date.UTC(1930, 0, 1) + Math.floor(person / 900) * 86_400_000);
  const date = birthDay.toISOString().slice(0, 10).replaceAll('-', '');
  const digits = `${date.slice(2)}${String(100 + (person % 900))}`;
  const sum = [...digits].reduce((total, digit, index) => {
    const weighted = Number(digit) * (index % 2 === 0 ? 2 : 1);
    return total + (weighted > 9 ? weighted - 9 : weighted);
  }, 0);
  return `${date.slice(0, 2)}${digits}${(10 - (sum % 10)) % 10}`;
}

/** What the service's ledger calls a person. */
export function personHash(person: number): string {
  return createHash('sha256').update(personnummer(person)).digest('hex');
}
