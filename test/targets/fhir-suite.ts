import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Target, Verdict } from '../../src/contracts/target.ts';
import { faultOf, makeDelivery, readJson, untilDone } from './covid-world.ts';

type Json = Record<string, unknown>;

/** A started target, and a way to look at its server that is not the target. */
export interface FhirPlace {
  readonly target: Target;
  readonly party: string;
  /** One request below the base URL; the body is JSON text. */
  ask(method: 'GET' | 'POST', path: string, body?: Json): Promise<{ status: number; text: string }>;
}

/** What the target promises at any FHIR R4 server, tried on a real one. Leaves its resources behind. */
export function describeFhirTarget(where: string, open: () => Promise<FhirPlace>): void {
  const system = `urn:uuid:${randomUUID()}`;
  let place: FhirPlace;
  const send = (body: unknown, operation = 'transaction'): Promise<Verdict> =>
    place.target.send(makeDelivery(place.party, body, operation), untilDone());
  const find = async (type: string, value: string): Promise<{ total: number; text: string; resources: Json[] }> => {
    const query = `identifier=${encodeURIComponent(`${system}|${value}`)}`;
    const { text } = await place.ask('GET', `/${type}?${query}`);
    const { entry = [] } = JSON.parse(text) as { entry?: { resource: Json }[] };
    return { total: entry.length, text, resources: entry.map(({ resource }) => resource) };
  };
  const patient = (value: string): Json => ({ resourceType: 'Patient', identifier: [{ system, value }] });
  const result = (value: string, subject: string, more: Json = {}): Json => ({
    resourceType: 'Observation',
    identifier: [{ system, value }],
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '2345-7' }] },
    subject: { reference: subject },
    valueQuantity: { value: 5.5, unit: 'mmol/L' },
    ...more,
  });
  const bundle = (number: string, filler: string, more: Json = {}): Json => {
    const [one, other] = [`urn:uuid:${randomUUID()}`, `urn:uuid:${randomUUID()}`];
    return {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        {
          fullUrl: one,
          resource: patient(number),
          request: { method: 'POST', url: 'Patient', ifNoneExist: `identifier=${system}|${number}` },
        },
        {
          fullUrl: other,
          resource: result(filler, one, more),
          request: { method: 'PUT', url: `Observation?identifier=${system}|${filler}` },
        },
      ],
    };
  };

  describe(`fhir target at ${where}`, () => {
    beforeAll(async () => {
      place = await open();
    });

    it('delivers a transaction, and again, and nothing is there twice', async () => {
      for (let attempt = 1; attempt <= 3; attempt++) expect(faultOf(await send(bundle('p-1', 'r-1')))).toBeNull();
      const [stored] = (await find('Patient', 'p-1')).resources;
      const results = await find('Observation', 'r-1');
      expect((await find('Patient', 'p-1')).total).toBe(1);
      expect(results.resources.map(({ subject }) => subject)).toEqual([
        expect.objectContaining({ reference: `Patient/${String(stored?.id)}` }),
      ]);
    });

    it('keeps the server’s answer with the verdict', async () => {
      const { response } = await send(bundle('p-2', 'r-2'));
      expect(response).toMatchObject({ status: 200, fault: null });
      expect(readJson(response?.body)).toMatchObject({ resourceType: 'Bundle', type: 'transaction-response' });
    });

    it('corrects a result in its place', async () => {
      await send(bundle('p-3', 'r-3'));
      expect(faultOf(await send(bundle('p-3', 'r-3', { status: 'corrected' })))).toBeNull();
      const { resources } = await find('Observation', 'r-3');
      expect(resources.map(({ status }) => status)).toEqual(['corrected']);
    });

    it('sends numbers with the digits they have', async () => {
      const text = JSON.stringify(bundle('p-4', 'r-4')).replace('"value":5.5,', '"value":5.50,');
      expect(faultOf(await send(Buffer.from(text)))).toBeNull();
      expect((await find('Observation', 'r-4')).text).toMatch(/"value":\s*5\.50\b/);
    });

    it('writes a single resource where there is none, and updates it where there is one', async () => {
      const create = {
        method: 'POST',
        url: 'Patient',
        ifNoneExist: `identifier=${system}|p-5`,
        resource: patient('p-5'),
      };
      expect(faultOf(await send(create, 'resource'))).toBeNull();
      expect(faultOf(await send(create, 'resource'))).toBeNull();
      const { total, resources } = await find('Patient', 'p-5');
      expect(total).toBe(1);
      const subject = `Patient/${String(resources[0]?.id)}`;
      const update = (status: string) => ({
        method: 'PUT',
        url: `Observation?identifier=${system}|r-5`,
        resource: result('r-5', subject, { status }),
      });
      expect(faultOf(await send(update('final'), 'resource'))).toBeNull();
      expect(faultOf(await send(update('amended'), 'resource'))).toBeNull();
      expect((await find('Observation', 'r-5')).resources.map(({ status }) => status)).toEqual(['amended']);
    });

    it('is told what the server refuses, and nothing of it is stored', async () => {
      const verdict = await send(bundle('p-6', 'r-6', { status: 'no-such-status' }));
      expect(faultOf(verdict)?.code).toBe('target-refused');
      expect(readJson(verdict.response?.body)).toMatchObject({ resourceType: 'OperationOutcome' });
      expect((await find('Patient', 'p-6')).total).toBe(0);
    });

    it('makes no choice between two records that match', async () => {
      for (let count = 0; count < 2; count++) await place.ask('POST', '/Patient', patient('p-7'));
      const verdict = await send(bundle('p-7', 'r-7'));
      expect(verdict).toMatchObject({ ok: false, response: { status: 412 } });
      expect((await find('Observation', 'r-7')).total).toBe(0);
    });
  });
}
