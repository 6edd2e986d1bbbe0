/**
 * targets/ is where deliveries go: the covid certificate service, FHIR servers, HL7 listeners, folders; and the parties,
 * each with its own client certificate and its own connections. A target makes one attempt and gives one verdict; it
 * must never know the engine, the journal, a source or another target, and never retries by itself.
 */
import type { X509Certificate } from 'node:crypto';

/** Ten digits out of `232100-0016`, `162321000016` or `2321000016`; null where form or check digit is wrong. */
export function readOrganisationNumber(text: string): string | null {
  const found = /^(?:16)?(\d{6})-?(\d{4})$/.exec(text.trim());
  const digits = found ? `${found[1]}${found[2]}` : '';
  return digits !== '' && hasCheckDigit(digits) ? digits : null;
}

/**
 * Every organisationsnummer (10 digits) that a certificate's subject states: in serialNumber or organizationIdentifier
 * (2.5.4.97), else in OU; plain, after `16`, `SE`, `NTRSE-`, or as an HSA-id.
 */
export function organisationNumbersOf(certificate: X509Certificate): string[] {
  const subject = certificate.toLegacyObject().subject as unknown as Record<string, string | string[] | undefined>;
  const read = (...names: string[]): string[] => {
    const values = names.flatMap((name) => subject[name] ?? []);
    return [...new Set(values.map(readStatedNumber).filter((number) => number !== null))];
  };
  const proper = read('serialNumber', 'organizationIdentifier', '2.5.4.97');
  return proper.length > 0 ? proper : read('OU');
}

function readStatedNumber(value: string): string | null {
  const bare = value.trim().replace(/^(?:NTRSE-?|SE)/, '');
  // An HSA-id goes on after the number: SE2321000016-1A2B.
  const hsa = /^SE(\d{10})-[0-9A-Za-z]+$/.exec(value.trim());
  return readOrganisationNumber(hsa?.[1] ?? bare);
}

function hasCheckDigit(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index++) {
    const weighted = Number(digits[index]) * (index % 2 === 0 ? 2 : 1);
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}
