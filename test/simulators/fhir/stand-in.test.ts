import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createFhirWorld, type FhirWorld, issuesOf, type Json, makePatient, makeResult, SYSTEM } from './fhir-world.ts';

let world: FhirWorld;
let ask: FhirWorld['ask'];

beforeAll(async () => {
  world = await createFhirWorld();
  ask = world.ask;
});
beforeEach(() => world.server.faults.clear());
afterAll(() => world.stop());

describe('FHIR server: single resources', () => {
  it('creates with id, version, Location, ETag and Last-Modified', async () => {
    const got = await ask('POST', '/Patient', makePatient('create'));
    expect(got.status).toBe(201);
    expect(got.headers.location).toBe(`${world.url}/Patient/${String(got.json.id)}/_history/1`);
    expect(got.headers.etag).toBe('W/"1"');
    expect(Date.parse(String(got.headers['last-modified']))).toBeGreaterThan(0);
    expect(got.json).toMatchObject({ resourceType: 'Patient', meta: { versionId: '1' } });
  });

  it('keeps the digits of numbers', async () => {
    const text = JSON.stringify(makeResult('digits', 'x'))
      .replace('5.5', '5.50')
      .replace('"subject":{"reference":"x"},', '');
    const { json } = await ask('POST', '/Observation', text);
    expect((await ask('GET', `/Observation/${String(json.id)}`)).text).toContain('"value":5.50,');
  });

  it('returns what Prefer asks for', async () => {
    const minimal = await ask('POST', '/Patient', makePatient('prefer'), { prefer: 'return=minimal' });
    expect([minimal.status, minimal.text]).toEqual([201, '']);
    const outcome = await ask('POST', '/Patient', makePatient('prefer'), { prefer: 'return=OperationOutcome' });
    expect(outcome.json.resourceType).toBe('OperationOutcome');
  });

  it('creates only where nothing matches, and says so', async () => {
    const header = { 'if-none-exist': `identifier=${SYSTEM}|once` };
    const first = await ask('POST', '/Patient', makePatient('once'), header);
    const second = await ask('POST', '/Patient', makePatient('once'), header);
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(second.headers.location).toBe(first.headers.location);
    await ask('POST', '/Patient', makePatient('once'));
    const third = await ask('POST', '/Patient', makePatient('once'), header);
    expect([third.status, issuesOf(third.json)]).toEqual([412, [['multiple-matches', null]]]);
    expect(world.server.ledger.duplicates().get(`Patient ${SYSTEM}|once`)).toBe(2);
  });

  it('updates by id: creates, versions, leaves equal content alone, and minds If-Match', async () => {
    const put = (more: Json, headers = {}) =>
      ask('PUT', '/Patient/p-1', { ...makePatient('put'), id: 'p-1', ...more }, headers);
    expect((await put({})).status).toBe(201);
    expect((await put({ gender: 'female' })).headers.etag).toBe('W/"2"');
    const same = await put({ gender: 'female' });
    expect([same.status, same.headers.etag]).toEqual([200, 'W/"2"']);
    expect((await put({ gender: 'male' }, { 'if-match': 'W/"1"' })).status).toBe(412);
    expect((await put({ gender: 'male' }, { 'if-match': 'W/"2"' })).headers.etag).toBe('W/"3"');
    expect((await put({ id: 'p-2' })).status).toBe(400);
    expect((await put({ id: undefined })).status).toBe(400);
    expect((await ask('GET', '/Patient/p-1/_history/1')).json).not.toHaveProperty('gender');
    const history = await ask('GET', '/Patient/p-1/_history');
    expect(history.json).toMatchObject({
      type: 'history',
      total: 3,
      entry: [{ resource: { gender: 'male' } }, {}, {}],
    });
  });

  it('updates by search: creates, updates, and refuses several matches', async () => {
    const put = (gender: string) =>
      ask('PUT', `/Patient?identifier=${SYSTEM}|by-search`, makePatient('by-search', { gender }));
    const first = await put('female');
    const second = await put('male');
    expect([first.status, second.status, second.headers.etag]).toEqual([201, 200, 'W/"2"']);
    await ask('POST', '/Patient', makePatient('by-search'));
    expect((await put('female')).status).toBe(412);
    expect((await ask('PUT', '/Patient', makePatient('x'))).status).toBe(412);
    expect((await ask('PUT', '/Patient?colour=red', makePatient('x'))).status).toBe(400);
  });

  it('deletes, after which the resource is gone but its versions are not', async () => {
    await ask('PUT', '/Patient/gone', { ...makePatient('gone'), id: 'gone' });
    expect((await ask('DELETE', '/Patient/gone')).status).toBe(204);
    expect((await ask('GET', '/Patient/gone')).status).toBe(410);
    expect((await ask('GET', '/Patient/gone/_history/1')).status).toBe(200);
    expect((await ask('DELETE', '/Patient/gone')).status).toBe(204);
    expect((await ask('GET', `/Patient?identifier=${SYSTEM}|gone`)).json.total).toBe(0);
  });

  it('searches by identifier, subject, code and status, page by page', async () => {
    await ask('PUT', '/Patient/s-1', { ...makePatient('s-1'), id: 's-1' });
    for (const filler of ['a', 'b', 'c']) {
      await ask('POST', '/Observation', makeResult(filler, 'Patient/s-1', filler === 'c' ? { status: 'amended' } : {}));
    }
    const total = async (query: string) => (await ask('GET', `/Observation?${query}`)).json.total;
    expect(await total('subject=Patient/s-1')).toBe(3);
    expect(await total('patient=s-1&status=final')).toBe(2);
    expect(await total('patient=s-1&status=final,amended')).toBe(3);
    expect(await total(`identifier=${encodeURIComponent(`${SYSTEM}.9|a`)}`)).toBe(1);
    expect(await total('identifier=b')).toBe(1);
    expect(await total('identifier=|b')).toBe(0);
    expect(await total('code=http://loinc.org|2345-7&patient=s-1')).toBe(3);
    const page = await ask('GET', '/Observation?patient=s-1&_count=2');
    expect((page.json.entry as unknown[]).length).toBe(2);
    const next = (page.json.link as { relation: string; url: string }[]).find((one) => one.relation === 'next');
    const rest = await ask('GET', String(next?.url).slice(world.url.length));
    expect((rest.json.entry as unknown[]).length).toBe(1);
    expect((rest.json.link as unknown[]).length).toBe(1);
  });

  it.each([
    ['no JSON', '/Patient', '{', 400, [['structure', null]]],
    ['an array', '/Patient', [], 400, [['structure', null]]],
    ['another type', '/Patient', { resourceType: 'Observation' }, 400, [['invalid', 'Patient']]],
    ['no type', '/Patient', {}, 400, [['structure', 'Patient']]],
    [
      'required elements missing',
      '/Observation',
      { resourceType: 'Observation' },
      422,
      [
        ['required', 'Observation.status'],
        ['required', 'Observation.code'],
      ],
    ],
    [
      'a wrong status',
      '/Observation',
      { ...makeResult('x', 'y'), subject: undefined, status: 'done' },
      422,
      [['code-invalid', 'Observation.status']],
    ],
    [
      'two values',
      '/Observation',
      { ...makeResult('x', 'y'), subject: undefined, valueString: 'x' },
      422,
      [['structure', 'Observation.value[x]']],
    ],
    [
      'a date that is none',
      '/Patient',
      { resourceType: 'Patient', birthDate: '1990-02-30' },
      422,
      [['value', 'Patient.birthDate']],
    ],
    [
      'a time without zone',
      '/Observation',
      { ...makeResult('x', 'y'), subject: undefined, effectiveDateTime: '2026-01-01T10:00:00' },
      422,
      [['value', 'Observation.effectiveDateTime']],
    ],
    ['an empty list', '/Patient', { resourceType: 'Patient', name: [] }, 422, [['structure', 'Patient.name']]],
    ['a null', '/Patient', { resourceType: 'Patient', gender: null }, 422, [['structure', 'Patient.gender']]],
    ['an empty text', '/Patient', { resourceType: 'Patient', gender: '' }, 422, [['value', 'Patient.gender']]],
    [
      'a number in words',
      '/Observation',
      { ...makeResult('x', 'y'), subject: undefined, valueQuantity: { value: '5' } },
      422,
      [['value', 'Observation.valueQuantity.value']],
    ],
    [
      'a number where a status belongs',
      '/Observation',
      { ...makeResult('x', 'y'), subject: undefined, status: 1 },
      422,
      [['code-invalid', 'Observation.status']],
    ],
    [
      'a dangling reference',
      '/Observation',
      makeResult('x', 'Patient/none'),
      422,
      [['not-found', 'Observation.subject.reference']],
    ],
    [
      'a placeholder',
      '/Observation',
      makeResult('x', 'urn:uuid:1'),
      400,
      [['invalid', 'Observation.subject.reference']],
    ],
    [
      'a conditional reference',
      '/Observation',
      makeResult('x', 'Patient?identifier=1'),
      400,
      [['not-supported', 'Observation.subject.reference']],
    ],
  ] as const)('refuses %s', async (_what, path, body, status, issues) => {
    const before = world.server.resources('Observation').length;
    const got = await ask('POST', path, body);
    expect([got.status, got.json.resourceType, issuesOf(got.json)]).toEqual([status, 'OperationOutcome', issues]);
    expect(world.server.resources('Observation')).toHaveLength(before);
  });

  it.each([
    ['GET', '/Patient/none', undefined, {}, 404],
    ['GET', '/Nonsense/1', undefined, {}, 404],
    ['POST', '/Nonsense', {}, {}, 404],
    ['POST', '/Patient/1', makePatient('x'), {}, 405],
    ['GET', '', undefined, {}, 405],
    ['PATCH', '/Patient/1', [], {}, 405],
    ['POST', '/Patient', makePatient('x'), { 'content-type': 'text/plain' }, 415],
    ['POST', '/Patient', makePatient('x'), { accept: 'application/fhir+xml' }, 406],
    ['GET', '/Patient?colour=red', undefined, {}, 400],
  ])('answers %s %s %j %j with %i', async (method, path, body, headers, status) => {
    const got = await ask(method, path, body, headers);
    expect([got.status, got.json.resourceType]).toEqual([status, 'OperationOutcome']);
  });

  it('refuses a body beyond its limit', async () => {
    const small = await createFhirWorld({ maxBodyBytes: 100 });
    expect((await small.ask('POST', '/Patient', makePatient('x'.repeat(200)))).status).toBe(413);
    await small.stop();
  });

  it('states what it can do', async () => {
    const { json } = await ask('GET', '/metadata');
    expect(json).toMatchObject({
      resourceType: 'CapabilityStatement',
      fhirVersion: '4.0.1',
      rest: [{ mode: 'server' }],
    });
  });
});

describe('FHIR server: faults on order', () => {
  it('answers with a status of its own before anything is processed, once', async () => {
    const fault = { kind: 'status', status: 503, headers: { 'retry-after': '7' }, issue: 'transient' } as const;
    world.server.faults.add({ fault, times: 1 });
    const got = await ask('POST', '/Patient', makePatient('fault'));
    expect([got.status, got.headers['retry-after'], issuesOf(got.json)]).toEqual([503, '7', [['transient', null]]]);
    expect((await ask('GET', `/Patient?identifier=${SYSTEM}|fault`)).json.total).toBe(0);
    expect((await ask('POST', '/Patient', makePatient('fault'))).status).toBe(201);
  });

  it.each([
    ['drop', 0],
    ['lose-answer', 1],
    ['truncate', 1],
  ] as const)('closes the connection on %s', async (kind, stored) => {
    world.server.faults.add({ fault: { kind }, method: 'POST', times: 1 });
    await expect(ask('POST', '/Patient', makePatient(kind))).rejects.toThrow();
    expect((await ask('GET', `/Patient?identifier=${SYSTEM}|${kind}`)).json.total).toBe(stored);
  });

  it('keeps a ledger of requests and writes', async () => {
    const before = world.server.ledger.requests().length;
    await ask('PUT', `/Patient?identifier=${SYSTEM}|ledger`, makePatient('ledger'));
    await world.server.ledger.waitFor(before + 1);
    expect(world.server.ledger.requests().at(-1)).toMatchObject({
      method: 'PUT',
      path: '/fhir/Patient',
      status: 201,
      answered: true,
    });
    expect(world.server.ledger.writes().at(-1)).toMatchObject({
      interaction: 'create',
      type: 'Patient',
      position: null,
      identifiers: [`${SYSTEM}|ledger`],
    });
    expect(world.server.ledger.toNdjson().trimEnd().split('\n').length).toBe(
      world.server.ledger.requests().length + world.server.ledger.writes().length,
    );
  });
});
