import type { CertificateRequest } from './covidbevis-request.ts';
import { isSignedBy, readHealthCertificate, type TrustedKey } from './health-certificate.ts';

/** What the service's answer says beside the QR code. */
export interface Answered {
  readonly uvci: string;
  readonly subject: {
    readonly identity?: string | null | undefined;
    readonly givenName?: string | null | undefined;
    readonly familyName?: string | null | undefined;
  };
}

export interface ProofDemands {
  readonly kind: 'test' | 'recovery';
  /** Keys that may have signed; empty = the signature is not checked. */
  readonly trusted: readonly TrustedKey[];
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Compares a certificate's QR code with what was asked for and with the answer around it: signature, identifier, person,
 * test or recovery, result and time of the sample. Gives the first thing that is wrong, as the element's name and never
 * its value; null = it is the right certificate.
 * @param text of the QR code
 */
export function compareProof(
  text: string,
  request: CertificateRequest,
  answered: Answered,
  demands: ProofDemands,
): string | null {
  const certificate = readHealthCertificate(text);
  if (certificate === null) return 'qrCode is not a health certificate';
  if (demands.trusted.length > 0 && !isSignedBy(certificate, demands.trusted))
    return 'qrCode is not signed by a trusted key';
  const { t, r, v, nam, dob } = certificate.dcc;
  const entries = demands.kind === 'test' ? t : r;
  const others = [t, r, v].filter((one) => one !== undefined);
  const entry = Array.isArray(entries) && entries.length === 1 && others.length === 1 ? (entries[0] as Fields) : null;
  if (entry === null) return `qrCode is no ${demands.kind} certificate`;
  const wrong =
    compareEntry(entry, request, answered.uvci) ??
    (demands.kind === 'test' ? compareTest(entry, request) : compareRecovery(entry, request)) ??
    comparePerson((nam ?? {}) as Fields, dob, request, answered.subject);
  return wrong === null ? null : `qrCode ${wrong} does not match`;
}

function compareEntry(entry: Fields, request: CertificateRequest, uvci: string): string | null {
  if (entry.ci !== uvci) return 'ci';
  if (entry.tg !== request.code.coding[1].code) return 'tg';
  return entry.co === 'SE' ? null : 'co';
}

function compareTest(entry: Fields, request: CertificateRequest): string | null {
  if (entry.tt !== request.code.coding[0].code) return 'tt';
  if (entry.tr !== request.valueCodeableConcept.coding[0].code) return 'tr';
  if (readTime(entry.sc) !== Date.parse(request.effectiveDateTime)) return 'sc';
  const device = deviceOf(request);
  return device === null || entry.ma === device ? null : 'ma';
}

function compareRecovery(entry: Fields, request: CertificateRequest): string | null {
  return entry.fr === SWEDISH_DATES.format(Date.parse(request.effectiveDateTime)) ? null : 'fr';
}

/** Who was asked for by number is compared by the number's date, and by the name that the answer states. */
function comparePerson(
  name: Fields,
  born: unknown,
  request: CertificateRequest,
  subject: Answered['subject'],
): string | null {
  const patient = patientOf(request);
  if (patient === null) return 'request';
  const identity = 'identifier' in patient ? patient.identifier[0].value : null;
  if (identity !== null && (subject.identity ?? identity) !== identity) return 'subject.identity';
  const birthDate = 'identifier' in patient ? dateOf(patient.identifier[0].value) : patient.birthDate;
  // Month or day may be unknown.
  if (typeof born !== 'string' || born.length < 4 || !birthDate.startsWith(born)) return 'dob';
  const [asked] = 'name' in patient ? patient.name : [];
  const family = asked?.family ?? subject.familyName ?? null;
  const given = asked?.given.join(' ') ?? subject.givenName ?? null;
  if (family !== null && transliterate(family) !== name.fnt) return 'nam.fnt';
  if (given !== null && transliterate(given) !== (name.gnt ?? '')) return 'nam.gnt';
  return null;
}

function patientOf(request: CertificateRequest) {
  const found = request.contained.find((one) => one?.resourceType === 'Patient');
  return found?.resourceType === 'Patient' ? found : null;
}

function deviceOf(request: CertificateRequest): string | null {
  const found = request.contained.find((one) => one?.resourceType === 'Device');
  return found?.resourceType === 'Device' ? (found.identifier?.[0].value ?? null) : null;
}

/** The birth date in a personnummer, or in a samordningsnummer with 60 added to its day. */
function dateOf(number: string): string {
  const day = Number(number.slice(6, 8));
  return `${number.slice(0, 4)}-${number.slice(4, 6)}-${String(day > 60 ? day - 60 : day).padStart(2, '0')}`;
}

function readTime(value: unknown): number {
  if (typeof value === 'number') return value * 1000;
  return typeof value === 'string' ? Date.parse(value) : Number.NaN;
}

const LETTERS: Readonly<Record<string, string>> = { Å: 'AA', Ä: 'AE', Ö: 'OE', Ø: 'OE', Æ: 'AE', Ü: 'UE', ẞ: 'SS' };

/**
 * A name as ICAO 9303 has it in the machine-readable zone, at most 80 characters.
 * @see ICAO Doc 9303 part 3, section 6
 */
function transliterate(name: string): string {
  return [...name.normalize('NFC').replaceAll('ß', 'ẞ').toUpperCase()]
    .map((letter) => LETTERS[letter] ?? letter)
    .join('')
    .normalize('NFD')
    .replace(/[\u0300-\u036f'’`]/g, '')
    .replace(/[^A-Z]+/g, '<')
    .replace(/^<+|<+$/g, '')
    .slice(0, 80);
}

const SWEDISH_DATES = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Europe/Stockholm', dateStyle: 'short' });
