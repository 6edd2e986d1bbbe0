import type { Agent } from 'undici';
import type { Parties } from '../contracts/party.ts';
import { createConnector } from './connector.ts';
import { loadUndici } from './undici.ts';

export interface PoolLimits {
  readonly connectTimeoutMs: number;
  /** PEM of the authorities that may have issued the receiver's certificate; null = those of the system. */
  readonly ca: string | null;
}

/** The connections of one target, apart by party. There is no pool that two parties share, and none without a party. */
export interface Pools {
  /**
   * The pool of a party under its current certificate. To be used at once: after a renewal it is closed as soon as what
   * is under way has ended.
   * @throws Fault `party-stopped`
   */
  of(party: string): Agent;
  /** Closes every pool once what is under way has ended. */
  stop(): Promise<void>;
}

/** Pools with TLS 1.2 or later, HTTP/1.1, and one party's certificate each. */
export function createPools(parties: Parties, limits: PoolLimits): Pools {
  const { Agent } = loadUndici();
  const pools = new Map<string, { readonly agent: Agent; readonly version: string }>();
  const closing = new Set<Promise<void>>();
  const retire = (party: string) => {
    const old = pools.get(party);
    pools.delete(party);
    if (old === undefined) return;
    const closed = old.agent.close().finally(() => closing.delete(closed));
    closing.add(closed);
  };
  return {
    of(party) {
      try {
        const { tls, version } = parties.credentials(party);
        const known = pools.get(party);
        if (known?.version === version) return known.agent;
        retire(party);
        const agent = new Agent({
          // As many connections as there are attempts at a time: those are the engine's to count.
          pipelining: 1,
          allowH2: false,
          keepAliveTimeout: 10_000,
          // The caller's deadline covers the whole exchange.
          headersTimeout: 0,
          bodyTimeout: 0,
          connect: createConnector({
            ...tls,
            ...(limits.ca === null ? {} : { ca: limits.ca }),
            timeout: limits.connectTimeoutMs,
          }),
        });
        pools.set(party, { agent, version });
        return agent;
      } catch (fault) {
        retire(party);
        throw fault;
      }
    },
    async stop() {
      for (const party of [...pools.keys()]) retire(party);
      await Promise.all(closing);
    },
  };
}
