/** What goes wrong. */
export type Misbehaviour =
  /** Answers with this status before anything is processed; `issue` = code of the OperationOutcome in the answer. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly issue?: string;
      /** A body of its own in place of an OperationOutcome. */
      readonly body?: { readonly type: string; readonly text: string };
    }
  /** Waits, then goes on as usual. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** Closes the connection without reading the request. */
  | { readonly kind: 'drop' }
  /** Processes the request, enters it in the ledger, closes the connection without answering. */
  | { readonly kind: 'lose-answer' }
  /** Processes the request and never answers. */
  | { readonly kind: 'stall' }
  /** Processes, announces the whole answer, closes after half of it. */
  | { readonly kind: 'truncate' }
  /** Processes, answers with the right status and this body. */
  | { readonly kind: 'other-answer'; readonly type: string; readonly text: string };

/** One order of faults; the first that applies to a request is used up by it. */
export interface FaultOrder {
  readonly fault: Misbehaviour;
  /** Where: the FHIR part (default) or the token endpoint. */
  readonly place?: 'fhir' | 'token';
  /** HTTP method; null or absent = every one. */
  readonly method?: string | null;
  /** OAuth client id or organisationsnummer of the caller; null or absent = everybody. */
  readonly caller?: string | null;
  /** How many requests it strikes; null or absent = all from now on. */
  readonly times?: number | null;
  /** 0 to 1, of the requests it applies to; absent = 1. */
  readonly probability?: number;
}

/** A request as an order of faults sees it. */
interface Struck {
  readonly place: 'fhir' | 'token';
  readonly method: string;
  readonly callers: readonly string[];
}

/** Faults on order, in force until they are used up or cleared. */
export interface FaultOrders {
  /** Adds an order behind those in force. */
  add(order: FaultOrder): void;
  /** Calls off every order. */
  clear(): void;
  /** Takes the fault that strikes this request; null = none. */
  take(request: Struck): Misbehaviour | null;
}

/** @param random gives 0 ≤ x < 1; asked only for orders with a probability. */
export function createFaultOrders(random: () => number, orders: readonly FaultOrder[]): FaultOrders {
  let open = orders.map((order) => ({ order, left: order.times ?? null }));
  return {
    add: (order) => void open.push({ order, left: order.times ?? null }),
    clear: () => {
      open = [];
    },
    take(request) {
      for (const one of open) {
        const { order } = one;
        const applies =
          one.left !== 0 &&
          (order.place ?? 'fhir') === request.place &&
          (order.method ?? request.method) === request.method &&
          (order.caller == null || request.callers.includes(order.caller));
        if (!applies || (order.probability !== undefined && random() >= order.probability)) continue;
        if (one.left !== null) one.left -= 1;
        return order.fault;
      }
      return null;
    },
  };
}
