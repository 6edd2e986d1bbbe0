import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Mapped } from '../../src/contracts/mapper.ts';
import { runCases } from '../../src/mapping/case.ts';
import { namedOperations } from '../../src/mapping/named-operations.ts';
import { type ChannelWish, CONTEXT, compile, faultsOf, mapperOf, message, PROJECT_FILES, problemsOf } from './kit.ts';

const CHANNEL: ChannelWish = { mappings: ['se-covid-certificates'] };
const mapper = mapperOf(compile(PROJECT_FILES, CHANNEL));

/** A message of one result; each part can be replaced. */
interface Parts {
  readonly msh7?: string;
  readonly msh4?: string;
  readonly pid3?: string;
  readonly pid5?: string;
  readonly pid7?: string;
  readonly test?: string;
  readonly value?: string;
  readonly status?: string;
  readonly sampled?: string;
  readonly requested?: string;
  readonly obx17?: string;
  readonly obx18?: string;
  readonly more?: readonly string[];
}

const NUMBER = '199708062386^^^&1.2.752.129.2.1.3.1&ISO^NNSWE';
const NAAT = '94500-6^^LN';
const RAT = '97097-0^^LN';
const NEGATIVE = '260415000^Not detected^SCT';
const POSITIVE = '260373001^Detected^SCT';

function segmentsOf(parts: Parts = {}): string[] {
  const { msh4 = '2321000016', pid3 = NUMBER, pid5 = '', pid7 = '', sampled = '20220301081500' } = parts;
  // Sent soon after the sample, unless a test says when.
  const { msh7 = sampled.slice(0, 4) >= '2022' ? `${sampled.slice(0, 8)}235959` : '20220301101500' } = parts;
  const { test = NAAT, value = NEGATIVE, status = 'F', requested = 'COVIDBEVIS', obx17 = '', obx18 = '' } = parts;
  return [
    `MSH|^~\\&|LIS|${msh4}|SLUSS|EHM|${msh7}||ORU^R01^ORU_R01|C1|P|2.5.1||||||UNICODE UTF-8`,
    `PID|1||${pid3}||${pid5}||${pid7}`,
    `OBR|1||F1|${test}|||${sampled}${'|'.repeat(24)}${requested}`,
    `OBX|1|CWE|${test}||${value}||||||${status}||||||${obx17}|${obx18}`,
    ...(parts.more ?? []),
  ];
}

const map = (parts: Parts = {}): Mapped => mapper.map(message(segmentsOf(parts)), CONTEXT);

function bodyOf(parts: Parts = {}) {
  const mapped = map(parts);
  expect(faultsOf(mapped)).toEqual([]);
  expect(mapped.drafts).toHaveLength(1);
  return JSON.parse(Buffer.from(mapped.drafts[0]?.body ?? []).toString());
}

const contained = (body: { contained: { resourceType: string }[] }, type: string) =>
  body.contained.find(({ resourceType }) => resourceType === type);

describe('a negative NAAT', () => {
  it('becomes a test certificate of exactly these elements', () => {
    const { drafts, statements, skipped } = map();
    const [draft] = drafts;
    expect(draft).toMatchObject({
      target: 'covidbevis',
      operation: 'test-certificate',
      party: 'nord',
      notBefore: null,
      notAfter: Date.UTC(2022, 2, 4, 7, 15),
      resultKey: statements[0]?.resultKey,
    });
    expect(skipped).toEqual([]);
    expect(bodyOf()).toEqual({
      resourceType: 'Observation',
      contained: [
        {
          resourceType: 'Patient',
          id: '1',
          identifier: [{ system: 'http://electronichealth.se/identifier/personnummer', value: '199708062386' }],
        },
        { resourceType: 'Organization', id: '2', name: 'Provtagning Nord' },
      ],
      identifier: [{ use: 'temp', value: expect.stringMatching(/^[0-9A-Z]{1,30}$/) }],
      status: 'final',
      code: {
        coding: [
          { system: 'http://loinc.org', code: 'LP6464-4' },
          { system: 'http://snomed.info/sct', code: '840539006' },
        ],
      },
      subject: { reference: '#1' },
      effectiveDateTime: '2022-03-01T08:15:00+01:00',
      performer: [{ reference: '#2' }],
      valueCodeableConcept: { coding: [{ system: 'http://snomed.info/sct', code: '260415000' }] },
    });
  });

  it('names its test, and never a device number', () => {
    const body = bodyOf({ obx17: '344^PCR of Maker^JRC', obx18: '344' });
    expect(contained(body, 'Device')).toEqual({
      resourceType: 'Device',
      id: '3',
      deviceName: [{ name: 'PCR of Maker', type: 'manufacturer-name' }],
    });
    expect(body.device).toEqual({ reference: '#3' });
    expect(contained(bodyOf({ obx18: '344' }), 'Device')).toBeUndefined();
    expect(bodyOf({ obx18: '344' }).device).toBeUndefined();
  });

  it.each([
    '94309-2^^LN',
    '94500-6^^LOINC',
    '95406-5^^2.16.840.1.113883.6.1',
    'NPU59097^^NPU',
    '871555000^^SCT',
    'COVPCR^^L',
    'X^^99LIS^94500-6^^LN',
    'LP6464-4^^LN',
  ])('is one by the code %s', (test) => {
    expect(bodyOf({ test }).code.coding[0].code).toBe('LP6464-4');
  });

  it.each([
    NEGATIVE,
    '260385009^^SNM',
    'neg',
    'Negativ',
    ' EJ PÅVISAD ',
    'Not detected',
    'X^Ej påvisad^99LIS^260415000^^SCT',
  ])('is negative by the value %j', (value) => {
    expect(bodyOf({ value }).valueCodeableConcept.coding[0].code).toBe('260415000');
  });

  it('takes the time from the specimen, else from the order, else from the result', () => {
    const spm = 'SPM|1|S1||NAS|||||||||||||20220228070000^20220228080000';
    expect(bodyOf({ more: [spm] }).effectiveDateTime).toBe('2022-02-28T07:00:00+01:00');
    expect(bodyOf({ sampled: '202203010815+0000' }).effectiveDateTime).toBe('2022-03-01T08:15:00+00:00');
    expect(bodyOf({ sampled: '20220701081530' }).effectiveDateTime).toBe('2022-07-01T08:15:30+02:00');
  });
});

describe('a negative antigen test', () => {
  it.each([
    ['OBX-18', { obx18: '344^^JRC' }],
    ['OBX-17', { obx17: '344^Name' }],
  ])('goes with its device number from %s, and no name', (_, parts) => {
    const body = bodyOf({ test: RAT, ...parts });
    expect(body.code.coding[0].code).toBe('LP217198-3');
    expect(contained(body, 'Device')).toEqual({
      resourceType: 'Device',
      id: '3',
      identifier: [
        { system: 'https://covid-19-diagnostics.jrc.ec.europa.eu/devices/hsc-common-recognition-rat', value: '344' },
      ],
    });
    expect(body.device).toEqual({ reference: '#3' });
  });

  it('is refused without, and the place is named', () => {
    expect(faultsOf(map({ test: RAT }))).toEqual(['field-required OBX[1]-18.1']);
  });
});

describe('a positive NAAT', () => {
  it('becomes a recovery certificate from the eleventh day, counted in days of the calendar', () => {
    const { drafts } = map({ value: POSITIVE, sampled: '202203200815' });
    expect(drafts).toHaveLength(1);
    expect(drafts[0]).toMatchObject({ operation: 'recovery-certificate' });
    // The clocks were set forward on 27 March.
    expect(new Date(drafts[0]?.notBefore ?? 0).toISOString()).toBe('2022-03-30T22:00:00.000Z');
    // Until the end of day 180, 16 September.
    expect(new Date(drafts[0]?.notAfter ?? 0).toISOString()).toBe('2022-09-16T22:00:00.000Z');
    expect(bodyOf({ value: POSITIVE }).valueCodeableConcept.coding).toEqual([
      { system: 'http://snomed.info/sct', code: '260373001' },
    ]);
  });
});

describe('its times', () => {
  const windowOf = (sampled: string, more: Parts = {}, rules = '') => {
    const own = mapperOf(compile(PROJECT_FILES, { ...CHANNEL, ...(rules === '' ? {} : { with: rules }) }));
    const [draft] = own.map(message(segmentsOf({ sampled, ...more })), CONTEXT).drafts;
    return [draft?.notBefore, draft?.notAfter].map((at) => (at == null ? null : new Date(at).toISOString()));
  };

  it('are 72 hours for a test, and days of the Swedish calendar for a recovery, across both changes of the clock', () => {
    expect(windowOf('202203261000')).toEqual([null, '2022-03-29T09:00:00.000Z']);
    expect(windowOf('202210291000')).toEqual([null, '2022-11-01T08:00:00.000Z']);
    const recovery = { value: POSITIVE };
    expect(windowOf('202203202359', recovery)).toEqual(['2022-03-30T22:00:00.000Z', '2022-09-16T22:00:00.000Z']);
    expect(windowOf('202210200001', recovery)).toEqual(['2022-10-30T23:00:00.000Z', '2023-04-18T22:00:00.000Z']);
  });

  it('are settings, which may change with the day of the sample', () => {
    expect(windowOf('20220301081500', {}, 'testHours: 48')).toEqual([null, '2022-03-03T07:15:00.000Z']);
    const dated = 'testHours: { since: { 2021-07-01: 72, 2022-03-01: 48 }, of: $sampled }';
    expect(windowOf('202202282359', {}, dated)[1]).toBe('2022-03-03T22:59:00.000Z');
    expect(windowOf('202203010000', {}, dated)[1]).toBe('2022-03-02T23:00:00.000Z');
  });

  it('are refused where the sample is later than the message', () => {
    const fault = ['rule-refuses OBR[1]-7 sampled-after-sending'];
    expect(faultsOf(map({ sampled: '202203010815', msh7: '20220301080500' }))).toEqual([]);
    expect(faultsOf(map({ sampled: '202203010815', msh7: '20220301080459' }))).toEqual(fault);
    expect(faultsOf(map({ sampled: '202203010815+0000', msh7: '20220301083000' }))).toEqual(fault);
    expect(faultsOf(map({ sampled: '202203010815', msh7: '20220301081500+0200', status: 'P' }))).toEqual([]);
    // A date alone says no time to compare with.
    expect(faultsOf(map({ sampled: '202203010815', msh7: '20220228' }))).toEqual([]);
  });
});

describe('of several positive NAATs of a person', () => {
  const onceOf = (parts: Parts) => map({ value: POSITIVE, ...parts }).drafts[0]?.once;

  it('the first counts, until the end of day 180', () => {
    expect(onceOf({ sampled: '202203200815' })).toMatchObject({
      at: Date.UTC(2022, 2, 20, 7, 15),
      until: Date.UTC(2022, 8, 16, 22),
    });
    expect(map().drafts[0]?.once).toBeNull();
  });

  it('one that nobody asked a certificate for is one all the same', () => {
    const [draft] = map({ value: POSITIVE, requested: '' }).drafts;
    expect(draft).toMatchObject({ once: onceOf({}), operation: 'recovery-certificate', flaw: null });
    expect(draft?.needs?.reason).toBe('not-requested');
    // Without its time it has no place among the others, and is left out as ever.
    expect(map({ value: POSITIVE, requested: '', sampled: '20220301' })).toMatchObject({
      drafts: [{ once: null, flaw: { code: 'field-type', at: 'OBR[1]-7' } }],
      faults: [],
    });
    for (const parts of [
      { value: POSITIVE, status: 'P' },
      { value: POSITIVE, status: 'X' },
    ])
      expect(map(parts).drafts).toEqual([]);
  });

  it('those of the same person, whatever sample, are told from others’', () => {
    const key = onceOf({})?.key;
    expect(onceOf({ sampled: '202203200815', test: 'NPU59097^^NPU' })?.key).toBe(key);
    expect(onceOf({ pid3: '197010632391^^^SKV' })?.key).not.toBe(key);
    const named = { pid3: '', pid5: 'Ek^Åsa', pid7: '19970806' };
    expect(onceOf({ ...named, sampled: '202203200815' })?.key).toBe(onceOf(named)?.key);
    expect(onceOf({ ...named, pid7: '19970807' })?.key).not.toBe(onceOf(named)?.key);
  });
});

describe('the person', () => {
  const patient = (parts: Parts) => contained(bodyOf(parts), 'Patient');
  const NAME = { pid5: 'Ek^Åsa^Maria Eva', pid7: '19970806' };

  it('with a number is the number and nothing else', () => {
    expect(patient({ ...NAME, pid7: '19701003', pid3: '197010632391^^^SKV' })).toEqual({
      resourceType: 'Patient',
      id: '1',
      identifier: [{ system: 'http://electronichealth.se/identifier/samordningsnummer', value: '197010632391' }],
    });
  });

  it.each([
    ['nothing', ''],
    ['a local number', '4711^^^LIS^MR'],
    ['a reserve number', '991981000010^^^&1.2.752.97.3.1.3&ISO'],
    ['another country’s', '08069712345^^^^NNNOR'],
  ])('with %s is name and birth date', (_, pid3) => {
    expect(patient({ ...NAME, pid3 })).toEqual({
      resourceType: 'Patient',
      id: '1',
      name: [{ family: 'Ek', given: ['Åsa', 'Maria', 'Eva'] }],
      birthDate: '1997-08-06',
    });
  });

  it('has the legal name where one is marked, whole', () => {
    const pid5 = 'Alm^Annie^^^^^D~Ek&&Ek^Anna^Britta^^^^L';
    expect(patient({ ...NAME, pid3: '', pid5 })).toMatchObject({ name: [{ family: 'Ek', given: ['Anna', 'Britta'] }] });
    expect(patient({ ...NAME, pid3: '', pid5: 'Alm^Annie^Rut^^^^D~Ek^Anna^^^^^L' })).toMatchObject({
      name: [{ family: 'Ek', given: ['Anna'] }],
    });
  });

  it('has particles, double names and several given names as they are written', () => {
    const nameOf = (pid5: string) => patient({ pid3: '', pid5, pid7: '19970806' }) as { name?: unknown };
    expect(nameOf('von Essen^Carl-Johan^Axel Gustaf')).toMatchObject({
      name: [{ family: 'von Essen', given: ['Carl-Johan', 'Axel', 'Gustaf'] }],
    });
    expect(nameOf('af Klercker&af&Klercker^Eva')).toMatchObject({ name: [{ family: 'af Klercker', given: ['Eva'] }] });
    expect(nameOf('&van der&Berg^Jan')).toMatchObject({ name: [{ family: 'van der Berg', given: ['Jan'] }] });
  });

  it('may be born on a day nobody knows, where the channel says so', () => {
    const own = mapperOf(
      compile(PROJECT_FILES, { ...CHANNEL, with: 'birthDate: { from: PID-7, as: date, required: true }' }),
    );
    const born = (pid7: string) => {
      const [draft] = own.map(message(segmentsOf({ pid3: '', pid5: 'Ek^Åsa', pid7 })), CONTEXT).drafts;
      return (contained(JSON.parse(Buffer.from(draft?.body ?? []).toString()), 'Patient') as { birthDate?: string })
        .birthDate;
    };
    expect([born('1997'), born('199708'), born('19970806')]).toEqual(['1997', '1997-08', '1997-08-06']);
  });

  it('is held where PID-7 says another birth date than the number, by more than days that ran out', () => {
    expect(faultsOf(map({ pid7: '19970730' }))).toEqual([]);
    expect(faultsOf(map({ pid7: '19970906' }))).toEqual([]);
    expect(faultsOf(map({ pid7: '19970907' }))).toEqual(['rule-holds PID-7 birth-date-disagrees']);
    expect(faultsOf(map({ pid7: '19790806' }))).toEqual(['rule-holds PID-7 birth-date-disagrees']);
    expect(faultsOf(map({ pid3: '197010632391^^^SKV', pid7: '19701003' }))).toEqual([]);
    expect(faultsOf(map({ pid7: '1997' }))).toEqual([]);
    const strict = mapperOf(compile(PROJECT_FILES, { ...CHANNEL, with: 'birthDateTolerance: 0' }));
    expect(faultsOf(strict.map(message(segmentsOf({ pid7: '19970807' })), CONTEXT))).toHaveLength(1);
  });

  it('with protected personal data is held, skipped or sent, as the channel says', () => {
    const protectedPerson = message([...segmentsOf().slice(0, 2), `PD1|${'|'.repeat(10)}|Y`, ...segmentsOf().slice(2)]);
    expect(faultsOf(mapper.map(protectedPerson, CONTEXT))).toEqual(['rule-holds PD1-12 protected-identity']);
    const by = (rule: string) => {
      const own = mapperOf(compile(PROJECT_FILES, { ...CHANNEL, with: `onProtectedIdentity: ${rule}` }));
      const { drafts, skipped } = own.map(protectedPerson, CONTEXT);
      return [drafts.length, ...skipped.map(({ reason }) => reason)];
    };
    expect(by('skip')).toEqual([0, 'protected-identity']);
    expect(by('send')).toEqual([1]);
  });

  it('goes with an address where the channel says so', () => {
    const segments = segmentsOf().map((one) =>
      one.startsWith('PID') ? `${one}||||Storgatan 1^lgh 2^Umeå^^90325^SE` : one,
    );
    const own = mapperOf(compile(PROJECT_FILES, { ...CHANNEL, with: "sendAddress: 'yes'" }));
    const patientOf = (by: typeof mapper) =>
      contained(
        JSON.parse(Buffer.from(by.map(message(segments), CONTEXT).drafts[0]?.body ?? []).toString()),
        'Patient',
      );
    expect(patientOf(mapper)).not.toHaveProperty('address');
    expect(patientOf(own)).toMatchObject({
      address: [{ line: ['Storgatan 1', 'lgh 2'], city: 'Umeå', postalCode: '90325', country: 'SE' }],
    });
  });

  it.each([
    ['no family name', { pid5: '^Åsa', pid7: '19970806' }, ['field-required PID-5.1.1']],
    ['no given name', { pid5: 'Ek', pid7: '19970806' }, ['field-required PID-5.2']],
    ['no birth date', { pid5: 'Ek^Åsa' }, ['field-required PID-7']],
    ['half a birth date', { pid5: 'Ek^Åsa', pid7: '199708' }, ['field-type PID-7 date-time to the day']],
    ['nothing', {}, ['field-required PID-5.1.1', 'field-required PID-5.2', 'field-required PID-7']],
  ])('with %s is refused, every place named', (_, parts, faults) => {
    expect(faultsOf(map({ pid3: '', ...parts }))).toEqual(faults);
  });
});

describe('a child', () => {
  // 15 years old on the day of the sample; 16 on the day after.
  const CHILD = { pid3: '200603022385^^^SKV', value: POSITIVE, sampled: '202203010815' };
  const NK1 = 'NK1|1|Ek^Åsa|MTH^Mother^HL70063';
  const WITH_NUMBER = `${NK1}${'|'.repeat(30)}199708062386^^^SKV`;
  const child = (parts: Parts = {}, nk1 = WITH_NUMBER, rules = '') => {
    const own = rules === '' ? mapper : mapperOf(compile(PROJECT_FILES, { ...CHANNEL, with: rules }));
    const [msh = '', pid = '', ...rest] = segmentsOf({ ...CHILD, ...parts });
    return own.map(message([msh, pid, nk1, ...rest].filter((one) => one !== '')), CONTEXT);
  };
  const patientOf = (mapped: Mapped) =>
    contained(JSON.parse(Buffer.from(mapped.drafts[0]?.body ?? []).toString()), 'Patient');
  const reasonsOf = ({ skipped }: Mapped) => skipped.map(({ reason }) => reason);

  it('gets a recovery certificate through a guardian who has a number', () => {
    expect(patientOf(child())).toMatchObject({
      identifier: [{ value: '200603022385' }],
      contact: [
        {
          extension: [
            {
              url: 'http://hl7.org/fhir/StructureDefinition/patient-relatedPerson',
              valueReference: {
                identifier: { system: 'http://electronichealth.se/identifier/personnummer', value: '199708062386' },
              },
            },
          ],
          relationship: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-RoleCode', code: 'GUARD' }] }],
          name: { family: 'Ek', given: ['Åsa'] },
        },
      ],
    });
  });

  it('gets none without one', () => {
    expect(reasonsOf(child({}, ''))).toEqual(['guardian-missing']);
    expect(reasonsOf(child({}, NK1))).toEqual(['guardian-missing']);
    expect(reasonsOf(child({}, WITH_NUMBER.replace('MTH', 'NCH')))).toEqual(['guardian-missing']);
    // From the sixteenth birthday on, and for a test certificate, nobody asks.
    expect(reasonsOf(child({ sampled: '202203020015' }, ''))).toEqual([]);
    expect(reasonsOf(child({ value: NEGATIVE }, ''))).toEqual([]);
    const unnumbered = { pid3: '', pid5: 'Ek^Bo', pid7: '20100101' };
    expect(reasonsOf(child(unnumbered, ''))).toEqual(['guardian-missing']);
  });

  it('is said as the channel says', () => {
    const rules =
      'guardianExtension: http://x.example/guardian\nguardianSystem: http://x.example\nguardianCode: VH\nguardianUntilAge: 18';
    expect(patientOf(child({ sampled: '202203020015' }, WITH_NUMBER, rules))).toMatchObject({
      contact: [
        {
          extension: [{ url: 'http://x.example/guardian' }],
          relationship: [{ coding: [{ system: 'http://x.example', code: 'VH' }] }],
        },
      ],
    });
    expect(patientOf(child({ sampled: '202203020015' }))).not.toHaveProperty('contact');
  });

  it('with a guardian without a name is held: FHIR asks for one', () => {
    expect(faultsOf(child({}, WITH_NUMBER.replace('Ek^Åsa', '')))).toEqual([
      expect.stringContaining('mapping-incomplete'),
    ]);
  });

  it('with a guardian whose number is wrong is refused, as with its own', () => {
    expect(faultsOf(child({}, WITH_NUMBER.replace('2386', '2387')))).toEqual(['check-digit NK1-33.1 personnummer']);
  });
});

describe('where the message shows it', () => {
  it.each([
    ['selfSampled', 'self-sampled'],
    ['doneAbroad', 'done-abroad'],
    ['doneElsewhere', 'done-by-another-provider'],
  ])('%s gives no certificate: %s', (setting, reason) => {
    const rule = `${setting}: { from: ZCB-5, table: se-yes, default: 'no' }`;
    const own = mapperOf(compile(PROJECT_FILES, { ...CHANNEL, with: rule }));
    const reasonsOf = (zcb: string) =>
      own.map(message([...segmentsOf(), `ZCB|1||||${zcb}`]), CONTEXT).skipped.map((one) => one.reason);
    expect([reasonsOf('Ja'), reasonsOf('nej'), reasonsOf('')]).toEqual([[reason], [], []]);
  });
});

describe('the request', () => {
  const requests = mapperOf(
    compile(PROJECT_FILES, { mappings: ['se-covid-certificates', 'se-covid-requests'], parties: ['nord', 'syd'] }),
  );
  const order = (requested: string, more: { placer?: string; pid3?: string; type?: string; msh4?: string } = {}) => {
    const { placer = 'P1', pid3 = NUMBER, type = 'ORM^O01', msh4 = '2321000016' } = more;
    const segments = [
      `MSH|^~\\&|LIS|${msh4}|SLUSS|EHM|20220301101500||${type}|C2|P|2.5.1`,
      `PID|1||${pid3}`,
      `ORC|NW|${placer}`,
      `OBR|1|${placer}||${NAAT}${'|'.repeat(27)}${requested}`,
    ];
    return requests.map(message(segments), CONTEXT);
  };
  /** A result of the order P1. */
  const result = (parts: Parts) => {
    const segments = segmentsOf(parts).map((line) => line.replace('OBR|1||F1', 'OBR|1|P1|F1'));
    return requests.map(message(segments), CONTEXT);
  };
  const needed = (mapped: Mapped) => mapped.drafts.map(({ needs }) => needs?.key);

  it('makes no other version of the result: asked for or not, it says the same', () => {
    const [before, after] = [map({ requested: '' }), map()];
    expect(before.skipped).toEqual([{ reason: 'not-requested', at: 'OBX[1]' }]);
    expect(after.skipped).toEqual([]);
    expect(before.statements).toEqual(after.statements);
    expect(before.drafts).toEqual(after.drafts);
    expect([before.provides.length, after.provides.length]).toEqual([0, 2]);
    expect(after.provides).toContain(after.drafts[0]?.needs?.key);
  });

  it.each(['ORM^O01', 'OML^O21'])('may come in an order of its own, %s', (type) => {
    const asked = order('TESTBEVIS', { type });
    expect(asked).toMatchObject({ statements: [], drafts: [], skipped: [], faults: [] });
    expect(asked.provides).toEqual(needed(result({ requested: '' })));
    expect(order('TILLFRISKNANDEBEVIS', { type }).provides).toEqual(needed(result({ requested: '', value: POSITIVE })));
    expect(order('COVIDBEVIS', { type }).provides).toHaveLength(2);
    expect(order('HUVUDVÄRK', { type }).provides).toEqual([]);
  });

  it('is of one care provider, one person, one order and one kind of certificate', () => {
    const [key] = needed(result({ requested: '' }));
    expect(order('TESTBEVIS').provides).toEqual([key]);
    const elsewhere = order('TESTBEVIS', { msh4: '5599999991' });
    expect([elsewhere.provides.length, elsewhere.faults]).toEqual([1, []]);
    expect(elsewhere.provides).not.toContain(key);
    expect(order('TESTBEVIS', { placer: 'P2' }).provides).not.toContain(key);
    expect(order('TESTBEVIS', { pid3: '197010632391^^^SKV' }).provides).not.toContain(key);
    expect(order('TILLFRISKNANDEBEVIS').provides).not.toContain(key);
    expect(faultsOf(order('TESTBEVIS', { placer: '' }))).toEqual(['field-required OBR[1]-2.1']);
  });

  it('may be the answer to a question at the order, in an OBX beside the result', () => {
    const files = [
      ...PROJECT_FILES,
      {
        path: 'mappings/messages/asked.yaml',
        text: [
          'mapping: asked',
          'extends: se-covid-certificates',
          'tables: { se-covid-tests: { rows: { L: { WANTS: other } } } }',
        ].join('\n'),
      },
    ];
    const own = mapperOf(
      compile(files, {
        mappings: ['asked'],
        with: 'requested: { all: \'ORDER_OBSERVATION.OBX[3.1="WANTS"]-5.1\', table: se-certificate-requests, onMiss: nothing }',
      }),
    );
    const asked = (answer: string) =>
      own.map(message([...segmentsOf({ requested: '' }), `OBX|2|CWE|WANTS^^L||${answer}||||||F`]), CONTEXT);
    expect(asked('TESTBEVIS').provides).toEqual(asked('TESTBEVIS').drafts.map(({ needs }) => needs?.key));
    expect(asked('TESTBEVIS').skipped).toEqual([{ reason: 'not-a-covid-test', at: 'OBX[2]' }]);
  });

  it('decides whether what is wrong with the result troubles anybody', () => {
    const nameless = { pid3: '', pid5: 'Ek^Åsa', pid7: '' };
    expect(faultsOf(map(nameless))).toEqual(['field-required PID-7']);
    const unasked = map({ ...nameless, requested: '' });
    expect(unasked).toMatchObject({ faults: [], skipped: [{ reason: 'not-requested', at: 'OBX[1]' }] });
    expect(unasked.drafts).toMatchObject([{ flaw: { code: 'field-required', at: 'PID-7' }, waived: null }]);
    expect(Buffer.from(unasked.drafts[0]?.body ?? []).toString()).toBe('null');
    expect(unasked.drafts[0]?.notAfter).toBe(map().drafts[0]?.notAfter);
    const protectedOne = map({ requested: '', more: ['PD1||||||||||||J'] });
    expect(protectedOne.drafts.map(({ flaw }) => flaw?.detail ?? null)).toEqual(
      faultsOf(map({ more: ['PD1||||||||||||J'] })).map(() => 'protected-identity'),
    );
  });
});

describe('left out', () => {
  it.each<[string, Parts]>([
    ['withdrawn', { status: 'X' }],
    ['withdrawn', { status: 'D' }],
    ['withdrawn', { status: 'W', value: '' }],
    ['not-final', { status: 'P' }],
    ['not-final', { status: 'R', value: '' }],
    ['not-final', { status: 'I', requested: '' }],
    ['inconclusive', { value: '419984006^^SCT' }],
    ['inconclusive', { value: 'Ej bedömbar' }],
    ['positive-antigen', { test: RAT, value: POSITIVE }],
    ['several-values', { value: `${NEGATIVE}~${POSITIVE}` }],
    ['not-requested', { requested: '' }],
    ['not-requested', { requested: 'TILLFRISKNANDEBEVIS' }],
    ['not-requested', { requested: 'TESTBEVIS', value: POSITIVE }],
    ['not-requested', { requested: 'HUVUDVÄRK' }],
  ])('as %s: %j; it is stated all the same', (reason, parts) => {
    const mapped = map(parts);
    expect(mapped.skipped).toEqual([{ reason, at: 'OBX[1]' }]);
    const mayGo = mapped.drafts.filter(
      ({ waived, needs }) => waived === null && (needs === null || mapped.provides.includes(needs.key)),
    );
    expect(mayGo).toEqual([]);
    expect(mapped.faults).toEqual([]);
    expect(mapped.statements).toHaveLength(1);
    // The same result as its first, preliminary statement.
    expect(mapped.statements[0]?.resultKey).toBe(
      map({ test: parts.test ?? NAAT, status: 'P' }).statements[0]?.resultKey,
    );
  });

  it.each([
    ['not-a-covid-test', '94563-4^^LN'],
    ['single-gene', '94315-9^^LN'],
  ])('as %s it is not even stated', (reason, test) => {
    const mapped = map({ test });
    expect(mapped.skipped).toEqual([{ reason, at: 'OBX[1]' }]);
    expect(mapped.statements).toEqual([]);
  });

  it.each([
    ['TESTBEVIS', NEGATIVE, 'test-certificate'],
    ['testbevis', NEGATIVE, 'test-certificate'],
    ['X^^L^Testbevis', NEGATIVE, 'test-certificate'],
    ['HUVUDVÄRK~TESTBEVIS', NEGATIVE, 'test-certificate'],
    ['TILLFRISKNANDEBEVIS', POSITIVE, 'recovery-certificate'],
    ['COVIDBEVIS', POSITIVE, 'recovery-certificate'],
  ])('is not what was asked for by %s', (requested, value, operation) => {
    expect(map({ requested, value }).skipped).toEqual([]);
    expect(map({ requested, value }).drafts.map((draft) => draft.operation)).toEqual([operation]);
  });
});

describe('held or refused', () => {
  it.each<[string, Parts, string]>([
    ['a test code without a row', { test: 'X1^^L' }, 'code-unmapped OBX[1]-3 table se-covid-tests'],
    ['a test code of another system', { test: '94500-6^^SCT' }, 'code-unmapped OBX[1]-3 table se-covid-tests'],
    ['a test code without its system', { test: '94500-6' }, 'code-unmapped OBX[1]-3 table se-covid-tests'],
    ['a value without a row', { value: 'kanske' }, 'code-unmapped OBX[1]-5 table se-covid-outcomes'],
    ['a status without a row', { status: 'Q' }, 'code-unmapped OBX[1]-11 table se-result-status'],
    ['no status', { status: '' }, 'field-required OBX[1]-11'],
    ['no value', { value: '' }, 'field-required OBX[1]-5'],
    ['HL7 null for a value', { value: '""' }, 'field-required OBX[1]-5'],
    ['no test code', { test: '' }, 'field-required OBX[1]-3'],
    ['an unknown party', { msh4: '1111111111' }, 'party-unknown MSH-4.1'],
    ['no party', { msh4: '' }, 'party-unknown -'],
    ['a party the channel may not speak for', { msh4: '5599999991' }, 'party-not-permitted MSH-4.1 syd'],
    ['no sample time', { sampled: '' }, 'field-required OBR[1]-7'],
    ['a sample date', { sampled: '20220301' }, 'field-type OBR[1]-7 date-time to the minute'],
    ['a sample time in the gap', { sampled: '202203270230' }, 'time-zone-gap OBR[1]-7 Europe/Stockholm'],
    ['a sample time in the overlap', { sampled: '202210300230' }, 'time-zone-overlap OBR[1]-7 Europe/Stockholm'],
    ['a wrong check digit', { pid3: '199708062387^^^SKV' }, 'check-digit PID-3.1 personnummer'],
  ])('for %s', (_, parts, fault) => {
    const mapped = map(parts);
    expect(faultsOf(mapped)).toEqual([fault]);
    expect(mapped.drafts).toEqual([]);
    expect(mapped.statements).toEqual([]);
  });

  it('for a missing sample time where there is a specimen names the specimen’s', () => {
    expect(faultsOf(map({ sampled: '', more: ['SPM|1|S1'] }))).toEqual(['field-required SPM-17.1']);
  });

  it('tells a fault of the patient once, though every result meets it', () => {
    const more = [`OBX|2|CWE|${NAAT}|2|${NEGATIVE}||||||F`];
    expect(faultsOf(map({ pid3: '199708062387^^^SKV', more }))).toEqual(['check-digit PID-3.1 personnummer']);
  });

  it('leaves the other result alone', () => {
    const mapped = map({ more: [`OBX|2|CWE|X1^^L||${NEGATIVE}||||||F`] });
    expect(mapped.drafts).toHaveLength(1);
    expect(faultsOf(mapped)).toEqual(['code-unmapped OBX[2]-3 table se-covid-tests']);
  });
});

describe('the channel', () => {
  it('may say where the request stands, and the site', () => {
    const own = mapperOf(
      compile(PROJECT_FILES, {
        ...CHANNEL,
        with: "requested: { all: 'ZCB-2[*]', table: se-certificate-requests, onMiss: nothing }\nsite: Drive-in Norr",
      }),
    );
    const { drafts } = own.map(message([...segmentsOf({ requested: '' }), 'ZCB|1|TESTBEVIS']), CONTEXT);
    expect(contained(JSON.parse(Buffer.from(drafts[0]?.body ?? []).toString()), 'Organization')).toMatchObject({
      name: 'Drive-in Norr',
    });
  });

  it('may say that everybody asked, with a list', () => {
    const own = mapperOf(compile(PROJECT_FILES, { ...CHANNEL, with: 'requested: [both]' }));
    expect(own.map(message(segmentsOf({ requested: '' })), CONTEXT).drafts).toHaveLength(1);
  });

  it('may say by whom it is asked for, by any field and a table of its own', () => {
    const table = { path: 'ours.yaml', text: "table: ours\nrows: { '*': { LABX: nord, N100: nord, WARD: nord } }\n" };
    const partyOf = (rule: string, change: (text: string) => string) => {
      const own = mapperOf(compile([...PROJECT_FILES, table], { ...CHANNEL, with: `party: ${rule}` }));
      const text = change(segmentsOf({ msh4: 'NOBODY' }).join('\r'));
      const { drafts, faults } = own.map(message(text.split('\r')), CONTEXT);
      return [...drafts.map(({ party }) => party), ...faults.map(({ code }) => code)];
    };
    const by = (path: string) => `{ from: ${path}, table: ours, onMiss: hold }`;
    const application = (text: string) => text.replace(/^(MSH\|[^|]*\|)[^|]*/, '$1LABX');
    const orderer = (text: string) => text.replace(/(\rOBR(?:\|[^|\r]*){15}\|)[^|\r]*/, '$1N100^Dr');
    const ward = (text: string) => text.replace('\rOBR', '\rPV1|1|O|1^2^3^WARD\rOBR');
    expect(partyOf(by('MSH-3.1'), application)).toEqual(['nord']);
    expect(partyOf(by('OBR-16.1'), orderer)).toEqual(['nord']);
    expect(partyOf(by('PV1-3.4.1'), ward)).toEqual(['nord']);
    expect(partyOf(by('OBR-16.1 | PV1-3.4.1 | MSH-3.1'), ward)).toEqual(['nord']);
    expect(partyOf(by('OBR-16.1'), (text) => orderer(text).replace('N100', 'N101'))).toEqual(['code-unmapped']);
  });

  it('may bear the party’s name', () => {
    expect(map({ msh4: 'nord' }).drafts).toHaveLength(1);
    expect(map({ msh4: 'Nord^2321000016^L' }).drafts).toHaveLength(1);
  });
});

describe('docs/covidbevis.md', () => {
  const page = readFileSync(resolve(import.meta.dirname, '../../docs/covidbevis.md'), 'utf8');
  const files = new Map(PROJECT_FILES.map(({ path, text }) => [path, text]));

  it('names every setting', () => {
    const settings = compile(PROJECT_FILES, CHANNEL).channels.get('lab')?.mappings[0]?.settings ?? [];
    expect(settings.filter((name) => !page.includes(`\`${name}`))).toEqual([]);
    expect(settings.length).toBeGreaterThan(20);
  });

  it('names only reasons, tables and files that there are', () => {
    const reasons = [
      ...(files.get('mappings/messages/se-covid-certificates.yaml') ?? '').matchAll(/reason: ([a-z-]+)/g),
    ];
    const left = /## What gives no certificate\n([\s\S]*?)\n## /.exec(page)?.[1] ?? '';
    const named = [...left.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell = '']) => [...cell.matchAll(/`([a-z-]+)`/g)]);
    expect(named.length).toBeGreaterThan(8);
    const known = reasons.map(([, reason]) => reason);
    expect(named.map(([, reason]) => reason).filter((reason) => !known.includes(reason))).toEqual([]);
    const tables = [...page.matchAll(/tables? ((?:`[a-z-]+`(?:, )?)+)/g)].flatMap(
      ([, list = '']) => list.match(/[a-z-]+/g) ?? [],
    );
    expect(tables.length).toBeGreaterThan(5);
    for (const table of tables) expect([...files.keys()]).toContain(`mappings/tables/${table}.yaml`);
    for (const [, path = ''] of page.matchAll(/`(mappings\/[\w/-]+\.yaml)`/g))
      expect([...files.keys()]).toContain(path);
  });
});

describe('the cases in the file', () => {
  it('hold', () => {
    const compiled = compile(PROJECT_FILES, CHANNEL, { operations: namedOperations(PROJECT_FILES) });
    const mappings = compiled.channels.get('lab')?.mappings ?? [];
    expect(mappings).toHaveLength(1);
    expect(mappings[0]?.tests.length).toBeGreaterThan(2);
    expect(problemsOf({ ...compiled, problems: mappings.flatMap((one) => runCases(one)) })).toEqual([]);
  });
});
