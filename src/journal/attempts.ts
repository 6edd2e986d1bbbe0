import type { Database } from 'better-sqlite3';
import type { FaultCode, FaultRecord } from '../contracts/fault.ts';
import { FAULTS } from '../contracts/fault.ts';
import type { AttemptEnd, Recorded } from '../contracts/journal.ts';
import type { DeliveryState } from '../contracts/lifecycle.ts';
import type { Lanes } from './lanes.ts';
import type { Once } from './once.ts';
import { ALONE, hasLastWord, isLiving, type KnownDelivery, plainFault, type Results, whyHold } from './results.ts';
import type { Transitions } from './transitions.ts';

/** An answer as it crosses to the writer: a large body was compressed on the way. */
export interface StoredAnswer {
  readonly status: number;
  readonly contentType: string | null;
  readonly encoding: 'plain' | 'zstd';
  readonly body: Uint8Array;
  readonly fault: FaultRecord | null;
}

export type StoredAttemptEnd = Omit<AttemptEnd, 'response'> & { readonly response: StoredAnswer | null };

/** After these nobody knows whether the receiver got it. */
const IN_DOUBT: readonly FaultCode[] = ['target-timeout', 'in-doubt'];

interface InFlight extends KnownDelivery {
  readonly channel: string;
  readonly result_id: number;
  readonly superseded_by: number | null;
  readonly attempted_at: number;
  readonly in_doubt: 'repeat' | 'hold';
}

/** `Journal.record` on SQLite, and what has to be done about attempts that a crash cut off; inside a transaction. */
export function makeAttempts(db: Database, lanes: Lanes, results: Results, transitions: Transitions, once: Once) {
  const columns = `id, message_id, channel, result_id, target, party, lane_key, operation, digest, on_correction, state,
    ended, turn, attempts, may_have_arrived, superseded_by, after_id, attempted_at, in_doubt, once_key, need_key`;
  const readAttempt = db.prepare<[number, number], InFlight>(
    `select ${columns} from deliveries where id = ? and attempts = ? and turn = 'flight'`,
  );
  const readInFlight = db.prepare<[], InFlight>(`select ${columns} from deliveries where turn = 'flight' order by id`);
  const setEnd = db.prepare(
    `update deliveries set fault = @fault, duration_ms = @durationMs, may_have_arrived = @mayHaveArrived,
       superseded_by = null where id = @id`,
  );
  const setFault = db.prepare('update deliveries set fault = ? where id = ?');
  const setAfter = db.prepare(
    `update deliveries set after_id = @afterId, turn = iif(turn = 'blocked', null, turn) where id = @id`,
  );
  const addResponse = db.prepare(
    `insert or replace into responses (delivery_id, status, content_type, encoding, body, fault)
     values (?, ?, ?, ?, ?, ?)`,
  );

  /** What the newer version of its result may do, now that the attempt with the older one has ended. */
  const letFollow = (ended: InFlight, overtakenBy: number, at: number) => {
    const all = results.readOfResult(ended.result_id);
    const newer = all.filter((one) => one.after_id === ended.id && isLiving(one));
    for (const delivery of newer) {
      const inFlight = all.find((one) => one.turn === 'flight' && one.digest !== delivery.digest);
      setAfter.run({ id: delivery.id, afterId: inFlight?.id ?? null });
      const hold = whyHold(all, delivery.digest);
      if (hasLastWord(all, delivery, delivery.digest)) {
        results.supersede(delivery, at, `delivery ${ended.id}`);
      } else if (hold !== null && delivery.state === 'waiting') {
        setFault.run(JSON.stringify(plainFault(hold)), delivery.id);
        transitions.delivery(delivery, 'waiting', 'held', { at, event: 'held', why: hold });
      }
      lanes.promote(delivery, at);
    }
    const alarm =
      newer.length > 0
        ? null
        : whyHold(
            all.filter(({ id }) => id === ended.id),
            '',
          );
    if (alarm !== null) results.holdMessage(overtakenBy, alarm, at);
  };

  const end = (row: InFlight, attempt: StoredAttemptEnd): DeliveryState => {
    const { at, outcome } = attempt;
    const fault = outcome.state === 'delivered' ? null : outcome.fault;
    setEnd.run({
      id: row.id,
      fault: fault === null ? null : JSON.stringify(fault),
      durationMs: attempt.durationMs,
      mayHaveArrived: mayHaveArrived(row, fault) ? 1 : 0,
    });
    if (attempt.response !== null) {
      const { status, contentType, encoding, body, fault: answerFault } = attempt.response;
      addResponse.run(row.id, status, contentType, encoding, body, answerFault && JSON.stringify(answerFault));
    }
    const state = row.superseded_by !== null && outcome.state !== 'delivered' ? 'cancelled' : outcome.state;
    if (state === 'cancelled') {
      const why = `message ${row.superseded_by}`;
      transitions.delivery(row, 'waiting', 'cancelled', { at, event: 'superseded', why });
    } else {
      const event = state === 'waiting' ? 'retry' : state;
      transitions.delivery(row, 'waiting', state, { at, event, why: fault?.code ?? null });
    }
    if (outcome.state === 'waiting' && state === 'waiting') lanes.putOff(row.id, row, outcome.nextAt, at);
    else lanes.promote(row, at);
    if (row.superseded_by !== null) letFollow(row, row.superseded_by, at);
    if (row.superseded_by !== null) once.touch(row.once_key);

    const message = { id: row.message_id, channel: row.channel };
    for (const draft of attempt.followUps) {
      results.insert(message, results.resultId(draft.resultKey), draft, at, {
        ...ALONE,
        digest: row.digest,
        follows: row.id,
      });
    }
    once.settle(at);
    return state;
  };

  return {
    record(attempt: StoredAttemptEnd): Recorded {
      const row = readAttempt.get(attempt.deliveryId, attempt.attempt);
      return { state: row === undefined ? 'fenced' : end(row, attempt) };
    },

    /** Ends what was in flight when the process died: sent again where its operation permits, else held. */
    recover(now: number): number {
      const rows = readInFlight.all();
      for (const row of rows) {
        const fault = plainFault('in-doubt');
        end(row, {
          deliveryId: row.id,
          attempt: row.attempts,
          at: now,
          durationMs: 0,
          outcome:
            row.in_doubt === 'repeat'
              ? { state: 'waiting', nextAt: row.attempted_at, fault }
              : { state: 'held', fault },
          response: null,
          followUps: [],
        });
      }
      return rows.length;
    },
  };
}

/** A refusal of its content settles an earlier doubt: the same content would have been refused then, too. */
function mayHaveArrived(row: InFlight, fault: FaultRecord | null): boolean {
  if (fault === null) return true;
  if (IN_DOUBT.includes(fault.code)) return true;
  return row.may_have_arrived === 1 && FAULTS[fault.code].blame !== 'message';
}
