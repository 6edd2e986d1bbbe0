import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Fault } from '../../src/contracts/fault.ts';
import type { Target, Verdict } from '../../src/contracts/target.ts';
import { createAuthority } from '../../src/simulators/pki.ts';
import { covidbevisTarget } from '../../src/targets/covidbevis.ts';
import {
  createTarget,
  createWorld,
  faultOf,
  hostOf,
  makeDelivery,
  makeObservation,
  NORTH,
  partiesOf,
  readJson,
  SOUTH,
  untilDone,
  type World,
} from './covid-world.ts';

let world: World;
let folder: string;
let ca: string;
let target: Target;

async function issueParties() {
  const { authority } = world;
  return {
    north: {
      number: NORTH,
      issued: await authority.issueClient({ organisation: 'Nord AB', organisationNumber: NORTH }),
    },
    south: {
      number: SOUTH,
      issued: await authority.issueClient({
        organisation: 'Syd AB',
        organisationNumber: SOUTH,
        subjectForm: 'organizationIdentifier',
      }),
    },
  };
}

const send = (party: string, body: unknown, operation?: string): Promise<Verdict> =>
  target.send(makeDelivery(party, body, operation), untilDone());

beforeAll(async () => {
  world = await createWorld();
  folder = await mkdtemp(join(tmpdir(), 'covidbevis-'));
  ca = join(folder, 'ca.pem');
  await writeFile(ca, world.authority.cert);
  target = createTarget({ url: world.url, ca }, hostOf(partiesOf(await issueParties())));
});
afterEach(() => world.service.faults.clear());
afterAll(async () => {
  await target.stop();
  await world.stop();
  await rm(folder, { recursive: true });
});

describe('covidbevis target', () => {
  it('gets a test certificate under the party’s certificate', async () => {
    const verdict = await send('north', makeObservation({ identifier: 'OK1' }));
    expect(faultOf(verdict)).toBeNull();
    expect(verdict.response?.status).toBe(200);
    expect(readJson(verdict.response?.body)).toMatchObject({
      testProof: { metadata: { uvci: 'URN:UVCI:01:SE:EHM/TNOOK1' } },
    });
  });

  it('gets a recovery certificate for a positive test', async () => {
    const body = makeObservation({ identifier: 'OK2', positive: true, sampledAt: '2026-10-01T23:30:00Z' });
    const verdict = await send('north', body, 'recovery-certificate');
    expect(faultOf(verdict)).toBeNull();
    expect(readJson(verdict.response?.body)).toMatchObject({
      recoveryProof: { recovery: { positiveTestResultDate: '2026-10-02' } },
    });
  });

  it('tries the connection with ping', async () => {
    const verdict = await send('south', {}, 'ping');
    expect(verdict.ok).toBe(true);
    expect(readJson(verdict.response?.body)).toEqual({ status: 'UP' });
  });

  it('never lets a delivery leave under another party’s certificate, however they are interleaved', async () => {
    const sent = Array.from({ length: 200 }, (_, index) => {
      const north = index % 2 === 0;
      const body = makeObservation({
        identifier: `MIX${index}`,
        site: north ? 'Norra provtagningen' : 'Södra provtagningen',
      });
      return send(north ? 'north' : 'south', body);
    });
    const verdicts = await Promise.all(sent);
    expect(verdicts.filter((verdict) => faultOf(verdict) !== null)).toEqual([]);
    expect(world.service.ledger.crossed()).toEqual([]);
    const mixed = world.service.ledger.entries().filter((entry) => entry.identifier.startsWith('MIX'));
    expect(mixed.filter((entry) => entry.organisation === NORTH)).toHaveLength(100);
    expect(mixed.filter((entry) => entry.organisation === SOUTH)).toHaveLength(100);
  });

  it.each([
    ['no status', (body: ReturnType<typeof makeObservation>) => ({ ...body, status: undefined }), 'Observation.status'],
    [
      'a wrong check digit',
      () => makeObservation({ number: '199708062387' }),
      'Observation.contained[0].identifier[0].value',
    ],
    ['a lower-case identifier', () => makeObservation({ identifier: 'abc' }), 'Observation.identifier[0].value'],
    ['an element too many', (body: object) => ({ ...body, note: [] }), 'Observation'],
    [
      'a time without offset',
      () => makeObservation({ sampledAt: '2026-11-21T10:28:00' }),
      'Observation.effectiveDateTime',
    ],
    ['a positive result', () => makeObservation({ positive: true }), 'Observation.valueCodeableConcept.coding[0].code'],
    [
      'no performer for a NAAT',
      (body: ReturnType<typeof makeObservation>) => ({
        ...body,
        performer: undefined,
        contained: body.contained.slice(0, 1),
      }),
      'Observation.performer',
    ],
    [
      'a dangling reference',
      (body: object) => ({ ...body, subject: { reference: '#9' } }),
      'Observation.subject.reference',
    ],
  ])('sends nothing that has %s', async (_what, change, at) => {
    const before = world.service.ledger.refusals().length;
    const verdict = await send('north', change(makeObservation({ identifier: 'BAD' })));
    expect(faultOf(verdict)).toEqual({ code: 'mapping-incomplete', detail: at });
    expect(world.service.ledger.refusals()).toHaveLength(before);
  });

  it('calls a body that is not JSON a mapping fault', async () => {
    expect(faultOf(await send('north', Buffer.from('{')))).toEqual({
      code: 'mapping-incomplete',
      detail: 'Observation',
    });
  });

  it.each([
    [400, {}, 'target-refused', null],
    [422, {}, 'target-refused', null],
    [401, {}, 'target-unauthorized', null],
    [403, {}, 'target-forbidden', null],
    [404, {}, 'target-unexpected', null],
    [302, { location: 'https://localhost:1/observation' }, 'target-unexpected', null],
    [409, {}, 'target-busy', null],
    [429, { 'retry-after': '7' }, 'target-busy', 7000],
    [500, {}, 'target-failing', null],
    [503, { 'retry-after': '120' }, 'target-busy', 120_000],
  ] as const)('judges HTTP %i %j as %s', async (status, headers, code, retryAfterMs) => {
    world.service.faults.add({ fault: { kind: 'status', status, headers }, times: 1 });
    const verdict = await send('north', makeObservation({ identifier: `S${status}` }));
    expect(verdict).toMatchObject({ ok: false, retryAfterMs, response: { status } });
    expect(faultOf(verdict)).toEqual({ code, detail: `HTTP ${status}` });
  });

  it('is told by the service that recovery is not agreed', async () => {
    const verdict = await send('south', makeObservation({ positive: true }), 'recovery-certificate');
    expect(faultOf(verdict)).toEqual({ code: 'target-forbidden', detail: 'HTTP 403' });
  });

  it('takes a dropped connection, before or after processing, as the world’s fault, and may repeat', async () => {
    world.service.faults.add({ fault: { kind: 'drop' }, times: 1 });
    world.service.faults.add({ fault: { kind: 'lose-answer' }, times: 1 });
    world.service.faults.add({ fault: { kind: 'truncate' }, times: 1 });
    const body = makeObservation({ identifier: 'LOST' });
    for (let attempt = 1; attempt <= 3; attempt++) {
      expect(faultOf(await send('north', body))).toMatchObject({ code: 'target-unreachable' });
    }
    expect(faultOf(await send('north', body))).toBeNull();
    expect(world.service.ledger.countsByIdentifier().get('LOST')).toBe(3);
    const uvcis = world.service.ledger.entries().filter((entry) => entry.identifier === 'LOST');
    expect(uvcis.map((entry) => [entry.uvci, entry.repeat, entry.answered])).toEqual([
      ['URN:UVCI:01:SE:EHM/TNOLOST', 0, false],
      ['URN:UVCI:01:SE:EHM/TNOLOST', 1, false],
      ['URN:UVCI:01:SE:EHM/TNOLOST', 2, true],
    ]);
  });

  it.each([
    ['wrong-json', 'answer.testProof'],
    ['not-json', 'not JSON in UTF-8'],
  ] as const)('takes a 2xx with %s as delivered with an unreadable answer', async (kind, detail) => {
    world.service.faults.add({ fault: { kind }, times: 1 });
    const verdict = await send('north', makeObservation({ identifier: 'UNREADABLE' }));
    expect(verdict.ok).toBe(true);
    expect(faultOf(verdict)).toEqual({ code: 'answer-unreadable', detail });
  });

  it('ends soon after its signal aborts, with the signal’s fault', async () => {
    world.service.faults.add({ fault: { kind: 'stall' }, times: 1 });
    const abort = new AbortController();
    const before = world.service.ledger.entries().length;
    const sent = target.send(makeDelivery('north', makeObservation({ identifier: 'ABORT' })), abort.signal);
    await world.service.ledger.waitFor(before + 1);
    abort.abort(new Fault('stopping'));
    expect(faultOf(await sent)).toEqual({ code: 'stopping', detail: null });
  });

  it('calls a service that is down unreachable', async () => {
    const other = await createWorld();
    await other.stop();
    const lost = createTarget({ url: other.url, ca }, hostOf(partiesOf(await issueParties())));
    const verdict = await lost.send(makeDelivery('north', makeObservation()), untilDone());
    expect(faultOf(verdict)).toEqual({ code: 'target-unreachable', detail: 'ECONNREFUSED' });
    await lost.stop();
  });

  it('refuses a service whose certificate is of an unknown authority', async () => {
    const stranger = await createAuthority({ name: 'Stranger', now: Date.now() });
    const strange = join(folder, 'stranger.pem');
    await writeFile(strange, stranger.cert);
    const wary = createTarget({ url: world.url, ca: strange }, hostOf(partiesOf(await issueParties())));
    const before = world.service.ledger.entries().length;
    const verdict = await wary.send(makeDelivery('north', makeObservation({ identifier: 'WARY' })), untilDone());
    expect(faultOf(verdict)?.code).toBe('tls-refused');
    expect(world.service.ledger.entries()).toHaveLength(before);
    await wary.stop();
  });

  it('sends nothing for a stopped party', async () => {
    const { authority } = world;
    const expired = await authority.issueClient({
      organisation: 'Nord AB',
      organisationNumber: NORTH,
      validFrom: Date.now() - 2000,
      validTo: Date.now() - 1000,
    });
    const halted = createTarget(
      { url: world.url, ca },
      hostOf(partiesOf({ north: { number: NORTH, issued: expired } })),
    );
    const verdict = await halted.send(makeDelivery('north', makeObservation()), untilDone());
    expect(faultOf(verdict)?.code).toBe('party-stopped');
    await halted.stop();
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s', async (version) => {
    const other = await createWorld({ minVersion: version, maxVersion: version });
    const file = join(folder, `${version}.pem`);
    await writeFile(file, other.authority.cert);
    const issued = await other.authority.issueClient({ organisation: 'Nord AB', organisationNumber: NORTH });
    const one = createTarget({ url: other.url, ca: file }, hostOf(partiesOf({ north: { number: NORTH, issued } })));
    expect(faultOf(await one.send(makeDelivery('north', makeObservation()), untilDone()))).toBeNull();
    await one.stop();
    await other.stop();
  });

  it('never reads an answer beyond its limit', async () => {
    const key = { cert: world.server.cert, key: world.server.key };
    const server = createServer(key, (request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(`{"padding":"${'x'.repeat(5000)}"}`);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `https://localhost:${(server.address() as AddressInfo).port}`;
    const small = createTarget({ url, ca, maxAnswer: 1024 }, hostOf(partiesOf(await issueParties())));
    const verdict = await small.send(makeDelivery('north', makeObservation()), untilDone());
    expect(verdict).toMatchObject({ ok: true, response: { status: 200, body: new Uint8Array(0) } });
    expect(faultOf(verdict)).toEqual({ code: 'answer-unreadable', detail: 'larger than maxAnswer' });
    await small.stop();
    server.closeAllConnections();
    server.close();
  });

  it('takes an answer that is another certificate than was asked for as delivered, and says what does not match', async () => {
    const body = makeObservation({ identifier: 'MINE' });
    const good = readJson((await send('north', body)).response?.body) as GoodAnswer;
    const { metadata, test } = good.testProof;
    const spoilt: [(proof: GoodAnswer['testProof']) => object, string | null][] = [
      [(proof) => proof, null],
      [(proof) => ({ ...proof, colour: 'red' }), null],
      [
        (proof) => ({ ...proof, metadata: { ...metadata, uvci: 'URN:UVCI:01:SE:EHM/TNOYOURS' } }),
        'testProof.metadata.uvci does not match',
      ],
      [
        (proof) => ({ ...proof, test: { ...test, typeOfTest: { code: 'LP217198-3', display: '' } } }),
        'testProof.test.typeOfTest does not match',
      ],
      [
        (proof) => ({ ...proof, test: { ...test, testResult: { code: '260373001', display: '' } } }),
        'testProof.test.testResult does not match',
      ],
      [
        (proof) => ({ ...proof, metadata: { ...metadata, validThrough: 'soon' } }),
        'answer.testProof.metadata.validThrough',
      ],
      [(proof) => ({ ...proof, qrCode: { ...proof.qrCode, image: '<svg/>' } }), 'answer.testProof.qrCode.image'],
    ];
    let answer = {};
    const server = createServer({ cert: world.server.cert, key: world.server.key }, (request, response) => {
      request.resume();
      response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `https://localhost:${(server.address() as AddressInfo).port}`;
    const other = createTarget({ url, ca }, hostOf(partiesOf(await issueParties())));
    for (const [spoil, detail] of spoilt) {
      answer = { ...good, testProof: spoil(good.testProof) };
      const verdict = await other.send(makeDelivery('north', body), untilDone());
      expect(verdict.ok).toBe(true);
      expect(faultOf(verdict)).toEqual(detail === null ? null : { code: 'answer-unreadable', detail });
    }
    await other.stop();
    server.closeAllConnections();
    server.close();
  });

  it('takes only https addresses and known keys', () => {
    const { config } = covidbevisTarget;
    expect(config.safeParse({ url: 'http://localhost' }).success).toBe(false);
    expect(config.safeParse({ url: 'http://localhost' }).error?.issues[0]?.message).toContain('must be https');
    expect(config.safeParse({ url: 'https://localhost?x=1' }).success).toBe(false);
    expect(config.safeParse({ url: 'https://localhost', colour: 'red' }).success).toBe(false);
    expect(config.parse({ url: 'https://localhost' }).paths.recovery).toBe('/recovery');
  });
});

interface GoodAnswer {
  readonly testProof: {
    readonly qrCode: object;
    readonly metadata: object;
    readonly test: object;
  };
}
