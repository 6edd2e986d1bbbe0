import { CODES } from './codes.ts';
import { type Demand, demandKeys, isList, isObject, isText, type Json } from './demand.ts';
import { isCalendarDate } from './person-number.ts';
import { readSubject, type Subject } from './subject.ts';
import { readDevice, readSite, type TestKind } from './tested-with.ts';

export type Submitting = 'observation' | 'recovery';
/** What a request that keeps every rule says. */
export interface Submission {
  readonly identifier: string;
  readonly kind: TestKind;
  readonly subject: Subject;
  /** RFC 3339 as it came. */
  readonly sampledAt: string;
  /** Contained Organization.name; null = no performer. */
  readonly site: string | null;
  /** JRC device id (RAT); null = none. */
  readonly deviceId: string | null;
  /** Test or manufacturer name (NAAT); null = none. */
  readonly deviceName: string | null;
}

export interface SubmissionRules {
  /** JRC ids that are taken; null = any digits. */
  readonly devices: ReadonlySet<string> | null;
  /** ms since the epoch against which ages of samples are judged, in hours and Swedish days; null = they are not. */
  readonly today: number | null;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The certificate identifier may have 80 characters, of which the service adds at most 42. */
const MAX_IDENTIFIER = 38;

/**
 * Holds a request body against the rules of the reconstructed specification (§3.2, §5) and reads it.
 * @returns what it says, or every rule it breaks as `Observation.status: must be final`; no value is repeated.
 */
export function readSubmission(
  body: unknown,
  submitting: Submitting,
  rules: SubmissionRules,
): { submission: Submission } | { violations: string[] } {
  const violations: string[] = [];
  const demand = (ok: boolean, at: string, rule: string): boolean => {
    if (!ok) violations.push(`${at}: ${rule}`);
    return ok;
  };
  if (!isObject(body)) return { violations: ['Observation: must be a JSON object'] };

  demand(body.resourceType === 'Observation', 'Observation.resourceType', 'must be Observation');
  demandKeys(demand, body, 'Observation', TOP_KEYS);
  demand(body.id === undefined || isText(body.id), 'Observation.id', 'must be a string');
  demand(body.status === 'final', 'Observation.status', 'must be final');

  const identifier = readIdentifier(demand, body.identifier);
  const kind = readKind(demand, body.code);
  readResult(demand, body.valueCodeableConcept, submitting);
  demand(
    submitting === 'observation' || kind !== 'rat',
    'Observation.code',
    'a recovery certificate needs a nucleic acid amplification test',
  );
  const sampledAt = readSampledAt(demand, body.effectiveDateTime, submitting, rules.today);

  const contained = readContained(demand, body.contained);
  const used = new Set<string>();
  const follow = (reference: unknown, at: string, type: string): Json | null => {
    const id = isObject(reference) && isText(reference.reference) ? reference.reference : '';
    const found = id.startsWith('#') ? contained.get(id.slice(1)) : undefined;
    used.add(id.slice(1));
    return demand(found?.resourceType === type, at, `must refer to a contained ${type}`) ? (found ?? null) : null;
  };

  const patient = follow(body.subject, 'Observation.subject', 'Patient');
  const subject = patient === null ? null : readSubject(demand, patient);
  const site = readSite(demand, body.performer, kind === 'naat' && submitting === 'observation', follow);
  const device = readDevice(demand, body.device, kind, follow, rules.devices);
  for (const id of contained.keys())
    demand(used.has(id), 'Observation.contained', 'every contained resource must be referred to');

  if (violations.length > 0 || identifier === null || kind === null || subject === null || sampledAt === null) {
    return { violations };
  }
  return { submission: { identifier, kind, subject, sampledAt, site, ...device } };
}

const TOP_KEYS = [
  ...['resourceType', 'id', 'meta', 'contained', 'identifier', 'status', 'code', 'subject', 'effectiveDateTime'],
  ...['performer', 'valueCodeableConcept', 'device'],
];

function readIdentifier(demand: Demand, value: unknown): string | null {
  const at = 'Observation.identifier';
  if (!demand(isList(value) && value.length === 1 && isObject(value[0]), at, 'must be exactly one')) return null;
  const only = (value as Json[])[0] ?? {};
  demandKeys(demand, only, `${at}[0]`, ['use', 'value']);
  demand(only.use === undefined || only.use === 'temp', `${at}[0].use`, 'must be temp');
  const ok = isText(only.value) && /^[0-9A-Z]+$/.test(only.value) && only.value.length <= MAX_IDENTIFIER;
  return demand(ok, `${at}[0].value`, `must be 1 to ${MAX_IDENTIFIER} characters of 0-9 A-Z`)
    ? String(only.value)
    : null;
}

function readKind(demand: Demand, value: unknown): TestKind | null {
  const codings = readCodings(value);
  const at = 'Observation.code.coding';
  const two = demand(codings.length === 2, at, 'must be exactly two: LOINC test type and SNOMED disease');
  const disease = codings.some((one) => one.system === CODES.snomed && one.code === CODES.covid19);
  demand(disease, at, `must hold the disease ${CODES.covid19} of ${CODES.snomed}`);
  const type = codings.find((one) => one.system === CODES.loinc)?.code;
  const known = type === CODES.naat || type === CODES.rat;
  demand(known, at, `must hold a test type of ${CODES.loinc}: ${CODES.naat} or ${CODES.rat}`);
  return two && known ? (type === CODES.naat ? 'naat' : 'rat') : null;
}

function readResult(demand: Demand, value: unknown, submitting: Submitting): void {
  const codings = readCodings(value);
  const expected = submitting === 'observation' ? CODES.negative : CODES.positive;
  const ok = codings.length === 1 && codings[0]?.system === CODES.snomed && codings[0].code === expected;
  const word =
    submitting === 'observation' ? 'a test certificate needs a negative' : 'a recovery certificate needs a positive';
  demand(ok, 'Observation.valueCodeableConcept.coding', `${word} result: ${expected} of ${CODES.snomed}`);
}

function readSampledAt(demand: Demand, value: unknown, submitting: Submitting, today: number | null): string | null {
  const at = 'Observation.effectiveDateTime';
  const form = /^(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-](0\d|1[0-4]):[0-5]\d)$/;
  const text = isText(value) ? value : '';
  const date = form.exec(text)?.[1];
  if (!demand(date !== undefined && isCalendarDate(date), at, 'must be a date, a time and a zone offset')) return null;
  if (today === null) return text;
  const ageMs = today - Date.parse(text);
  demand(ageMs >= 0, at, 'must not be in the future');
  if (submitting === 'observation') demand(ageMs < 72 * HOUR_MS, at, 'must be less than 72 hours ago');
  else {
    const days = (startOfDay(today) - startOfDay(Date.parse(text))) / DAY_MS;
    demand(days >= 11, at, 'must be at least 11 days ago');
    demand(days <= 180, at, 'must be at most 180 days ago');
  }
  return text;
}

const SWEDISH_DAYS = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Europe/Stockholm', dateStyle: 'short' });

/** The day of the Swedish calendar, as UTC midnight. */
const startOfDay = (at: number): number => Date.parse(SWEDISH_DAYS.format(at));

function readContained(demand: Demand, value: unknown): Map<string, Json> {
  const found = new Map<string, Json>();
  if (!demand(isList(value) && value.length > 0, 'Observation.contained', 'must be a list of resources')) return found;
  for (const one of value as unknown[]) {
    const id = isObject(one) && isText(one.id) ? one.id : '';
    if (demand(id !== '' && !found.has(id), 'Observation.contained', 'each resource must have an id of its own')) {
      found.set(id, one as Json);
    }
  }
  return found;
}

function readCodings(value: unknown): Json[] {
  return isObject(value) && isList(value.coding) ? value.coding.filter(isObject) : [];
}
