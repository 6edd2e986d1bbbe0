import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import { describe, it } from 'vitest';
import { createAuthority } from '../../src/simulators/pki.ts';
import { fhirTarget } from '../../src/targets/fhir.ts';
import { hostOf, NORTH, partiesOf } from './covid-world.ts';
import { describeFhirTarget } from './fhir-suite.ts';

/** Base URL of a FHIR R4 server that may be written to, without authentication; SLUSS_FHIR_CA = PEM file of its authority. */
const url = process.env.SLUSS_FHIR_URL ?? '';
const ca = process.env.SLUSS_FHIR_CA ?? '';

if (url === '') {
  console.warn('SLUSS_FHIR_URL is not set: the fhir target is not tried on a server of somebody else’s.');
  describe('fhir target at a server of somebody else’s', () => {
    it.skip('is tried where SLUSS_FHIR_URL says so', () => {});
  });
} else {
  describeFhirTarget(url, async () => {
    const authority = await createAuthority({ name: 'External', now: Date.now() });
    const issued = await authority.issueClient({ organisation: 'Nord AB', organisationNumber: NORTH });
    const host = hostOf(partiesOf({ north: { number: NORTH, issued } }));
    const config = fhirTarget.config.parse({ url, auth: 'none', ...(ca === '' ? {} : { ca }) });
    const dispatcher = new Agent(ca === '' ? {} : { connect: { ca: readFileSync(ca, 'utf8') } });
    return {
      target: fhirTarget.create(config, host),
      party: 'north',
      async ask(method, path, body) {
        const headers = { accept: 'application/fhir+json', 'content-type': 'application/fhir+json' };
        const base = url.replace(/\/$/, '');
        const text = body === undefined ? null : JSON.stringify(body);
        const answer = await request(`${base}${path}`, { dispatcher, method, headers, body: text });
        return { status: answer.statusCode, text: await answer.body.text() };
      },
    };
  });
}
