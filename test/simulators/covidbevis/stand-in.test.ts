import { verify } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import { decode as decodeBase45 } from 'base45';
import { decode, encode, Tagged } from 'cborg';
import decodeQr from 'qr/decode.js';
import { Agent, request } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type CovidbevisOptions,
  type CovidbevisStandIn,
  createCovidbevisStandIn,
} from '../../../src/simulators/covidbevis/stand-in.ts';
import {
  type Authority,
  createAuthority,
  type IssuedCertificate,
  type SubjectForm,
} from '../../../src/simulators/pki.ts';
import { readPdfText, readPng } from './documents.ts';

const clock = {
  now: () => Date.now(),
  wakeAt(atMs: number, call: () => void) {
    const timer = setTimeout(call, Math.max(0, atMs - Date.now()));
    return () => clearTimeout(timer);
  },
};
const NORTH = '2321000016';
const SOUTH = '5567430417';
const CLOSED = '2021006552';

let authority: Authority;
let server: IssuedCertificate;
let service: CovidbevisStandIn;
const agents: Agent[] = [];
const extra: CovidbevisStandIn[] = [];

async function start(options: Partial<CovidbevisOptions> = {}): Promise<CovidbevisStandIn> {
  const made = createCovidbevisStandIn({
    server,
    clientCa: authority.cert,
    clock,
    organisations: [
      { organisationNumber: NORTH, uvciPrefix: 'NO', enabled: true, recovery: true, sites: ['Nord'] },
      { organisationNumber: SOUTH, uvciPrefix: 'SO', enabled: true, recovery: false, sites: ['Syd'] },
      { organisationNumber: CLOSED, uvciPrefix: 'CL', enabled: false, recovery: true },
    ],
    answer: 'canned',
    ...options,
  });
  await made.start();
  extra.push(made);
  return made;
}

async function connect(
  organisationNumber: string,
  more: { subjectForm?: SubjectForm; by?: Authority; tls?: object; validTo?: number; validFrom?: number } = {},
): Promise<Agent> {
  const { subjectForm = 'serialNumber', by = authority, tls = {}, ...validity } = more;
  const { cert, key } = await by.issueClient({ organisation: 'X', organisationNumber, subjectForm, ...validity });
  return keep(new Agent({ allowH2: false, connect: { ca: authority.cert, cert, key, ...tls } }));
}

function keep(agent: Agent): Agent {
  agents.push(agent);
  return agent;
}

interface Sent {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into at any depth
  readonly json: any;
  readonly headers: Record<string, unknown>;
}

async function post(agent: Agent, body: unknown, path = '/observation', to = service, type = 'application/json') {
  const bytes = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  return send(agent, { method: 'POST', body: bytes, headers: { 'content-type': type } }, path, to);
}

async function send(agent: Agent, order: object, path: string, to = service): Promise<Sent> {
  const answer = await request(to.url + path, { dispatcher: agent, method: 'GET', ...order });
  const text = await answer.body.text();
  return { status: answer.statusCode, json: text === '' ? null : JSON.parse(text), headers: answer.headers };
}

let north: Agent;
let south: Agent;

beforeAll(async () => {
  authority = await createAuthority({ name: 'Stand-in CA', now: Date.now() });
  server = await authority.issueServer({ names: ['localhost', '127.0.0.1'] });
  service = await start({ answer: 'full' });
  north = await connect(NORTH);
  south = await connect(SOUTH);
});
afterEach(() => service.faults.clear());
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.destroy()));
  await Promise.all(extra.map((one) => one.stop()));
});

const PATIENT = {
  resourceType: 'Patient',
  id: '1',
  identifier: [{ system: 'http://electronichealth.se/identifier/personnummer', value: '199708062386' }],
};
const NAMED = {
  resourceType: 'Patient',
  id: '1',
  name: [{ family: 'Ångström-Łoś', given: ['Zoë', "D'Arc"] }],
  birthDate: '1988-02-29',
};
const RAT_DEVICE = {
  resourceType: 'Device',
  id: '3',
  identifier: [
    { system: 'https://covid-19-diagnostics.jrc.ec.europa.eu/devices/hsc-common-recognition-rat', value: '344' },
  ],
};
const NAAT_DEVICE = {
  resourceType: 'Device',
  id: '3',
  deviceName: [{ name: 'Rask PCR', type: 'manufacturer-name' }],
};
const SITE = { resourceType: 'Organization', id: '2', name: 'Nord' };

function naat(identifier: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    resourceType: 'Observation',
    contained: [PATIENT, SITE],
    identifier: [{ use: 'temp', value: identifier }],
    status: 'final',
    code: {
      coding: [
        { system: 'http://loinc.org', code: 'LP6464-4' },
        { system: 'http://snomed.info/sct', code: '840539006' },
      ],
    },
    subject: { reference: '#1' },
    effectiveDateTime: '2026-07-21T10:28:00+02:00',
    performer: [{ reference: '#2' }],
    valueCodeableConcept: { coding: [{ system: 'http://snomed.info/sct', code: '260415000' }] },
    ...changes,
  };
}
function rat(identifier: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return naat(identifier, {
    contained: [PATIENT, SITE, RAT_DEVICE],
    code: {
      coding: [
        { system: 'http://loinc.org', code: 'LP217198-3' },
        { system: 'http://snomed.info/sct', code: '840539006' },
      ],
    },
    device: { reference: '#3' },
    ...changes,
  });
}
const POSITIVE = { valueCodeableConcept: { coding: [{ system: 'http://snomed.info/sct', code: '260373001' }] } };

/** Reads a health certificate the way a verifier does, with the stand-in's key. */
// biome-ignore lint/suspicious/noExplicitAny: CBOR of any shape
function verifyDcc(text: string, by: CovidbevisStandIn): { claims: Map<any, any>; header: Map<any, any> } {
  expect(text.startsWith('HC1:')).toBe(true);
  const cose = inflateSync(decodeBase45(text.slice(4)));
  const message = decode(cose, { useMaps: true, tags: Tagged.preserve(18) }) as Tagged;
  const [header, unprotected, payload, signature] = message.value as [
    Uint8Array,
    Map<number, unknown>,
    Uint8Array,
    Uint8Array,
  ];
  expect(message.tag).toBe(18);
  expect(unprotected.size).toBe(0);
  const signed = encode(['Signature1', header, new Uint8Array(0), payload]);
  expect(signature).toHaveLength(64);
  expect(verify('sha256', signed, { key: by.signer.publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
  return { claims: decode(payload, { useMaps: true }), header: decode(header, { useMaps: true }) };
}

describe('certificates', () => {
  it('answers a negative NAAT with a test certificate as the interface draws it', async () => {
    const body = naat('NAAT1', { contained: [PATIENT, SITE, NAAT_DEVICE], device: { reference: '#3' } });
    const { status, json, headers } = await post(north, body);
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('application/json');
    expect(json).toMatchObject({
      testProof: {
        qrCode: { mimetype: 'image/png', width: 300, height: 300 },
        metadata: {
          uvci: 'URN:UVCI:01:SE:EHM/TNONAAT1',
          validThrough: '2026-07-24T08:28:00.000Z',
          issuer: 'E-hälsomyndigheten',
          country: 'SE',
        },
        subject: { identity: '199708062386', birthDate: '1997-08-06', birthDateString: '1997-08-06' },
        test: {
          id: 'NAAT1',
          typeOfTest: { code: 'LP6464-4', display: 'Nucleic acid amplification with probe detection' },
          testResult: { code: '260415000', display: 'Not detected' },
          targetDisease: { code: '840539006', display: 'COVID-19' },
          testName: 'Rask PCR',
          sampleCollectionDateTime: '2026-07-21T08:28:00.000Z',
          testProvider: { display: 'Nord' },
        },
      },
      proofTypes: [
        { mimetype: 'application/pdf', fileName: 'testbevis.pdf', delivery: { delivered: expect.any(Boolean) } },
      ],
    });
    expect(json.testProof.metadata.issuanceDate).toMatch(/^\d{4}-\d{2}-\d{2}$/);
    expect(json.testProof.test.testManufacturer).toBeUndefined();
  });

  it('puts a QR code in the answer that a verifier reads as a signed EU certificate', async () => {
    const { json } = await post(north, rat('RAT1', { contained: [NAMED, SITE, RAT_DEVICE] }));
    const image = readPng(Buffer.from(json.testProof.qrCode.image, 'base64'));
    expect([image.width, image.height]).toEqual([300, 300]);
    const text = decodeQr({ data: image.pixels, width: image.width, height: image.height });
    const { claims, header } = verifyDcc(text, service);
    expect(header.get(1)).toBe(-7);
    expect(Buffer.from(header.get(4))).toEqual(Buffer.from(service.signer.keyId));
    expect(claims.get(1)).toBe('SE');
    expect(claims.get(4)).toBe(Date.parse('2026-07-24T08:28:00Z') / 1000);
    expect(Math.abs(claims.get(6) - Date.now() / 1000)).toBeLessThan(60);
    expect(toObject(claims.get(-260).get(1))).toEqual({
      ver: '1.3.0',
      nam: { fn: 'Ångström-Łoś', fnt: 'AANGSTROEM<OS', gn: "Zoë D'Arc", gnt: 'ZOE<DARC' },
      dob: '1988-02-29',
      t: [
        {
          tg: '840539006',
          tt: 'LP217198-3',
          ma: '344',
          sc: '2026-07-21T08:28:00Z',
          tr: '260415000',
          tc: 'Nord',
          co: 'SE',
          is: 'Swedish eHealth Agency',
          ci: 'URN:UVCI:01:SE:EHM/TNORAT1',
        },
      ],
    });
  });

  it('answers a positive NAAT with a recovery certificate, valid from day 11 to day 180', async () => {
    const body = naat('REC1', { ...POSITIVE, effectiveDateTime: '2026-03-01T23:30:00Z' });
    const { status, json } = await post(north, body, '/recovery');
    expect(status).toBe(200);
    expect(json.recoveryProof).toMatchObject({
      metadata: { uvci: 'URN:UVCI:01:SE:EHM/RNOREC1' },
      recovery: { positiveTestResultDate: '2026-03-02' },
    });
    expect(json.proofTypes[0].fileName).toBe('tillfrisknandebevis.pdf');
    const image = readPng(Buffer.from(json.recoveryProof.qrCode.image, 'base64'));
    const text = decodeQr({ data: image.pixels, width: image.width, height: image.height });
    const dcc = toObject(verifyDcc(text, service).claims.get(-260).get(1)) as Record<string, unknown>;
    expect(dcc.t).toBeUndefined();
    expect(dcc.r).toEqual([
      {
        tg: '840539006',
        fr: '2026-03-02',
        df: '2026-03-13',
        du: '2026-08-29',
        co: 'SE',
        is: 'Swedish eHealth Agency',
        ci: 'URN:UVCI:01:SE:EHM/RNOREC1',
      },
    ]);
  });

  it('prints a PDF that says it is not valid, with everything a certificate shows', async () => {
    const { json } = await post(north, rat('PDF1', { contained: [NAMED, SITE, RAT_DEVICE] }));
    const bytes = Buffer.from(json.proofTypes[0].content, 'base64');
    expect(bytes.subarray(0, 5).toString()).toBe('%PDF-');
    const text = readPdfText(bytes);
    for (const printed of ['TEST – NOT VALID', 'Testbevis', 'Ångström-?o?, Zoë', '1988-02-29', 'Rapid immunoassay']) {
      expect(text).toContain(printed);
    }
    for (const printed of ['URN:UVCI:01:SE:EHM/TNOPDF1', 'Not detected', 'Nord', 'not a travel document']) {
      expect(text).toContain(printed);
    }
  });

  it('looks up the name behind a number, always the same one', async () => {
    const [one, two] = [await post(north, naat('NAME1')), await post(north, naat('NAME2'))];
    expect(one.json.testProof.subject).toEqual(two.json.testProof.subject);
    expect(one.json.testProof.subject.familyName).not.toBe('');
  });

  it('gives a person without a number no mailbox, and the name as it came', async () => {
    const { json } = await post(north, naat('NAMED1', { contained: [NAMED, SITE] }));
    expect(json.testProof.subject).toEqual({
      givenName: "Zoë D'Arc",
      familyName: 'Ångström-Łoś',
      birthDate: '1988-02-29',
      birthDateString: '1988-02-29',
    });
    expect(json.proofTypes[0].delivery.delivered).toBe(false);
  });

  it('takes a samordningsnummer', async () => {
    const identifier = [{ system: 'http://electronichealth.se/identifier/samordningsnummer', value: '197010632391' }];
    const { json } = await post(north, naat('SNR1', { contained: [{ ...PATIENT, identifier }, SITE] }));
    expect(json.testProof.subject).toMatchObject({ identity: '197010632391', birthDate: '1970-10-03' });
  });

  it('gives the same certificate again for the same request, and refuses other content', async () => {
    const first = await post(north, naat('TWICE'));
    const second = await post(north, naat('TWICE'));
    expect(second.json).toEqual(first.json);
    const other = await post(north, naat('TWICE', { effectiveDateTime: '2026-07-21T10:29:00+02:00' }));
    expect(other.status).toBe(409);
    const elsewhere = await post(south, naat('TWICE', { contained: [PATIENT, { ...SITE, name: 'Syd' }] }));
    expect(elsewhere.json.testProof.metadata.uvci).toBe('URN:UVCI:01:SE:EHM/TSOTWICE');
    const entries = service.ledger.entries().filter((entry) => entry.identifier === 'TWICE');
    expect(entries.map((entry) => [entry.organisation, entry.repeat])).toEqual([
      [NORTH, 0],
      [NORTH, 1],
      [SOUTH, 0],
    ]);
  });

  it('gives one certificate to two equal requests at once', async () => {
    const [one, two] = await Promise.all([post(north, naat('ATONCE')), post(north, naat('ATONCE'))]);
    expect(one.json).toEqual(two.json);
  });

  it('answers from a tin for load tests, with the right person and identifier', async () => {
    const canned = await start();
    const [one, two] = [
      await post(north, naat('TIN1'), '/observation', canned),
      await post(north, rat('TIN2'), '/observation', canned),
    ];
    expect(one.json.testProof.qrCode).toEqual(two.json.testProof.qrCode);
    expect(one.json.proofTypes[0].content).toBe(two.json.proofTypes[0].content);
    expect(two.json.testProof.metadata.uvci).toBe('URN:UVCI:01:SE:EHM/TNOTIN2');
    expect((await post(north, naat('TIN1'), '/observation', canned)).json).toEqual(one.json);
  });
});

describe('callers', () => {
  it.each([
    'serialNumber',
    'serialNumber-plain',
    'organizationIdentifier',
    'organizationIdentifier-plain',
    'organizationalUnit',
  ] as const)('knows a caller by the organisationsnummer in %s', async (subjectForm) => {
    const agent = await connect(NORTH, { subjectForm });
    expect((await send(agent, {}, '/ping')).json).toEqual({ status: 'UP' });
  });

  it('does not know others', async () => {
    expect((await send(await connect('5560360793'), {}, '/ping')).status).toBe(401);
    expect((await send(await connect(NORTH, { subjectForm: 'none' }), {}, '/ping')).status).toBe(401);
  });

  it('lets in neither a disabled organisation nor recovery without agreement', async () => {
    expect((await post(await connect(CLOSED), naat('CL1'))).status).toBe(403);
    expect((await post(south, naat('SO1', POSITIVE), '/recovery')).status).toBe(403);
  });

  it('lets nobody in without a certificate, with one of another authority, or with an expired one', async () => {
    const stranger = await createAuthority({ name: 'Stranger', now: Date.now() });
    const outside = [
      keep(new Agent({ allowH2: false, connect: { ca: authority.cert } })),
      await connect(NORTH, { by: stranger }),
      await connect(NORTH, { validFrom: Date.now() - 2000, validTo: Date.now() - 1000 }),
    ];
    const before = service.ledger.entries().length + service.ledger.refusals().length;
    for (const agent of outside) await expect(send(agent, {}, '/ping')).rejects.toThrow();
    expect(service.ledger.entries().length + service.ledger.refusals().length).toBe(before);
  });

  it('judges the dates of a certificate by its own clock where told to', async () => {
    const validTo = Math.ceil(Date.now() / 1_000) * 1_000 + 3_600_000;
    let now = validTo - 1;
    const strict = await start({ checkCertificateDates: true, clock: { ...clock, now: () => now } });
    const agent = await connect(NORTH, { validTo });
    expect((await send(agent, {}, '/ping', strict)).status).toBe(200);
    now = validTo;
    expect((await send(agent, {}, '/ping', strict)).status).toBe(401);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s', async (version) => {
    const agent = await connect(NORTH, { tls: { minVersion: version, maxVersion: version } });
    expect((await send(agent, {}, '/ping')).status).toBe(200);
  });

  it('can be stopped and started again on the same port', async () => {
    const one = await start();
    const port = Number(new URL(one.url).port);
    await one.stop();
    await expect(send(north, {}, '/ping', one)).rejects.toThrow();
    await one.start(port);
    expect((await send(north, {}, '/ping', one)).status).toBe(200);
    expect((await post(north, naat('AGAIN'), '/observation', one)).status).toBe(200);
  });
});

describe('refusals', () => {
  it('speaks of an error as Spring does', async () => {
    const { status, json } = await post(north, naat('E1', { status: 'preliminary' }));
    expect(status).toBe(400);
    expect(json).toEqual({
      timestamp: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T.*Z$/),
      status: 400,
      error: 'Bad Request',
      message: 'Observation.status: must be final',
      path: '/observation',
    });
  });

  it.each([
    ['GET', '/observation', 405],
    ['POST', '/ping', 405],
    ['GET', '/', 404],
    ['GET', '/admin', 404],
  ])('answers %s %s with %i', async (method, path, status) => {
    expect((await send(north, { method }, path)).status).toBe(status);
  });

  it('takes nothing but JSON', async () => {
    expect((await post(north, naat('X'), '/observation', service, 'text/plain')).status).toBe(415);
    expect((await post(north, naat('CT'), '/observation', service, 'application/json; charset=utf-8')).status).toBe(
      200,
    );
    expect((await post(north, '{"a":')).json.message).toContain('JSON parse error');
    expect((await post(north, Buffer.from('"\xe5"', 'latin1'))).status).toBe(400);
    expect((await post(north, '[]')).json.message).toBe('Observation: must be a JSON object');
    expect((await post(north, `"${'x'.repeat(1_100_000)}"`)).status).toBe(413);
    expect((await send(north, {}, '/ping')).status).toBe(200);
  });

  const without = (key: string) => ({ [key]: undefined });
  const number = (value: string, system = 'personnummer') => ({
    contained: [
      { ...PATIENT, identifier: [{ system: `http://electronichealth.se/identifier/${system}`, value }] },
      SITE,
    ],
  });
  it.each<[string, Record<string, unknown>, string]>([
    ['another resource', naat('R', { resourceType: 'Bundle' }), 'Observation.resourceType'],
    ['an element of no example', naat('R', { note: [{ text: 'x' }] }), 'Observation: takes only'],
    ['no identifier', naat('R', without('identifier')), 'Observation.identifier: must be exactly one'],
    ['two identifiers', naat('R', { identifier: [{ value: 'A' }, { value: 'B' }] }), 'Observation.identifier'],
    ['a lower-case identifier', naat('r-1'), 'Observation.identifier[0].value'],
    ['another use', naat('R', { identifier: [{ use: 'official', value: 'A' }] }), 'Observation.identifier[0].use'],
    ['no code', naat('R', without('code')), 'Observation.code.coding'],
    [
      'an antibody test',
      naat('R', { code: { coding: [{ system: 'http://loinc.org', code: '94563-4' }] } }),
      'code.coding',
    ],
    ['a positive result', naat('R', POSITIVE), 'a test certificate needs a negative result'],
    ['no result', naat('R', without('valueCodeableConcept')), 'Observation.valueCodeableConcept.coding'],
    ['no time', naat('R', without('effectiveDateTime')), 'Observation.effectiveDateTime'],
    ['a time without zone', naat('R', { effectiveDateTime: '2026-07-21T10:28:00' }), 'Observation.effectiveDateTime'],
    ['a date only', naat('R', { effectiveDateTime: '2026-07-21' }), 'Observation.effectiveDateTime'],
    ['a day that is not', naat('R', { effectiveDateTime: '2026-02-30T10:00:00Z' }), 'Observation.effectiveDateTime'],
    ['no patient', naat('R', { contained: [SITE] }), 'Observation.subject: must refer to a contained Patient'],
    ['an outside reference', naat('R', { subject: { reference: 'Patient/1' } }), 'Observation.subject'],
    ['two equal ids', naat('R', { contained: [PATIENT, { ...SITE, id: '1' }] }), 'an id of its own'],
    ['a resource nobody refers to', naat('R', { contained: [PATIENT, SITE, NAAT_DEVICE] }), 'must be referred to'],
    ['a wrong check digit', naat('R', number('199708062387')), 'Patient.identifier[0].value'],
    ['a day that does not exist in a number', naat('R', number('199702302382')), 'Patient.identifier[0].value'],
    ['ten digits', naat('R', number('9708062386')), 'Patient.identifier[0].value'],
    ['a reserve number', naat('R', number('991981000010', 'nationelltReservnummer')), 'Patient.identifier[0].system'],
    ['a samordningsnummer under the other system', naat('R', number('197010632391')), 'that of the number’s kind'],
    ['a number and a name', naat('R', { contained: [{ ...PATIENT, name: NAMED.name }, SITE] }), 'takes only'],
    [
      'two numbers',
      naat('R', { contained: [{ ...PATIENT, identifier: [...PATIENT.identifier, ...PATIENT.identifier] }, SITE] }),
      'Patient.identifier: must be exactly one',
    ],
    [
      'neither number nor name',
      naat('R', { contained: [{ ...NAMED, name: undefined }, SITE] }),
      'Patient.name[0].family',
    ],
    ['no birth date', naat('R', { contained: [{ ...NAMED, birthDate: '1988' }, SITE] }), 'Patient.birthDate'],
    ['a NAAT without performer', naat('R', { performer: undefined, contained: [PATIENT] }), 'Observation.performer'],
    ['a nameless site', naat('R', { contained: [PATIENT, { ...SITE, name: '' }] }), 'Organization.name'],
    ['a long site', naat('R', { contained: [PATIENT, { ...SITE, name: 'x'.repeat(81) }] }), 'Organization.name'],
    ['a RAT without device', rat('R', { contained: [PATIENT, SITE], device: undefined }), 'Observation.device'],
    [
      'a NAAT with a device id',
      naat('R', { contained: [PATIENT, SITE, RAT_DEVICE], device: { reference: '#3' } }),
      'its device id must not be used',
    ],
    ['a RAT with a name for a device', rat('R', { contained: [PATIENT, SITE, NAAT_DEVICE] }), 'Device.identifier'],
  ])('refuses %s', async (_what, body, message) => {
    const { status, json } = await post(north, body);
    expect(status).toBe(400);
    expect(json.message).toContain(message);
    expect(json.message).not.toMatch(/1997|1988|Ångström/);
  });

  it('makes recovery certificates of positive NAATs only', async () => {
    expect((await post(north, naat('RN'), '/recovery')).json.message).toContain('needs a positive result');
    expect((await post(north, rat('RR', POSITIVE), '/recovery')).json.message).toContain('amplification test');
  });

  it('takes a RAT without performer', async () => {
    const body = rat('RATNOSITE', { performer: undefined, contained: [PATIENT, RAT_DEVICE] });
    expect((await post(north, body)).status).toBe(200);
  });

  it('takes only devices of its list, where it has one', async () => {
    const strict = await start({ devices: ['1232'] });
    const { status, json } = await post(north, rat('DEV1'), '/observation', strict);
    expect([status, json.message]).toEqual([400, 'Device.identifier[0].value: is not on the EU common list']);
  });

  it.each([
    ['/observation', {}, '2026-07-21T12:00:01Z', 'future'],
    ['/observation', {}, '2026-07-18T12:00:00Z', '72 hours'],
    ['/observation', {}, '2026-07-18T12:00:01Z', null],
    ['/recovery', POSITIVE, '2026-07-11T00:00:00+02:00', '11 days'],
    ['/recovery', POSITIVE, '2026-07-10T23:59:59+02:00', null],
    ['/recovery', POSITIVE, '2026-01-21T12:00:00+01:00', '180 days'],
    ['/recovery', POSITIVE, '2026-01-22T12:00:00+01:00', null],
  ])('judges the age of a sample where told to: %s %j %s → %s', async (path, result, effectiveDateTime, message) => {
    const now = Date.parse('2026-07-21T12:00:00Z');
    const strict = await start({ checkAges: true, clock: { ...clock, now: () => now } });
    const { status, json } = await post(north, naat('AGE', { ...result, effectiveDateTime }), path, strict);
    expect(status).toBe(message === null ? 200 : 400);
    if (message !== null) expect(json.message).toContain(message);
  });

  it.each([
    ['2026-07-21T21:59:59Z', 400],
    ['2026-07-21T22:00:00Z', 200],
  ])('counts days as the Swedish calendar does: at %s → %i', async (time, expected) => {
    const strict = await start({ checkAges: true, clock: { ...clock, now: () => Date.parse(time) } });
    const body = naat('DAY', { ...POSITIVE, effectiveDateTime: '2026-07-11T18:00:00+02:00' });
    expect((await post(north, body, '/recovery', strict)).status).toBe(expected);
  });
});

describe('ledger', () => {
  it('tells what came, in order, from whom, and what was refused', async () => {
    const one = await start();
    const to = (agent: Agent, body: unknown) => post(agent, body, '/observation', one);
    await to(north, naat('L1'));
    await to(north, naat('L2'));
    await to(north, naat('L1'));
    await to(north, naat('bad'));
    await to(south, naat('L3'));
    const { ledger } = one;
    expect(ledger.order()).toEqual(['L1', 'L2', 'L3']);
    expect(ledger.order(ledger.entries()[0]?.personSha256)).toEqual(['L1', 'L2', 'L3']);
    expect([...ledger.countsByIdentifier()]).toEqual([
      ['L1', 2],
      ['L2', 1],
      ['L3', 1],
    ]);
    expect(ledger.certificates()).toBe(3);
    expect(ledger.crossed().map((entry) => [entry.organisation, entry.stated])).toEqual([[SOUTH, 'Nord']]);
    expect(ledger.refusals()).toMatchObject([{ sequence: 4, organisation: NORTH, status: 400 }]);
    const rows = ledger
      .toNdjson()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.map((row) => row.sequence)).toEqual([1, 2, 3, 4, 5]);
    expect(ledger.toNdjson()).not.toContain('199708062386');
  });
});

describe('faults on order', () => {
  it('strikes so many requests of one organisation and operation, and no other', async () => {
    service.faults.add({
      fault: { kind: 'status', status: 503, headers: { 'retry-after': '9' } },
      organisation: NORTH,
      operation: 'observation',
      times: 2,
    });
    expect((await send(north, {}, '/ping')).status).toBe(200);
    expect((await post(south, naat('F0', { contained: [PATIENT, { ...SITE, name: 'Syd' }] }))).status).toBe(200);
    const struck = await post(north, naat('F1'));
    expect([struck.status, struck.headers['retry-after']]).toEqual([503, '9']);
    expect((await post(north, naat('F1'))).status).toBe(503);
    expect((await post(north, naat('F1'))).status).toBe(200);
  });

  it('drops a connection before reading', async () => {
    service.faults.add({ fault: { kind: 'drop' }, times: 1 });
    await expect(post(north, naat('DROP'))).rejects.toThrow();
    expect(service.ledger.countsByIdentifier().get('DROP')).toBeUndefined();
  });

  it('loses an answer after processing', async () => {
    service.faults.add({ fault: { kind: 'lose-answer' }, times: 1 });
    await expect(post(north, naat('LOSE'))).rejects.toThrow();
    expect((await post(north, naat('LOSE'))).status).toBe(200);
    expect(service.ledger.countsByIdentifier().get('LOSE')).toBe(2);
  });

  it('breaks an answer off', async () => {
    service.faults.add({ fault: { kind: 'truncate' }, times: 1 });
    await expect(post(north, naat('CUT'))).rejects.toThrow();
  });

  it('stalls until the caller gives up', async () => {
    service.faults.add({ fault: { kind: 'stall' }, times: 1 });
    const abort = new AbortController();
    const accepted = service.ledger.waitFor(service.ledger.entries().length + 1);
    const order = { method: 'POST', signal: abort.signal, body: JSON.stringify(naat('STALL')) };
    const sent = send(north, { ...order, headers: { 'content-type': 'application/json' } }, '/observation');
    await accepted;
    abort.abort();
    await expect(sent).rejects.toThrow();
  });

  it('delays by its clock', async () => {
    let wake: (() => void) | null = null;
    let asked: (delayMs: number) => void = () => {};
    const delayed = new Promise<number>((resolve) => {
      asked = resolve;
    });
    const slow = await start({
      clock: {
        now: () => 1_000_000,
        wakeAt(atMs, call) {
          wake = call;
          asked(atMs - 1_000_000);
          return () => {};
        },
      },
    });
    slow.faults.add({ fault: { kind: 'delay', delayMs: 250 }, times: 1 });
    const sent = post(north, naat('DELAY'), '/observation', slow);
    expect(await delayed).toBe(250);
    expect(slow.ledger.entries()).toHaveLength(0);
    (wake as unknown as () => void)();
    expect((await sent).status).toBe(200);
  });

  it('refuses TLS to one organisation, or to everybody', async () => {
    const fresh = async (number: string) => send(await connect(number), {}, '/ping');
    service.faults.add({ fault: { kind: 'refuse-tls' }, organisation: NORTH, times: 1 });
    expect((await fresh(SOUTH)).status).toBe(200);
    await expect(fresh(NORTH)).rejects.toThrow();
    expect((await fresh(NORTH)).status).toBe(200);
    service.faults.add({ fault: { kind: 'refuse-tls' } });
    await expect(fresh(SOUTH)).rejects.toThrow();
    service.faults.clear();
    expect((await fresh(SOUTH)).status).toBe(200);
  });

  it('strikes at random, but the same way for the same seed', async () => {
    const run = async (seed: number) => {
      const one = await start({
        seed,
        faults: [{ fault: { kind: 'status', status: 500 }, probability: 0.5, operation: 'ping' }],
      });
      const statuses: number[] = [];
      for (let count = 0; count < 24; count++) statuses.push((await send(north, {}, '/ping', one)).status);
      return statuses;
    };
    const [first, again, other] = [await run(7), await run(7), await run(8)];
    expect(new Set(first)).toEqual(new Set([200, 500]));
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });
});

/** CBOR maps as objects, to be compared. */
function toObject(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toObject);
  return value instanceof Map ? Object.fromEntries([...value].map(([key, one]) => [key, toObject(one)])) : value;
}
