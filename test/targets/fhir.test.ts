import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Fault } from '../../src/contracts/fault.ts';
import type { Target, Verdict } from '../../src/contracts/target.ts';
import { createAuthority } from '../../src/simulators/pki.ts';
import { fhirTarget } from '../../src/targets/fhir.ts';
import { makeBundle, makePatient, makeResult, makeResultBundle, SYSTEM } from '../simulators/fhir/fhir-world.ts';
import { faultOf, makeDelivery, NORTH, readJson, SOUTH, untilDone } from './covid-world.ts';
import { describeFhirTarget } from './fhir-suite.ts';
import { createFhirTargetWorld, type FhirTargetWorld } from './fhir-world.ts';

let world: FhirTargetWorld;
let target: Target;
beforeAll(async () => {
  world = await createFhirTargetWorld();
  target = world.open();
});
afterEach(() => world.server.faults.clear());
afterAll(() => world.stop());

const send = (party: string, body: unknown, operation = 'transaction'): Promise<Verdict> =>
  target.send(makeDelivery(party, body, operation), untilDone());

describeFhirTarget('our own server', async () => ({ target, party: 'north', ask: world.ask }));

describe('fhir target', () => {
  it('never lets a delivery leave under another party’s certificate, however they are interleaved', async () => {
    const before = world.server.ledger.writes().length;
    const verdicts = await Promise.all(
      Array.from({ length: 100 }, (_, index) => {
        const party = index % 2 === 0 ? 'north' : 'south';
        return send(party, makeResultBundle(`${party}-${index}`, `${party}-r${index}`));
      }),
    );
    expect(verdicts.filter((verdict) => faultOf(verdict) !== null)).toEqual([]);
    const mixed = world.server.ledger.writes().slice(before);
    expect(mixed).toHaveLength(200);
    const strayed = mixed.filter(
      ({ organisation, identifiers }) => organisation !== (identifiers[0]?.includes('|north') ? NORTH : SOUTH),
    );
    expect(strayed).toEqual([]);
  });

  it('asks for as little as it can, and says what it sends', async () => {
    await send('north', makeResultBundle('headers', 'headers'));
    expect(world.server.ledger.requests().at(-1)).toMatchObject({
      method: 'POST',
      path: '/fhir',
      headers: {
        prefer: 'return=minimal',
        accept: 'application/fhir+json',
        'content-type': 'application/fhir+json; charset=utf-8',
      },
    });
  });

  it('takes a large transaction', async () => {
    const bundle = makeResultBundle('large', 'large', { note: [{ text: 'x'.repeat(500_000) }] });
    expect(faultOf(await send('north', bundle))).toBeNull();
  });

  const put = (id: string, number: string) => ({
    method: 'PUT',
    url: `Patient/${id}`,
    resource: { ...makePatient(number), id },
  });
  const once = (number: string, more = {}) => ({
    method: 'POST',
    url: 'Patient',
    ifNoneExist: `identifier=${SYSTEM}|${number}`,
    resource: makePatient(number),
    ...more,
  });
  it.each([
    ['no Bundle', makePatient('x'), 'the body is no Bundle of type transaction'],
    ['a batch', makeBundle([], 'batch'), 'the body is no Bundle of type transaction'],
    ['no entries', makeBundle([]), 'the Bundle has no entries'],
    [
      'a bare POST',
      makeBundle([once('a'), once('b', { ifNoneExist: undefined })]),
      'entry[1].request: POST without ifNoneExist could make it twice',
    ],
    [
      'a POST under a condition that says nothing',
      makeBundle([once('a', { ifNoneExist: 'identifier=' })]),
      'entry[0].request: POST without ifNoneExist could make it twice',
    ],
    [
      'a POST to an id',
      makeBundle([once('a', { url: 'Patient/1' })]),
      'entry[0].request: POST goes to a resource type',
    ],
    [
      'a DELETE',
      makeBundle([{ ...put('1', 'a'), method: 'DELETE' }]),
      'entry[0].request.method is neither PUT nor POST',
    ],
    [
      'a PUT to nowhere',
      makeBundle([{ ...put('1', 'a'), url: 'Patient' }]),
      'entry[0].request: PUT needs an id or a search',
    ],
    [
      'a PUT under an empty search',
      makeBundle([{ ...put('1', 'a'), url: 'Patient?' }]),
      'entry[0].request.url has an empty search',
    ],
    [
      'a PUT of another id',
      makeBundle([{ ...put('1', 'a'), url: 'Patient/2' }]),
      'entry[0].resource.id is not that of its url',
    ],
    [
      'a resource of another type',
      makeBundle([{ ...put('1', 'a'), url: 'Observation/1' }]),
      'entry[0].resource.resourceType is not that of its url',
    ],
    [
      'a URL elsewhere',
      makeBundle([{ ...put('1', 'a'), url: 'https://elsewhere/Patient/1' }]),
      'entry[0].request.url is neither Type, Type/id nor Type?search',
    ],
    [
      'a URL that climbs',
      makeBundle([{ ...put('1', 'a'), url: 'Patient/../admin' }]),
      'entry[0].request.url is neither Type, Type/id nor Type?search',
    ],
    ['no resource', makeBundle([{ method: 'PUT', url: 'Patient/1' }]), 'entry[0].resource is missing'],
    ['one resource twice', makeBundle([put('1', 'a'), put('1', 'a')]), 'entry[1] is for the same as entry[0]'],
    ['one condition twice', makeBundle([once('a'), once('a')]), 'entry[1] is for the same as entry[0]'],
    [
      'one placeholder twice',
      makeBundle([once('a', { fullUrl: 'urn:uuid:1' }), once('b', { fullUrl: 'urn:uuid:1' })]),
      'entry[1] is for the same as entry[0]',
    ],
    [
      'a reference to nobody',
      makeBundle([{ method: 'PUT', url: 'Observation?identifier=a', resource: makeResult('a', 'urn:uuid:none') }]),
      'entry[0].resource refers to an entry that is not there',
    ],
    ['a body that is no JSON', Buffer.from('{'), 'the body is no JSON object'],
    ['a body that is no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'the body is not UTF-8'],
  ])('sends no transaction with %s', async (_what, body, detail) => {
    const before = world.server.ledger.requests().length;
    expect(faultOf(await send('north', body))).toEqual({ code: 'mapping-incomplete', detail });
    expect(world.server.ledger.requests()).toHaveLength(before);
  });

  it.each([
    ['a bare POST', once('a', { ifNoneExist: undefined }), 'POST without ifNoneExist could make it twice'],
    ['ifNoneExist at a PUT', { ...put('1', 'a'), ifNoneExist: 'identifier=1' }, 'ifNoneExist goes with POST'],
    [
      'a person’s number in the URL',
      { ...put('1', 'a'), url: 'Patient?identifier=1' },
      'a search for a person does not belong in a URL: use a transaction',
    ],
    [
      'a search by subject in the URL',
      { method: 'PUT', url: 'Observation?subject:identifier=1', resource: makeResult('a', 'Patient/1') },
      'a search for a person does not belong in a URL: use a transaction',
    ],
    [
      'a header that cannot be one',
      once('a', { ifNoneExist: 'identifier=Å\r\nx: y' }),
      'ifNoneExist holds what a header cannot: percent signs are needed',
    ],
    [
      'an element too many',
      once('a', { fullUrl: 'x' }),
      'the body takes method, url, ifNoneExist, ifMatch and resource, and nothing else',
    ],
  ])('sends no single resource with %s', async (_what, body, detail) => {
    const before = world.server.ledger.requests().length;
    expect(faultOf(await send('north', body, 'resource'))).toEqual({ code: 'mapping-incomplete', detail });
    expect(world.server.ledger.requests()).toHaveLength(before);
  });

  it('knows no other operation', async () => {
    const verdict = await send('north', makeBundle([]), 'delete');
    expect(faultOf(verdict)).toEqual({ code: 'mapping-incomplete', detail: 'no operation delete' });
  });

  it('writes by a version it was told', async () => {
    const order = (ifMatch: string) => ({ ...put('version', 'version'), ifMatch });
    expect(faultOf(await send('north', { ...put('version', 'version') }, 'resource'))).toBeNull();
    expect(faultOf(await send('north', order('W/"1"'), 'resource'))).toBeNull();
    const stale = await send('north', order('W/"7"'), 'resource');
    expect(faultOf(stale)).toEqual({ code: 'target-busy', detail: 'HTTP 412 conflict' });
  });

  it.each([
    [400, 'invalid', {}, 'target-refused', null],
    [422, 'value', {}, 'target-refused', null],
    [400, 'exception', {}, 'target-failing', null],
    [422, 'lock-error', { 'retry-after': '3' }, 'target-busy', 3000],
    [400, 'throttled', {}, 'target-busy', null],
    [401, 'login', {}, 'target-unauthorized', null],
    [400, 'login', {}, 'target-unauthorized', null],
    [403, 'forbidden', {}, 'target-forbidden', null],
    [403, 'security', {}, 'target-forbidden', null],
    [403, 'throttled', {}, 'target-busy', null],
    [400, 'forbidden', {}, 'target-forbidden', null],
    [404, 'not-found', {}, 'target-unexpected', null],
    [410, 'deleted', {}, 'target-unexpected', null],
    [413, 'too-long', {}, 'target-unexpected', null],
    [409, 'conflict', { 'retry-after': '1' }, 'target-busy', 1000],
    [409, 'duplicate', {}, 'target-busy', null],
    [412, 'conflict', {}, 'target-busy', null],
    [412, 'multiple-matches', {}, 'target-unexpected', null],
    [423, 'lock-error', {}, 'target-busy', null],
    [425, 'processing', {}, 'target-busy', null],
    [429, 'throttled', { 'retry-after': '7' }, 'target-busy', 7000],
    [500, 'exception', {}, 'target-failing', null],
    [500, 'timeout', {}, 'target-busy', null],
    [501, 'not-supported', {}, 'target-failing', null],
    [503, 'transient', { 'retry-after': '120' }, 'target-busy', 120_000],
    [503, 'login', {}, 'target-failing', null],
    [418, 'made-up', {}, 'target-unexpected', null],
  ] as const)('judges HTTP %i %s %j as %s', async (status, issue, headers, code, retryAfterMs) => {
    world.server.faults.add({ fault: { kind: 'status', status, issue, headers }, times: 1 });
    const verdict = await send('north', makeResultBundle('status', 'status'));
    expect(verdict).toMatchObject({ ok: false, retryAfterMs, response: { status } });
    const told = issue === 'made-up' ? '' : ` ${issue}`;
    expect(faultOf(verdict)).toEqual({ code, detail: `HTTP ${status}${told}` });
    expect(readJson(verdict.response?.body)).toMatchObject({ resourceType: 'OperationOutcome' });
  });

  it.each([
    [503, 'text/html', '<html>maintenance</html>', 'target-failing'],
    [400, 'text/html', 'The SSL certificate error', 'target-unauthorized'],
    [422, 'text/plain', 'no', 'target-refused'],
    [500, 'application/json', 'null', 'target-failing'],
    [302, 'text/plain', '', 'target-unexpected'],
  ] as const)('judges HTTP %i with %s %j as %s', async (status, type, text, code) => {
    const headers = { location: 'https://localhost:1/' };
    world.server.faults.add({ fault: { kind: 'status', status, headers, body: { type, text } }, times: 1 });
    expect(faultOf(await send('north', makeResultBundle('text', 'text')))).toEqual({ code, detail: `HTTP ${status}` });
  });

  it.each([301, 302, 303, 307, 308])('follows no redirect: HTTP %i', async (status) => {
    const before = world.server.ledger.requests().length;
    const headers = { location: world.server.url };
    world.server.faults.add({ fault: { kind: 'status', status, headers }, times: 1 });
    const verdict = await send('north', makeResultBundle('redirect', 'redirect'));
    expect(faultOf(verdict)).toEqual({ code: 'target-unexpected', detail: `HTTP ${status} processing` });
    expect(world.server.ledger.requests()).toHaveLength(before + 1);
  });

  it('lets a content error outweigh one that passes', async () => {
    const issue = (code: string) => ({ severity: 'error', code });
    const text = JSON.stringify({ resourceType: 'OperationOutcome', issue: [issue('exception'), issue('value')] });
    const body = { type: 'application/fhir+json', text };
    world.server.faults.add({ fault: { kind: 'status', status: 422, body }, times: 1 });
    const verdict = await send('north', makeResultBundle('both', 'both'));
    expect(faultOf(verdict)).toEqual({ code: 'target-refused', detail: 'HTTP 422 exception, value' });
  });

  it('names the element that is complained about, and never what the server says about it', async () => {
    const bundle = makeResultBundle('secret-number', 'secret-filler', { effectiveDateTime: 'Andersson' });
    const verdict = await send('north', bundle);
    expect(faultOf(verdict)).toEqual({
      code: 'target-refused',
      detail: 'HTTP 422 value at Bundle.entry[1].resource.effectiveDateTime',
    });
    expect(Buffer.from(verdict.response?.body ?? []).toString('utf8')).toContain('Andersson');
    const error = verdict.ok ? null : verdict.fault;
    expect(`${error?.stack} ${JSON.stringify(error?.record)} ${String(error?.cause)}`).not.toMatch(/Andersson|secret/);
  });

  it.each([
    ['Andersson'],
    ['Andersson.name'],
    ['Patient.Andersson'],
    ["Patient.name.where(family='andersson')"],
    ['Organization.name'],
    ['Patient/19900101-1234'],
    [`Patient${'.a'.repeat(30)}`],
  ])('does not repeat %s as the place of an error', async (expression) => {
    const issue = [{ severity: 'error', code: 'value', expression: [expression], diagnostics: expression }];
    const body = { type: 'application/fhir+json', text: JSON.stringify({ resourceType: 'OperationOutcome', issue }) };
    world.server.faults.add({ fault: { kind: 'status', status: 422, body }, times: 1 });
    expect(faultOf(await send('north', makeResultBundle('x', 'x')))?.detail).toBe('HTTP 422 value');
  });

  it.each([
    ['text/html', '<html>OK</html>', 'no JSON object in UTF-8'],
    ['application/fhir+json', 'null', 'no JSON object in UTF-8'],
    ['application/fhir+json', '', 'no JSON object in UTF-8'],
    ['application/fhir+json', '{"resourceType":"OperationOutcome"}', 'no Bundle of type transaction-response'],
    ['application/fhir+json', '{"resourceType":"Bundle","type":"transaction-response"}', '0 entries for 2'],
    [
      'application/fhir+json',
      '{"resourceType":"Bundle","type":"transaction-response","entry":[{},{}]}',
      'entry[0].response.status is missing',
    ],
  ])('takes a 2xx with %s %j as delivered with an unreadable answer', async (type, text, detail) => {
    world.server.faults.add({ fault: { kind: 'other-answer', type, text }, times: 1 });
    const verdict = await send('north', makeResultBundle('unread', 'unread'));
    expect(verdict).toMatchObject({ ok: true, response: { status: 200, body: Buffer.from(text) } });
    expect(faultOf(verdict)).toEqual({ code: 'answer-unreadable', detail });
  });

  it.each([
    ['another resource', '{"resourceType":"Group"}', 'another resource than was sent'],
    ['the same', '{"resourceType":"Patient"}', null],
    ['an outcome', '{"resourceType":"OperationOutcome","issue":[]}', null],
    ['nothing', '', null],
  ])('looks at the answer to a single write: %s', async (_what, text, detail) => {
    world.server.faults.add({ fault: { kind: 'other-answer', type: 'application/fhir+json', text }, times: 1 });
    const verdict = await send('north', once('single'), 'resource');
    expect([verdict.ok, faultOf(verdict)?.detail ?? null]).toEqual([true, detail]);
  });

  it.each([
    [['201 Created', '422 Unprocessable Entity'], 'target-refused', 'entry[1]: HTTP 422 value at Observation.status'],
    [['503 Service Unavailable', '201 Created'], 'target-failing', 'entry[0]: HTTP 503 value at Observation.status'],
    [['503 Service Unavailable', '400'], 'target-refused', 'entry[1]: HTTP 400 value at Observation.status'],
    [['201 Created', '412'], 'target-busy', 'entry[1]: HTTP 412 value at Observation.status'],
  ] as const)('does not take a response whose entries are %j for a delivery', async (statuses, code, detail) => {
    const issue = [{ severity: 'error', code: 'value', expression: ['Observation.status'] }];
    const outcome = { resourceType: 'OperationOutcome', issue };
    const entry = statuses.map((status) => ({ response: { status, outcome } }));
    const text = JSON.stringify({ resourceType: 'Bundle', type: 'batch-response', entry });
    world.server.faults.add({ fault: { kind: 'other-answer', type: 'application/fhir+json', text }, times: 1 });
    const verdict = await send('north', makeResultBundle('entries', 'entries'));
    expect(verdict.ok).toBe(false);
    expect(faultOf(verdict)).toEqual({ code, detail });
  });

  it('takes a dropped connection, before or after processing, as the world’s fault, and may repeat', async () => {
    for (const kind of ['drop', 'lose-answer', 'truncate'] as const)
      world.server.faults.add({ fault: { kind }, times: 1 });
    const before = world.server.ledger.writes().length;
    const bundle = makeResultBundle('lost', 'lost');
    for (let attempt = 1; attempt <= 3; attempt++) {
      expect(faultOf(await send('north', bundle))?.code).toBe('target-unreachable');
    }
    expect(faultOf(await send('north', bundle))).toBeNull();
    const writes = world.server.ledger.writes().slice(before);
    expect(writes.map(({ interaction }) => interaction)).toEqual(['create', 'create', 'none', 'none', 'none', 'none']);
    expect([...world.server.ledger.duplicates().keys()].filter((name) => name.includes('|lost'))).toEqual([]);
  });

  it('ends soon after its signal aborts, with the signal’s fault', async () => {
    world.server.faults.add({ fault: { kind: 'stall' }, times: 1 });
    const abort = new AbortController();
    const before = world.server.ledger.requests().length;
    const sent = target.send(makeDelivery('north', makeResultBundle('abort', 'abort'), 'transaction'), abort.signal);
    await world.server.ledger.waitFor(before + 1);
    abort.abort(new Fault('stopping'));
    expect(faultOf(await sent)).toEqual({ code: 'stopping', detail: null });
  });

  it('sends nothing of what is aborted while it waits for its connection', async () => {
    const fresh = world.open();
    const before = world.server.ledger.requests().length;
    const abort = new AbortController();
    const cut = makeDelivery('north', makeResultBundle('unsent', 'unsent'), 'transaction');
    const sent = fresh.send(cut, abort.signal);
    abort.abort(new Fault('stopping'));
    expect(faultOf(await sent)).toEqual({ code: 'stopping', detail: null });
    const next = makeDelivery('north', makeResultBundle('next', 'next'), 'transaction');
    expect(faultOf(await fresh.send(next, untilDone()))).toBeNull();
    const writes = world.server.ledger.writes();
    expect(writes.map((write) => JSON.stringify(write)).some((text) => text.includes('unsent'))).toBe(false);
    expect(world.server.ledger.requests()).toHaveLength(before + 1);
  });

  it('calls a server that is down unreachable, and one of an unknown authority refused', async () => {
    const gone = await createFhirTargetWorld();
    const down = world.open({ url: gone.server.url });
    await gone.stop();
    const bundle = makeResultBundle('down', 'down');
    const lost = await down.send(makeDelivery('north', bundle, 'transaction'), untilDone());
    expect(faultOf(lost)).toEqual({ code: 'target-unreachable', detail: 'ECONNREFUSED' });
    const blocked = world.open({ url: 'https://localhost:6000/fhir' });
    const refusedPort = await blocked.send(makeDelivery('north', bundle, 'transaction'), untilDone());
    expect(faultOf(refusedPort)).toEqual({ code: 'target-unreachable', detail: 'a port that web clients refuse' });
    const stranger = await createAuthority({ name: 'Stranger', now: Date.now() });
    const wary = world.open({ ca: await world.write('stranger.pem', stranger.cert) });
    const refused = await wary.send(makeDelivery('north', bundle, 'transaction'), untilDone());
    expect(faultOf(refused)?.code).toBe('tls-refused');
  });

  it('sends nothing for a party it does not know, with certificate or without', async () => {
    const bare = world.open({ auth: 'none' });
    for (const one of [target, bare]) {
      const verdict = await one.send(makeDelivery('west', makeResultBundle('w', 'w'), 'transaction'), untilDone());
      expect(faultOf(verdict)).toEqual({ code: 'party-stopped', detail: 'no such party is configured' });
    }
  });

  it('shows no certificate where it is told to show none', async () => {
    const bare = world.open({ auth: 'none' });
    const before = world.server.ledger.requests().length;
    const verdict = await bare.send(makeDelivery('north', makeResultBundle('w', 'w'), 'transaction'), untilDone());
    expect(verdict.ok).toBe(false);
    expect(world.server.ledger.requests()).toHaveLength(before);
  });
});

describe('fhir target, answers out of measure', () => {
  const answer = async (listener: RequestListener, config: object): Promise<Verdict> => {
    const authority = await createAuthority({ name: 'Odd', now: Date.now() });
    const server = createServer(await authority.issueServer({ names: ['localhost'] }), (request, response) => {
      request.resume();
      listener(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `https://localhost:${(server.address() as AddressInfo).port}`;
    const odd = world.open({ url, ca: await world.write('odd.pem', authority.cert), ...config });
    const verdict = await odd.send(makeDelivery('north', makeResultBundle('odd', 'odd'), 'transaction'), untilDone());
    await odd.stop();
    server.closeAllConnections();
    server.close();
    return verdict;
  };

  it('never reads an answer beyond its limit', async () => {
    const large = (status: number) =>
      answer((_request, response) => response.writeHead(status).end(`{"padding":"${'x'.repeat(5000)}"}`), {
        maxAnswer: 1024,
      });
    const taken = await large(200);
    expect(taken).toMatchObject({ ok: true, response: { status: 200, body: new Uint8Array(0) } });
    expect(faultOf(taken)?.code).toBe('answer-unreadable');
    expect(faultOf(await large(422))).toEqual({ code: 'target-refused', detail: 'HTTP 422' });
  });

  it('asks for no compression, and unpacks none', async () => {
    const asked: unknown[] = [];
    const verdict = await answer((request, response) => {
      asked.push(request.headers['accept-encoding']);
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{}'));
    }, {});
    expect(asked).toEqual(['identity']);
    expect(verdict).toMatchObject({ ok: true, response: { body: new Uint8Array(0) } });
    expect(faultOf(verdict)?.code).toBe('answer-unreadable');
  });
});

describe('fhir target, configuration', () => {
  const parse = (config: object) => fhirTarget.config.safeParse(config).success;
  const oauth2 = { tokenUrl: 'https://a/token', clientId: 'c', scope: 's' };
  const key = { file: 'k', kid: '1' };

  it('takes https addresses, and plain ones of this machine', () => {
    const urls = [
      'https://a/fhir',
      'http://localhost:8080/fhir',
      'http://127.0.0.1/fhir',
      'http://a/fhir',
      'https://a?x',
      'http://localhost.evil/',
    ];
    expect(urls.map((url) => parse({ url }))).toEqual([true, true, true, false, false, false]);
  });

  it('wants one proof of who we are, and knows its keys', () => {
    const url = 'https://a';
    expect(parse({ url, auth: { oauth2: { ...oauth2, key } } })).toBe(true);
    expect(parse({ url, auth: { oauth2: { ...oauth2, clientSecret: { env: 'X' } }, mtls: true } })).toBe(true);
    expect(parse({ url, auth: { oauth2 } })).toBe(false);
    expect(parse({ url, auth: { oauth2: { ...oauth2, key, clientSecret: { env: 'X' } } } })).toBe(false);
    expect(parse({ url, auth: { oauth2: { ...oauth2, clientSecret: 'plain' } } })).toBe(false);
    expect(parse({ url, headers: { 'X-Tenant': 'a' } })).toBe(true);
    expect(parse({ url, headers: { Authorization: 'a' } })).toBe(false);
    expect(parse({ url, headers: { 'X-Tenant': 'a\r\nb: c' } })).toBe(false);
    expect(parse({ url, colour: 'red' })).toBe(false);
  });

  it('refuses an override for a party there is not', () => {
    expect(() => world.open({ parties: { west: { auth: 'none' } } })).toThrow('parties.west');
  });
});
