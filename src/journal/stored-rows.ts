import { inflateSync, zstdDecompressSync } from 'node:zlib';
import type { StoredDelivery, StoredMessage } from '../contracts/journal.ts';
import { readFault, readFaults } from './stored-faults.ts';

/** `deflate` is what journals hold that were written before zstd, which costs a tenth of it. */
const UNPACK = {
  plain: (body: Uint8Array) => body,
  deflate: (body: Uint8Array) => inflateSync(body),
  zstd: (body: Uint8Array) => zstdDecompressSync(body),
} as const;

/** A message as either store's SQL gives it. */
export interface MessageRow extends Omit<StoredMessage, 'skipped' | 'faults' | 'warnings' | 'isPruned'> {
  readonly isPruned: 0 | 1 | boolean;
  readonly skipped: string;
  readonly faults: string;
  readonly warnings: string;
}

/** A delivery with its last answer, so. */
export interface DeliveryRow extends Omit<StoredDelivery, 'inFlight' | 'fault' | 'needs' | 'response'> {
  readonly turn: string | null;
  readonly needReason: string | null;
  readonly providedBy: number | null;
  readonly providedAt: number | null;
  readonly fault: string | null;
  readonly status: number | null;
  readonly contentType: string | null;
  readonly encoding: keyof typeof UNPACK;
  readonly answer: Uint8Array;
  readonly answerFault: string | null;
}

export function rowToMessage(row: MessageRow): StoredMessage {
  const { skipped, faults, warnings } = row;
  return {
    ...row,
    isPruned: Boolean(row.isPruned),
    skipped: JSON.parse(skipped),
    faults: readFaults(faults),
    warnings: readFaults(warnings),
  };
}

export function rowToDelivery(row: DeliveryRow): StoredDelivery {
  const { turn, fault, status, contentType, encoding, answer, answerFault, ...known } = row;
  const { needReason, providedBy, providedAt, ...rest } = known;
  return {
    ...rest,
    inFlight: turn === 'flight',
    needs: needReason === null ? null : { reason: needReason, providedBy, providedAt },
    fault: readFault(fault),
    response:
      status === null
        ? null
        : {
            status,
            contentType,
            body: UNPACK[encoding](answer),
            fault: readFault(answerFault),
          },
  };
}
