import type { FaultRecord } from '../../src/contracts/fault.ts';
import type { Mapped, Statement } from '../../src/contracts/mapper.ts';
import { checkResource } from '../../src/fhir/check-resource.ts';
import { deriveIdentifier, deriveKey } from '../../src/fhir/identifier.ts';
import { isAtLeast, parseDateTime } from '../../src/hl7/datetime.ts';
import { PARTY, SECRET } from './engine.ts';
import { type Line, Lines, readTable } from './lines.ts';

/** A test certificate says so of a test of the last 72 hours; the rule is of this day. */
const TEST_MS = 72 * 3_600_000;
const TEST_HOURS_SINCE = '2020-01-01';
/** How far the clock that wrote the sample time may be ahead of the one that wrote the message. */
const CLOCK_TOLERANCE_MS = 10 * 60_000;
/** How far PID-7 may be from the date in the person's number. */
const BIRTH_DATE_TOLERANCE_MS = 31 * 86_400_000;
const TESTS = readTable('se-covid-tests', 'LN');
const OUTCOMES = readTable('se-covid-outcomes', 'SCT');
const OUTCOME_TEXTS = readTable('se-covid-outcomes');
const OUTCOME_CODES = readTable('se-covid-outcome-codes');
const STATUSES = readTable('se-result-status');
const STATUS_ORDER = readTable('se-status-order');
const TEST_TYPES = readTable('se-covid-test-types');
const REQUESTS = readTable('se-certificate-requests');
const AUTHORITIES = readTable('se-identifier-authorities');
const SYSTEMS = readTable('se-identifier-systems');
const YES = readTable('se-yes');
/** Its messages have one result. */
const AT = 'OBX[1]';

/**
 * NAAT results → test certificates of the negative ones, as a careful programmer writes it who knows this one service:
 * equal to what `se-covid-certificates` makes of such messages, with every rule by which such a result is left out,
 * refused or held. Positive results, antigen tests, persons without a Swedish number and what cannot be read it refuses
 * by throwing.
 */
export function mapCertificate(bytes: Uint8Array): Mapped {
  const lines = new Lines(bytes);
  const mapped: OpenMapped = { statements: [], drafts: [], skipped: [], faults: [], provides: [], warnings: [] };
  let pid: Line | null = null;
  let obr: Line | null = null;
  const observations: { obx: Line; obr: Line; pid: Line }[] = [];
  let spm: Line | null = null;
  let pd1: Line | null = null;
  for (const line of lines.rest) {
    if (line[0] === 'PID') pid = line;
    else if (line[0] === 'PD1') pd1 = line;
    else if (line[0] === 'OBR') obr = line;
    else if (line[0] === 'SPM') spm = line;
    else if (line[0] === 'OBX' && pid !== null && obr !== null) observations.push({ obx: line, obr, pid });
  }
  for (const { pid, obr, obx } of observations) mapResult({ lines, pid, pd1, obr, obx, spm }, mapped);
  return mapped;
}

type OpenMapped = Mapped & { readonly warnings: FaultRecord[]; readonly provides: string[] };

interface Result {
  readonly lines: Lines;
  readonly pid: Line;
  readonly pd1: Line | null;
  readonly obr: Line;
  readonly obx: Line;
  readonly spm: Line | null;
}

function mapResult(result: Result, mapped: OpenMapped): void {
  const { lines, pid, obr, obx, spm } = result;
  const facility = lines.text(lines.msh, 4, 2) || lines.text(lines.msh, 4, 1);
  if (facility !== PARTY.organisationNumber && facility !== PARTY.id) throw new Error('party-unknown');
  const test = TESTS.get(lines.text(obx, 3, 1).toLowerCase()) ?? TESTS.get(lines.text(obx, 3, 1));
  if (test === undefined) throw new Error('code-unmapped');
  const value = lines.raw(obx, 5);
  const outcome =
    OUTCOMES.get(lines.part(value, 1).toLowerCase()) ?? OUTCOME_TEXTS.get(lines.part(value, 1).toLowerCase());
  const status = STATUSES.get(lines.text(obx, 11, 1));
  if (outcome === undefined || status === undefined) throw new Error('code-unmapped');
  if (test === 'other') {
    mapped.skipped.push({ reason: 'not-a-covid-test', at: AT });
    return;
  }
  if (test !== 'naat') throw new Error('not a NAAT');
  const person = readPerson(lines, pid);
  const filler = lines.text(obr, 3, 1);
  if (filler === '') throw new Error('field-required');
  const personKey = `${person.kind}:${person.number}`;
  const resultKey = deriveKey(SECRET, [
    'result',
    'se-covid-certificates',
    PARTY.id,
    lines.text(lines.msh, 4, 1),
    personKey,
    filler,
    lines.text(obx, 3, 1) || lines.text(obx, 3, 4),
    lines.unescape(lines.raw(obx, 4)),
  ]);
  // Asked for by the message itself or by another one: a delivery says what it needs, a message what it provides.
  const order = lines.text(obr, 2, 1) || filler;
  const need = deriveKey(SECRET, ['need', PARTY.id, 'test-certificate', personKey, order]);
  const isAskedFor = isRequested(result);
  if (isAskedFor) mapped.provides.push(need);
  const sampled = lines.dateTime(lines.text(spm, 17, 1) || lines.text(obr, 7, 1) || lines.text(obx, 14, 1));
  const reason = reasonToSkip(result, status, outcome);
  if (reason !== null) {
    mapped.skipped.push({ reason, at: AT });
    mapped.statements.push(stateResult(result, resultKey, reason, []));
    return;
  }
  if (outcome !== 'negative') throw new Error('not a test certificate');
  if (!sampled.includes('T') || sampled < TEST_HOURS_SINCE) throw new Error('field-required');
  const faults = findFaults(result, sampled, person.number, mapped);
  if (faults.length > 0) {
    mapped.faults.push(...faults);
    return;
  }
  if (!isAskedFor) mapped.skipped.push({ reason: 'not-requested', at: AT });
  const identifier = deriveIdentifier(SECRET, ['identifier', resultKey, 'test-certificate']);
  const testName = lines.text(obx, 17, 2);
  const contained: object[] = [
    { resourceType: 'Patient', id: '1', identifier: [{ system: SYSTEMS.get(person.kind), value: person.number }] },
    { resourceType: 'Organization', id: '2', name: PARTY.name },
  ];
  if (testName !== '')
    contained.push({
      resourceType: 'Device',
      id: '3',
      deviceName: [{ name: testName, type: 'manufacturer-name' }],
    });
  const body = {
    resourceType: 'Observation',
    contained,
    identifier: [{ use: 'temp', value: identifier }],
    status: 'final',
    code: {
      coding: [
        { system: 'http://loinc.org', code: TEST_TYPES.get(test) },
        { system: 'http://snomed.info/sct', code: '840539006' },
      ],
    },
    subject: { reference: '#1' },
    effectiveDateTime: sampled,
    performer: [{ reference: '#2' }],
    valueCodeableConcept: { coding: [{ system: 'http://snomed.info/sct', code: OUTCOME_CODES.get(outcome) }] },
    ...(testName === '' ? {} : { device: { reference: '#3' } }),
  };
  if (checkResource(body).length > 0) throw new Error('mapping-incomplete');
  const text = JSON.stringify(body);
  mapped.drafts.push({
    resultKey,
    target: 'covidbevis',
    operation: 'test-certificate',
    party: PARTY.id,
    laneKey: deriveKey(SECRET, ['lane', personKey]).slice(0, 32),
    body: Buffer.from(text),
    notBefore: null,
    notAfter: Date.parse(sampled) + TEST_MS,
    once: null,
    waived: null,
    needs: { key: need, reason: 'not-requested' },
    flaw: null,
  });
  mapped.statements.push(stateResult(result, resultKey, '', [`covidbevis/test-certificate ${text}`]));
}

/** Why a result gives no certificate; null = it does. */
function reasonToSkip({ lines, obx }: Result, status: string, outcome: string): string | null {
  if (status === 'withdrawn') return 'withdrawn';
  if (status !== 'final') return 'not-final';
  if (outcome === 'inconclusive') return 'inconclusive';
  if (lines.all(obx, 5).length > 1) return 'several-values';
  return null;
}

/** A test certificate is asked for. */
function isRequested({ lines, obr }: Result): boolean {
  const requested = lines.all(obr, 31).map((raw) => REQUESTS.get(lines.part(raw, 1).toLowerCase()));
  return requested.includes('test') || requested.includes('both');
}

/** What is wrong with a result, so that it is refused or held. */
function findFaults(result: Result, sampled: string, number: string, mapped: OpenMapped): FaultRecord[] {
  const { lines, pid, pd1, obr, spm } = result;
  const fault = (code: FaultRecord['code'], detail: string, at: string) => ({ code, at, where: null, detail });
  const faults: FaultRecord[] = [];
  const sent = lines.dateTime(lines.text(lines.msh, 7, 1));
  if (sent.includes('T') && Date.parse(sampled) - Date.parse(sent) > CLOCK_TOLERANCE_MS) {
    const at = lines.text(spm, 17, 1) !== '' ? 'SPM-17.1' : lines.text(obr, 7, 1) !== '' ? 'OBR[1]-7' : 'OBX[1]-14';
    faults.push(fault('rule-refuses', 'sampled-after-sending', at));
  }
  if (YES.get(lines.text(pd1, 12, 1).toLowerCase()) === 'yes')
    faults.push(fault('rule-holds', 'protected-identity', 'PD1-12'));
  const born = lines.text(pid, 7, 1);
  const value = born === '' ? null : parseDateTime(born);
  if (born !== '' && value === null) mapped.warnings.push(fault('field-type', 'date-time', 'PID-7'));
  if (value !== null && isAtLeast(value.precision, 'day')) {
    const day = Number(number.slice(6, 8));
    const inNumber = Date.UTC(Number(number.slice(0, 4)), Number(number.slice(4, 6)) - 1, day > 60 ? day - 60 : day);
    const distance = Date.UTC(value.year, value.month - 1, value.day) - inNumber;
    if (Math.abs(distance) > BIRTH_DATE_TOLERANCE_MS) faults.push(fault('rule-holds', 'birth-date-disagrees', 'PID-7'));
  }
  return faults;
}

function stateResult(result: Result, resultKey: string, reason: string, states: readonly string[]): Statement {
  const { lines, pid, obr, obx, spm } = result;
  const raws = [
    [obx, 3],
    [obx, 5],
    [obx, 11],
    [spm, 17],
    [obr, 7],
    [obx, 14],
    [obx, 17],
    [obx, 18],
    [pid, 3],
    [pid, 5],
    [pid, 7],
  ] as const;
  return {
    resultKey,
    rank: `${lines.instant(lines.text(obr, 22, 1) || lines.text(lines.msh, 7, 1))} ${STATUS_ORDER.get(lines.text(obx, 11, 1)) ?? '1'}`,
    digest: deriveKey(SECRET, [
      'digest',
      reason,
      ...raws.map(([line, field]) => lines.unescape(lines.raw(line, field))),
      ...states,
    ]),
  };
}

/** The one personnummer or samordningsnummer among PID-3. */
function readPerson(lines: Lines, pid: Line): { kind: 'personnummer' | 'samordningsnummer'; number: string } {
  const numbers = new Set<string>();
  for (const raw of lines.all(pid, 3)) {
    const stated =
      AUTHORITIES.get(lines.part(raw, 4, 2).toLowerCase()) ??
      AUTHORITIES.get(lines.part(raw, 4, 1).toLowerCase()) ??
      AUTHORITIES.get(lines.part(raw, 5).toLowerCase());
    if (stated === 'local') continue;
    const number = lines.part(raw, 1).replace(/[-+ ]/g, '');
    if (!isReal(number) || !isLuhn(number.slice(2))) throw new Error('check-digit');
    numbers.add(number);
  }
  const [number] = numbers;
  if (number === undefined || numbers.size > 1) throw new Error('identities-disagree');
  return { kind: Number(number.slice(6, 8)) > 60 ? 'samordningsnummer' : 'personnummer', number };
}

function isReal(number: string): boolean {
  const parts = /^((?:18|19|20)\d\d)(\d\d)(\d\d)\d{4}$/.exec(number);
  if (parts === null) return false;
  const day = Number(parts[3]) > 60 ? Number(parts[3]) - 60 : Number(parts[3]);
  const date = new Date(Date.UTC(Number(parts[1]), Number(parts[2]) - 1, day));
  return date.getUTCMonth() === Number(parts[2]) - 1 && date.getUTCDate() === day;
}

function isLuhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index += 1) {
    const weighted = Number(digits[index]) * (index % 2 === 0 ? 2 : 1);
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}
