import type { Database } from 'better-sqlite3';
import type { Cancelled, Released } from '../contracts/journal.ts';
import type { MessageState } from '../contracts/lifecycle.ts';
import type { Act } from '../contracts/operations.ts';
import type { Lanes } from './lanes.ts';
import type { Once } from './once.ts';
import type { Provisions } from './provisions.ts';
import { isLiving, type KnownDelivery, type Results } from './results.ts';
import type { MessageRef, Transitions } from './transitions.ts';

type ActedOn = KnownDelivery & {
  readonly result_id: number;
  readonly fault: string | null;
  readonly not_after: number | null;
};

/** What a person does to a delivery or a held message, on SQLite; to be called inside a transaction. */
export function makeActs(
  db: Database,
  lanes: Lanes,
  results: Results,
  transitions: Transitions,
  once: Once,
  provisions: Pick<Provisions, 'withdraw'>,
) {
  const read = db.prepare<[number], ActedOn>(
    `select id, message_id, result_id, target, party, lane_key, operation, digest, on_correction, state, ended, turn,
       attempts, may_have_arrived, after_id, once_key, need_key, fault, not_after
     from deliveries where id = ?`,
  );
  const readMessage = db.prepare<[number], MessageRef & { readonly state: MessageState; readonly skipped: string }>(
    'select id, channel, state, skipped from messages where id = ?',
  );
  const setSkipped = db.prepare('update messages set skipped = ? where id = ?');
  const setBody = db.prepare('update bodies set body = ? where delivery_id = ?');

  return {
    release(deliveryId: number, act: Act, body?: Uint8Array): Released {
      const delivery = read.get(deliveryId);
      if (delivery === undefined) return { result: 'not-found' };
      if (delivery.state !== 'held') return { result: 'not-held' };
      const { at } = act;
      transitions.actAs(act);
      const overtakenBy = results.overtakerOf(delivery, delivery.result_id);
      if (overtakenBy !== null) {
        transitions.delivery(delivery, 'held', 'cancelled', { at, event: 'stale', why: `message ${overtakenBy}` });
        return { result: 'stale', overtakenBy };
      }
      const inFlight = results
        .readOfResult(delivery.result_id)
        .find(({ turn, digest }) => turn === 'flight' && digest !== delivery.digest);
      if (body !== undefined) setBody.run(body, deliveryId);
      transitions.delivery(delivery, 'held', 'waiting', { at, event: 'released', why: null });
      if (inFlight === undefined && delivery.not_after !== null && delivery.not_after <= at) {
        // A claim would take it for one that nobody has judged.
        transitions.delivery(delivery, 'waiting', 'cancelled', { at, event: 'expired', why: null });
        return { result: 'released' };
      }
      lanes.rejoin(delivery.id, delivery, inFlight?.id ?? null, at);
      if (isJudgement(delivery)) once.judge(delivery.id);
      once.touch(delivery.once_key);
      once.settle(at);
      return { result: 'released' };
    },

    cancel(deliveryId: number, act: Act): Cancelled {
      const delivery = read.get(deliveryId);
      if (delivery === undefined) return { result: 'not-found' };
      // What lacks something would go for whoever provides it.
      if (!isLiving(delivery) && delivery.ended !== 'lacking') return { result: 'ended' };
      if (delivery.turn === 'flight') return { result: 'in-flight' };
      transitions.actAs(act);
      transitions.delivery(delivery, delivery.state, 'cancelled', { at: act.at, event: 'cancelled', why: null });
      lanes.promote(delivery, act.at);
      return { result: 'cancelled' };
    },

    dismiss(messageId: number, act: Act): boolean {
      const message = readMessage.get(messageId);
      if (message === undefined) return false;
      transitions.actAs(act);
      const isHeld = message.state === 'held';
      if (isHeld) {
        transitions.message(message, 'held', 'skipped', { at: act.at, event: 'cancelled', why: null });
        const skipped = [...(JSON.parse(message.skipped) as unknown[]), { reason: 'cancelled', at: null }];
        setSkipped.run(JSON.stringify(skipped), messageId);
      }
      const isTakenBack = provisions.withdraw(messageId);
      if (isTakenBack) transitions.note(messageId, null, { at: act.at, event: 'taken-back', why: null });
      return isHeld || isTakenBack;
    },
  };
}

/** It was held because of what had been issued, and a person looked at that. */
function isJudgement({ fault }: ActedOn): boolean {
  const code = fault === null ? null : (JSON.parse(fault) as { readonly code: string }).code;
  return code === 'already-delivered' || code === 'later-delivered' || code === 'in-doubt';
}
