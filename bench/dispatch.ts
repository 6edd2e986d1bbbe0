import { Client } from 'fhir-kit-client';
import { install as installFetch, request } from 'undici';
import type { Parties } from '../src/contracts/party.ts';
import { createPools, type Pools } from '../src/targets/pools.ts';
import { NORD } from '../test/whole/site.ts';
import type { Bench, LoadFigure, Measured } from './figure.ts';
import { CERTIFICATES, compileEngine, REPORTS } from './mapping/engine.ts';
import { CERTIFICATE_MESSAGE, REPORT_MESSAGE } from './mapping/messages.ts';
import { type Installation, install } from './whole/installation.ts';
import { measureDispatch } from './whole/measure.ts';

const LANES = [1, 8, 32];
const DELIVERIES: Readonly<Record<number, number>> = { 1: 6_000, 8: 15_000, 32: 25_000 };
/** A bundle of a report is as much work as several certificates. */
const BUNDLES: Readonly<Record<number, number>> = { 1: 3_000, 32: 10_000 };

/** Measured a delivery, by processor time: profiles and alternating runs on a machine of two cores. */
const CERTIFICATE_LIMIT =
  'two cores: 240–290 µs of processor a delivery (main thread 115–140, of which the exchange with its checks 50–58, bare undici 36–45 of that; the writer about 95, of which statements 40 and the rest commits; the rest collector and compiler) and some 45 of the stand-in allow 6 000–7 000/s where bare undici makes 21 000–23 000';
const BUNDLE_LIMIT =
  'the main thread: the exchange takes 1.6 times bare fhir-kit-client (about 190 µs), 40 µs of that the JSON.parse of 13 kB by which what leaves is checked; engine, journal and collector take about 150 µs more of the same thread, where 310 µs in all would meet the goal';

type Post = (body: string) => Promise<void>;

const certificates = LANES.map((lanes): LoadFigure => {
  const count = DELIVERIES[lanes] ?? 10_000;
  return {
    kind: 'load',
    name: `covidbevis-${lanes}`,
    what: `journal → mTLS POST → verdict on disk ÷ bare undici.request, ${lanes} at a time`,
    ours: { name: `engine, ${lanes}`, measure: (share) => measureDispatch({ concurrency: lanes }, count * share) },
    reference: {
      name: `bare undici.request, the same pool, ${lanes}`,
      measure: (share) => measureBare(lanes, count * share, bodyOf('certificate'), byUndici),
    },
    goal: lanes === 32 ? 0.3 : null,
    limit: CERTIFICATE_LIMIT,
  };
});

const bundles = [1, 32].map((lanes): LoadFigure => {
  const count = BUNDLES[lanes] ?? 3_000;
  return {
    kind: 'load',
    name: `fhir-${lanes}`,
    what: `journal → transaction of a report (6 results) over mTLS → verdict on disk ÷ bare fhir-kit-client, ${lanes} at a time`,
    ours: {
      name: `engine, fhir, ${lanes}`,
      measure: (share) => measureDispatch({ mapping: 'reports', concurrency: lanes }, count * share),
    },
    reference: {
      name: `bare fhir-kit-client, the same pool, ${lanes}`,
      measure: (share) => measureBare(lanes, count * share, bodyOf('report'), byFhirKit),
    },
    goal: lanes === 32 ? 0.6 : null,
    limit: BUNDLE_LIMIT,
  };
});

export const bench: Bench = {
  name: 'dispatch',
  summary: 'journal → mutual TLS → verdict on disk, as deliveries a second; 2 kB answers',
  verify() {},
  figures: [...certificates, ...bundles],
};

/** The same requests over a party's pool, with nothing before or after them: also what the stand-in can take. */
async function measureBare(
  lanes: number,
  count: number,
  body: string,
  makePost: (site: Installation, pools: Pools) => Post,
): Promise<Measured> {
  await using site = await install({ answer: 'small' });
  const { cert, key, ca } = site.pem;
  const pools = createPools(partiesWith({ cert, key }), { connectTimeoutMs: 10_000, ca });
  const post = makePost(site, pools);
  const work = async (times: number) => {
    for (let done = 0; done < times; done += 1) await post(body);
  };
  const inAll = (times: number) => Promise.all(Array.from({ length: lanes }, () => work(Math.ceil(times / lanes))));
  await inAll(count / 5);
  const startedAt = performance.now();
  await inAll(count);
  const rate = (count * 1_000) / (performance.now() - startedAt);
  await pools.stop();
  return { rate, more: {} };
}

function byUndici({ url }: Installation, pools: Pools): Post {
  const dispatcher = pools.of(NORD.id);
  const headers = { accept: 'application/json', 'content-type': 'application/json' };
  return async (body) => {
    const answer = await request(`${url}/observation`, { dispatcher, method: 'POST', headers, body });
    await answer.body.arrayBuffer();
  };
}

/** The client uses the global fetch, and Node's own does not take the connections of this undici. */
function byFhirKit({ url }: Installation, pools: Pools): Post {
  installFetch();
  const dispatcher = pools.of(NORD.id);
  const client = new Client({ baseUrl: `${url}/fhir` });
  const headers = { accept: 'application/fhir+json', 'content-type': 'application/fhir+json' };
  const options = { headers, dispatcher };
  return async (body) => {
    // Its types know neither a body of text nor a dispatcher.
    await client.request(`${url}/fhir`, { method: 'POST', body: body as never, options: options as never });
  };
}

function bodyOf(message: 'certificate' | 'report'): string {
  const mapper = compileEngine();
  const mapped =
    message === 'certificate' ? mapper.map(CERTIFICATE_MESSAGE, CERTIFICATES) : mapper.map(REPORT_MESSAGE, REPORTS);
  return Buffer.from(mapped.drafts[0]?.body ?? '').toString('utf8');
}

function partiesWith(tls: { cert: string; key: string }): Parties {
  return { list: () => [], get: () => null, credentials: () => ({ tls, version: '1' }) };
}
