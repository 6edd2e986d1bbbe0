import { request } from 'undici';
import type { Parties } from '../src/contracts/party.ts';
import { createPools } from '../src/targets/pools.ts';
import { NORD } from '../test/whole/site.ts';
import type { Bench, LoadFigure, Measured } from './figure.ts';
import { CERTIFICATES, compileEngine } from './mapping/engine.ts';
import { CERTIFICATE_MESSAGE } from './mapping/messages.ts';
import { install } from './whole/installation.ts';
import { measureDispatch } from './whole/measure.ts';

const LANES = [1, 8, 32];
const DELIVERIES: Readonly<Record<number, number>> = { 1: 6_000, 8: 15_000, 32: 25_000 };

const figures = LANES.map((lanes): LoadFigure => {
  const count = DELIVERIES[lanes] ?? 10_000;
  return {
    kind: 'load',
    name: `covidbevis-${lanes}`,
    what: `journal → mTLS POST → verdict on disk ÷ bare undici.request, ${lanes} at a time`,
    ours: { name: `engine, ${lanes}`, measure: (share) => measureDispatch({ concurrency: lanes }, count * share) },
    reference: {
      name: `bare undici.request, the same pool, ${lanes}`,
      measure: (share) => measureBare(lanes, count * share),
    },
    goal: lanes === 32 ? 0.3 : null,
  };
});

export const bench: Bench = {
  name: 'dispatch',
  summary: 'journal → mutual TLS → verdict on disk, as deliveries a second; 2 kB answers',
  verify() {},
  figures,
};

/** The same requests over a party's pool, with nothing before or after them: also what the stand-in can take. */
async function measureBare(lanes: number, count: number): Promise<Measured> {
  await using site = await install({ answer: 'small' });
  const { cert, key, ca } = site.pem;
  const pools = createPools(partiesWith({ cert, key }), { connectTimeoutMs: 10_000, ca });
  const dispatcher = pools.of(NORD.id);
  const body = compileEngine().map(CERTIFICATE_MESSAGE, CERTIFICATES).drafts[0]?.body ?? null;
  const headers = { accept: 'application/json', 'content-type': 'application/json' };
  const work = async (times: number) => {
    for (let done = 0; done < times; done += 1) {
      const answer = await request(`${site.url}/observation`, { dispatcher, method: 'POST', headers, body });
      await answer.body.arrayBuffer();
    }
  };
  const inAll = (times: number) => Promise.all(Array.from({ length: lanes }, () => work(Math.ceil(times / lanes))));
  await inAll(count / 5);
  const startedAt = performance.now();
  await inAll(count);
  const rate = (count * 1_000) / (performance.now() - startedAt);
  await pools.stop();
  return { rate, more: {} };
}

function partiesWith(tls: { cert: string; key: string }): Parties {
  return { list: () => [], get: () => null, credentials: () => ({ tls, version: '1' }) };
}
