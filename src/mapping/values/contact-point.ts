import { isCertainlyAfter } from '../../fhir/fhir-time.ts';
import { convertDateTime } from '../conversion.ts';
import type { Found, Run } from '../scope.ts';
import { partReader } from './coded.ts';

export interface ContactPoint {
  extension?: { url: string; valueString: string }[];
  system?: string;
  value?: string;
  use?: string;
  rank?: number;
  period?: { start?: string; end?: string };
}

/** XTN.5 to XTN.8, as the parts of a number that is said in parts. */
const PARTS = [
  [5, 'http://hl7.org/fhir/StructureDefinition/contactpoint-country'],
  [6, 'http://hl7.org/fhir/StructureDefinition/contactpoint-area'],
  [7, 'http://hl7.org/fhir/StructureDefinition/contactpoint-local'],
  [8, 'http://hl7.org/fhir/StructureDefinition/contactpoint-extension'],
] as const;

/** XTN.2 → use. @see HL7 table 0201 */
const USES: Readonly<Record<string, string>> = { PRN: 'home', WPN: 'work', PRS: 'mobile' };

/** XTN.3 → system. @see HL7 table 0202 */
const SYSTEMS: Readonly<Record<string, string>> = {
  PH: 'phone',
  CP: 'phone',
  SAT: 'other',
  MD: 'other',
  TDD: 'other',
  TTY: 'other',
  FX: 'fax',
  BP: 'pager',
  INTERNET: 'email',
  'X.400': 'email',
};

/**
 * ContactPoint of XTN or TN: an address for electronic mail, else the unformatted number, the number put together from
 * its parts, or the old formatted one. Null where there is neither.
 * @param use taken where XTN.2 says nothing of it
 * @see HL7 v2-to-FHIR, datatype map XTN[ContactPoint]
 */
export function readContactPoint(found: Found, run: Run, use: string | null): ContactPoint | null {
  const part = partReader(found, run);
  const equipment = part(3).toUpperCase();
  const mail = part(4);
  const isMail = SYSTEMS[equipment] === 'email' || (equipment === '' && mail.includes('@'));
  const value = isMail ? mail || part(1) : part(12) || composeNumber(part) || part(1) || mail;
  if (value === '') return null;
  const stated = USES[part(2).toUpperCase()] ?? (equipment === 'CP' ? 'mobile' : use);
  const parts = isMail ? [] : PARTS.filter(([component]) => part(component) !== '');
  const extension = parts.map(([component, url]) => ({ url, valueString: part(component) }));
  const rank = /^[1-9]\d{0,8}$/.test(part(18)) ? Number(part(18)) : null;
  return {
    ...(extension.length === 0 ? {} : { extension }),
    system: isMail ? 'email' : (SYSTEMS[equipment] ?? 'phone'),
    value,
    ...(stated === null ? {} : { use: stated }),
    ...(rank === null ? {} : { rank }),
    ...periodOf(part(13), part(14), (text) => convertDateTime(found.part(text), run)),
  };
}

/** An end before the start is one that nobody can believe. */
function periodOf(
  from: string,
  until: string,
  convert: (text: string) => string | null,
): { period?: NonNullable<ContactPoint['period']> } {
  const start = from === '' ? null : convert(from);
  const end = until === '' ? null : convert(until);
  const isBackwards = start !== null && end !== null && isCertainlyAfter(start, end);
  if (start === null && (end === null || isBackwards)) return {};
  return {
    period: { ...(start === null ? {} : { start }), ...(end === null || isBackwards ? {} : { end }) },
  };
}

function composeNumber(part: (component: number) => string): string {
  const [country, area, local, extension] = [part(5), part(6), part(7), part(8)];
  if (local === '') return '';
  const number = [country === '' ? '' : `+${country.replace(/^\+/, '')}`, area, local]
    .filter((one) => one !== '')
    .join(' ');
  return extension === '' ? number : `${number} X${extension}`;
}
