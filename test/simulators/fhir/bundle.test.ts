import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createFhirWorld,
  type Entry,
  type FhirWorld,
  issuesOf,
  type Json,
  makeBundle,
  makePatient,
  makeResult,
  makeResultBundle,
  SYSTEM,
} from './fhir-world.ts';

let world: FhirWorld;
beforeAll(async () => {
  world = await createFhirWorld();
  await world.ask('PUT', '/Patient/both', { ...makePatient('both'), id: 'both' });
});
afterAll(() => world.stop());

const post = (bundle: Json, headers = {}) => world.ask('POST', '', bundle, headers);
const responsesOf = (bundle: Json) =>
  (bundle.entry as { response: { status: string; location?: string; etag?: string; outcome?: Json } }[]).map(
    ({ response }) => response,
  );
const find = (type: string, value: string) =>
  world.server
    .resources(type)
    .filter((one) => (one.identifier as { value: string }[])?.some((id) => id.value === value));

describe('FHIR server: transactions', () => {
  it('creates, links by placeholder, and answers entry by entry', async () => {
    const got = await post(makeResultBundle('t-1', 'r-1'));
    expect([got.status, got.json.type]).toEqual([200, 'transaction-response']);
    const [patient, result] = responsesOf(got.json);
    expect([patient?.status, result?.status, result?.etag]).toEqual(['201 Created', '201 Created', 'W/"1"']);
    const [stored] = find('Observation', 'r-1');
    expect(stored?.subject).toEqual({ reference: patient?.location?.replace('/_history/1', '') });
    expect(result?.location).toBe(`Observation/${String(stored?.id)}/_history/1`);
  });

  it('can be repeated without making anything twice', async () => {
    await post(makeResultBundle('t-2', 'r-2'));
    const again = await post(makeResultBundle('t-2', 'r-2'));
    expect(responsesOf(again.json).map(({ status, etag }) => [status, etag])).toEqual([
      ['200 OK', 'W/"1"'],
      ['200 OK', 'W/"1"'],
    ]);
    const corrected = await post(makeResultBundle('t-2', 'r-2', { status: 'corrected' }));
    expect(responsesOf(corrected.json)[1]).toMatchObject({ status: '200 OK', etag: 'W/"2"' });
    expect([find('Patient', 't-2').length, find('Observation', 'r-2').length]).toEqual([1, 1]);
    expect(world.server.ledger.duplicates().size).toBe(0);
  });

  it('does all or nothing', async () => {
    const before = (await world.ask('GET', '/Patient')).json.total;
    const bundle = makeBundle([
      { method: 'POST', url: 'Patient', resource: makePatient('atom') },
      { method: 'PUT', url: 'Patient/atom-2', resource: { ...makePatient('atom-2'), id: 'atom-2' } },
      { method: 'POST', url: 'Observation', resource: { ...makeResult('atom', 'Patient/atom-2'), status: 'nonsense' } },
    ]);
    const got = await post(bundle);
    expect([got.status, issuesOf(got.json)]).toEqual([422, [['code-invalid', 'Bundle.entry[2].resource.status']]]);
    expect((await world.ask('GET', '/Patient')).json.total).toBe(before);
    expect((await world.ask('GET', '/Patient/atom-2')).status).toBe(404);
  });

  it('undoes an update and a deletion too', async () => {
    await world.ask('PUT', '/Patient/undo', { ...makePatient('undo'), id: 'undo', gender: 'female' });
    await world.ask('PUT', '/Patient/kept', { ...makePatient('kept'), id: 'kept' });
    const got = await post(
      makeBundle([
        { method: 'PUT', url: 'Patient/undo', resource: { ...makePatient('other'), id: 'undo', gender: 'male' } },
        { method: 'DELETE', url: 'Patient/kept' },
        { method: 'POST', url: 'Observation', resource: makeResult('undo', 'Patient/kept') },
      ]),
    );
    expect(got.status).toBe(422);
    expect((await world.ask('GET', '/Patient/undo')).json).toMatchObject({
      gender: 'female',
      meta: { versionId: '1' },
    });
    expect((await world.ask('GET', '/Patient/kept')).status).toBe(200);
    expect((await world.ask('GET', `/Patient?identifier=${SYSTEM}|undo`)).json.total).toBe(1);
    expect((await world.ask('GET', `/Patient?identifier=${SYSTEM}|other`)).json.total).toBe(0);
  });

  it('works in the order DELETE, POST, PUT, GET, whatever the order of the entries', async () => {
    await world.ask('PUT', '/Patient/order', { ...makePatient('order'), id: 'order' });
    const got = await post(
      makeBundle([
        { method: 'GET', url: `Patient?identifier=${SYSTEM}|order` },
        { method: 'PUT', url: `Observation?identifier=${SYSTEM}.9|order`, resource: makeResult('order', 'urn:uuid:o') },
        {
          fullUrl: 'urn:uuid:o',
          method: 'POST',
          url: 'Patient',
          ifNoneExist: `identifier=${SYSTEM}|order`,
          resource: makePatient('order'),
        },
        { method: 'DELETE', url: 'Patient/order' },
      ]),
    );
    expect(responsesOf(got.json).map(({ status }) => status)).toEqual([
      '200 OK',
      '201 Created',
      '201 Created',
      '204 No Content',
    ]);
    const [read] = got.json.entry as { resource: { total: number } }[];
    expect(read?.resource.total).toBe(1);
    expect((await world.ask('GET', '/Patient/order')).status).toBe(410);
  });

  it('resolves conditional references, also to what the transaction itself makes', async () => {
    await world.ask('PUT', '/Patient/cond', { ...makePatient('cond'), id: 'cond' });
    const result = (filler: string, number: string): Entry => ({
      method: 'PUT',
      url: `Observation?identifier=${SYSTEM}.9|${filler}`,
      resource: makeResult(filler, `Patient?identifier=${SYSTEM}|${number}`),
    });
    const got = await post(
      makeBundle([
        result('c-1', 'cond'),
        result('c-2', 'cond-new'),
        { method: 'POST', url: 'Patient', resource: makePatient('cond-new') },
      ]),
    );
    expect(got.status).toBe(200);
    expect(find('Observation', 'c-1')[0]?.subject).toEqual({ reference: 'Patient/cond' });
    expect(find('Observation', 'c-2')[0]?.subject).toEqual({
      reference: `Patient/${String(find('Patient', 'cond-new')[0]?.id)}`,
    });
    expect((await post(makeBundle([result('c-3', 'nobody')]))).status).toBe(404);
    await world.ask('POST', '/Patient', makePatient('cond'));
    expect((await post(makeBundle([result('c-3', 'cond')]))).status).toBe(412);
    expect(find('Observation', 'c-3')).toEqual([]);
  });

  const put = (id: string, number: string): Entry => ({
    method: 'PUT',
    url: `Patient/${id}`,
    resource: { ...makePatient(number), id },
  });
  const once = (number: string, fullUrl: string): Entry => ({
    fullUrl,
    method: 'POST',
    url: 'Patient',
    ifNoneExist: `identifier=${SYSTEM}|${number}`,
    resource: makePatient(number),
  });
  it.each([
    ['one resource twice', [put('twice', 'twice'), put('twice', 'other')], 400, 'duplicate'],
    [
      'one resource by id and by search',
      [put('both', 'both'), { method: 'PUT', url: `Patient?identifier=${SYSTEM}|both`, resource: makePatient('both') }],
      400,
      'duplicate',
    ],
    ['one placeholder twice', [once('f-1', 'urn:uuid:f'), once('f-2', 'urn:uuid:f')], 400, 'duplicate'],
    ['two creations under one condition', [once('same', 'urn:uuid:1'), once('same', 'urn:uuid:2')], 400, 'duplicate'],
    [
      'a placeholder nobody bears',
      [{ method: 'POST', url: 'Observation', resource: makeResult('u', 'urn:uuid:nobody') }],
      400,
      'invalid',
    ],
    ['an entry without resource', [{ method: 'POST', url: 'Patient' }], 400, 'required'],
    ['a method it does not know', [{ method: 'PATCH', url: 'Patient/1' }], 400, 'value'],
    [
      'a type it does not know',
      [{ method: 'POST', url: 'Nonsense', resource: { resourceType: 'Nonsense' } }],
      400,
      'not-supported',
    ],
    ['a version that has passed', [{ ...put('stale', 'stale'), ifMatch: 'W/"3"' }], 412, 'conflict'],
  ] as const)('refuses %s', async (_what, entries, status, code) => {
    const before = (await world.ask('GET', '/Patient')).json.total;
    const got = await post(makeBundle(entries));
    expect([got.status, (issuesOf(got.json) as [string][])[0]?.[0]]).toEqual([status, code]);
    expect((await world.ask('GET', '/Patient')).json.total).toBe(before);
  });

  it('refuses other bundles, and other resources in their place', async () => {
    expect((await post(makeBundle([], 'collection'))).status).toBe(422);
    expect((await post(makePatient('x'))).status).toBe(400);
    expect((await post(makeBundle([]))).json).toEqual({ resourceType: 'Bundle', type: 'transaction-response' });
  });

  it('returns the resources where Prefer asks for them', async () => {
    const got = await post(makeResultBundle('t-3', 'r-3'), { prefer: 'return=representation' });
    expect((got.json.entry as { resource?: Json }[])[1]?.resource).toMatchObject({
      resourceType: 'Observation',
      status: 'final',
    });
  });
});

describe('FHIR server: batches', () => {
  it('judges every entry for itself', async () => {
    const got = await post(
      makeBundle(
        [
          { method: 'POST', url: 'Observation', resource: { resourceType: 'Observation' } },
          { method: 'POST', url: 'Patient', resource: makePatient('batch') },
          { method: 'GET', url: 'Patient/none' },
        ],
        'batch',
      ),
    );
    expect([got.status, got.json.type]).toEqual([200, 'batch-response']);
    expect(responsesOf(got.json).map(({ status }) => status)).toEqual([
      '422 Unprocessable Entity',
      '201 Created',
      '404 Not Found',
    ]);
    expect(issuesOf(responsesOf(got.json)[0]?.outcome ?? {})).toContainEqual([
      'required',
      'Bundle.entry[0].resource.status',
    ]);
    expect(find('Patient', 'batch')).toHaveLength(1);
  });
});
