import type { FaultRecord } from '../contracts/fault.ts';
import type { Outcome } from '../contracts/journal.ts';
import type { MessageState } from '../contracts/lifecycle.ts';
import type { Skipped } from '../contracts/mapper.ts';
import type { AckCode } from '../contracts/source.ts';
import { errorName } from '../engine/log-fields.ts';
import { brokenOutcome, heldInstead, mappedToOutcome, skippedOutcome } from '../engine/outcome.ts';
import { chooseReply } from '../engine/reply.ts';
import { parseExactJson } from '../fhir/exact-json.ts';
import { type Header, readHeader } from '../hl7/header.ts';
import { bodyText } from '../mapping/body-text.ts';
import type { Explanation } from '../mapping/mapper.ts';
import type { MadeBody } from '../mapping/result-outcome.ts';
import type { Bench, BenchChannel } from './workbench.ts';

/** What a message would become if it came now. */
export interface Judged {
  readonly header: Header | null;
  readonly channel: string;
  readonly state: MessageState;
  /** null = not answered. */
  readonly answer: AckCode | null;
  readonly deliveries: readonly JudgedDelivery[];
  readonly skipped: readonly Skipped[];
  readonly faults: readonly FaultRecord[];
  readonly warnings: readonly FaultRecord[];
  readonly explanation: Explanation | null;
}

/** A delivery, or what would have been one if its result had no fault. */
export interface JudgedDelivery extends MadeBody {
  /** HL7 location of the result. */
  readonly at: string | null;
  readonly mapping: string;
  /** False where a fault keeps it back. */
  readonly isSent: boolean;
  /** ms since the epoch; null = at once. */
  readonly notBefore: number | null;
  /** Why a person has to let it go first; null = nobody has to. */
  readonly held: FaultRecord | null;
  /** The body's value; numbers keep their digits. */
  readonly value: unknown;
}

/** Faults that say: this is another channel's message. */
const NOT_TAKEN = ['type-unsupported', 'event-unsupported', 'processing-id-unsupported'];

/** Says what would become of a message, on the first of the channels whose mapping takes it. Never throws. */
export function judge(bytes: Uint8Array, bench: Bench): Judged {
  let last: Judged | null = null;
  for (const channel of bench.channels) {
    const judged = judgeOn(bytes, channel, bench);
    if (!judged.faults.some(({ code }) => NOT_TAKEN.includes(code))) return judged;
    last ??= judged;
  }
  if (last === null) throw new Error('there is no channel');
  return last;
}

/** Says what would become of a message on one channel. Never throws. */
export function judgeOn(bytes: Uint8Array, channel: BenchChannel, bench: Bench): Judged {
  const header = headerOf(bytes);
  const { outcome, explanation } = decide(bytes, header, channel, bench);
  const { state, faults } = outcome;
  const isAcknowledgement = header?.messageCode === 'ACK';
  return {
    header,
    channel: channel.name,
    state,
    answer: isAcknowledgement ? null : chooseReply(channel.acknowledge, { state, faults }).code,
    deliveries: listDeliveries(outcome, explanation),
    skipped: outcome.skipped,
    faults,
    warnings: outcome.warnings,
    explanation,
  };
}

function decide(bytes: Uint8Array, header: Header | null, channel: BenchChannel, { mapper, findOperation }: Bench) {
  // As the intake does: acknowledgements are not mapped.
  if (header?.messageCode === 'ACK') return { outcome: skippedOutcome('acknowledgement'), explanation: null };
  try {
    const explanation = mapper.explain(bytes, { channel: channel.name, sender: null });
    const outcome = mappedToOutcome(explanation.mapped, mapper.version, channel.parties, findOperation);
    return { outcome: channel.acknowledge === 'stored' ? heldInstead(outcome) : outcome, explanation };
  } catch (error) {
    return { outcome: brokenOutcome(mapper.version, errorName(error)), explanation: null };
  }
}

/** In the order they were made. What was made and has no draft is held back by a fault of its result. */
function listDeliveries(outcome: Outcome, explanation: Explanation | null): JudgedDelivery[] {
  const drafts = outcome.drafts.map((draft) => ({ ...draft, text: bodyText(draft.body) }));
  return (explanation?.results ?? []).flatMap(({ at, mapping, made }) =>
    made.map((one): JudgedDelivery => {
      const index = drafts.findIndex(
        ({ target, operation, text }) => target === one.target && operation === one.operation && text === one.body,
      );
      const [draft = null] = index < 0 ? [] : drafts.splice(index, 1);
      const { notBefore = null, held = null } = draft ?? {};
      return {
        ...one,
        at,
        mapping,
        isSent: draft !== null && one.lacks === null,
        notBefore,
        held,
        value: parseExactJson(one.body),
      };
    }),
  );
}

function headerOf(bytes: Uint8Array): Header | null {
  try {
    return readHeader(bytes);
  } catch {
    return null;
  }
}
