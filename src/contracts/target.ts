import type { Fault } from './fault.ts';

/** Where deliveries go. One attempt, one verdict: a target never retries by itself. */
export interface Target {
  readonly operations: Readonly<Record<string, Operation>>;
  /** Makes one attempt. Never rejects: what goes wrong is the verdict's fault. Ends soon after `signal` aborts. */
  send(delivery: Delivery, signal: AbortSignal): Promise<Verdict>;
  /** Frees connections once what is under way has ended. */
  stop(): Promise<void>;
}

export interface Operation {
  readonly summary: string;
  /** When it is not known whether an attempt arrived: send the same again, or hold for a person. */
  readonly inDoubt: 'repeat' | 'hold';
  /** When the result changes after delivery: send the new version, or hold it for a person. */
  readonly onCorrection: 'update' | 'hold';
}

/** A delivery as one attempt sees it. */
export interface Delivery {
  readonly id: number;
  /** 1 for the first. The journal has recorded this attempt before anybody sees it. */
  readonly attempt: number;
  readonly messageId: number;
  readonly channel: string;
  readonly resultKey: string;
  readonly target: string;
  readonly operation: string;
  readonly party: string;
  readonly laneKey: string;
  readonly body: Uint8Array;
  readonly admittedAt: number;
}

export type Verdict =
  | { readonly ok: true; readonly response: Response | null }
  | {
      readonly ok: false;
      readonly fault: Fault;
      readonly retryAfterMs: number | null;
      readonly response: Response | null;
    };

/** What the receiver sent back; kept with the delivery. */
export interface Response {
  /** HTTP status, or 0 where the protocol has none. */
  readonly status: number;
  readonly contentType: string | null;
  readonly body: Uint8Array;
  /** Set where the receiver took the delivery but its answer is not what was asked for: follow-ups are held. */
  readonly fault: Fault | null;
}
