import type { Submitting } from './submission.ts';

export type FaultyOperation = Submitting | 'ping';

/** What goes wrong. */
export type Misbehaviour =
  /** Answers with this status before anything is issued; headers such as `{ 'retry-after': '5' }`. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly message?: string;
    }
  /** Waits, then goes on as usual. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** Closes the connection without reading the request. */
  | { readonly kind: 'drop' }
  /** Issues the certificate, enters it in the ledger, closes the connection without answering. */
  | { readonly kind: 'lose-answer' }
  /** Issues the certificate and never answers. */
  | { readonly kind: 'stall' }
  /** Issues, announces the whole answer, closes after half of it. */
  | { readonly kind: 'truncate' }
  /** Issues, answers 200 with JSON that is not a certificate. */
  | { readonly kind: 'wrong-json' }
  /** Issues, answers 200 with something that is not JSON. */
  | { readonly kind: 'not-json' }
  /** Closes new connections: of one organisation after the handshake, of everybody before it. */
  | { readonly kind: 'refuse-tls' };

/** One order of faults; the first that applies to a request is used up by it. */
export interface FaultOrder {
  readonly fault: Misbehaviour;
  /** null or absent = every organisation. */
  readonly organisation?: string | null;
  /** null or absent = every operation. */
  readonly operation?: FaultyOperation | null;
  /** How many requests it strikes; null or absent = all from now on. */
  readonly times?: number | null;
  /** 0 to 1, of the requests it applies to; absent = 1. */
  readonly probability?: number;
}

/** Faults on order, in force until they are used up or cleared. */
export interface FaultOrders {
  /** Adds an order behind those in force. */
  add(order: FaultOrder): void;
  /** Calls off every order. */
  clear(): void;
  /** Takes the fault that strikes this request; null = none. A null organisation = not known yet. */
  take(organisation: string | null, operation: FaultyOperation): Misbehaviour | null;
  /** True where a connection is to be refused; a null organisation = before the handshake. */
  takeTlsRefusal(organisation: string | null): boolean;
}

/** @param seed any integer: equal seeds and requests give equal faults. */
export function createFaultOrders(seed: number, orders: readonly FaultOrder[]): FaultOrders {
  const random = createRandom(seed);
  let open = orders.map((order) => ({ order, left: order.times ?? null }));
  const takeFirst = (applies: (order: FaultOrder) => boolean): Misbehaviour | null => {
    for (const one of open) {
      if (one.left === 0 || !applies(one.order) || random() >= (one.order.probability ?? 1)) continue;
      if (one.left !== null) one.left -= 1;
      return one.order.fault;
    }
    return null;
  };
  return {
    add: (order) => void open.push({ order, left: order.times ?? null }),
    clear: () => {
      open = [];
    },
    take: (organisation, operation) =>
      takeFirst(
        (order) =>
          order.fault.kind !== 'refuse-tls' &&
          (order.organisation ?? organisation) === organisation &&
          (order.operation ?? operation) === operation,
      ),
    takeTlsRefusal: (organisation) =>
      takeFirst((order) => order.fault.kind === 'refuse-tls' && (order.organisation ?? null) === organisation) !== null,
  };
}

/** Small seeded generator (mulberry32): good enough to scatter faults, the same on every run. */
function createRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
