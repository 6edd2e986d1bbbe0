import type { Claimed, Slot } from '../../contracts/journal.ts';
import type { Delivery } from '../../contracts/target.ts';
import { type ClaimedRow, MAX_SWEEP, rowToDelivery } from '../claims.ts';
import type { Connection } from './connection.ts';
import type { Key } from './keys.ts';
import { prepared } from './prepared.ts';

/** Parameters of a slot: target, party, how many are free, operations left out, the channel served last. */
const SLOTS = `slot as (
    select * from unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::text[])
      with ordinality as s (target, party, free, without, last, slot))`;

/** The SQL of a claim. A test asks PostgreSQL for the plan of each: none may walk a table. */
export const POSTGRES_CLAIM_SQL = {
  wake: `update deliveries set turn = 'ready' where id in
    (select id from deliveries where turn = 'timed' and due_at <= $1 order by due_at limit ${MAX_SWEEP} for update skip locked)
    and turn = 'timed'`,
  nextDueAt: `select due_at from deliveries where turn = 'timed' order by due_at limit 1`,
  /**
   * Heads of lanes for all slots at once. A slot's streams (channel, operation) are found by leaping from one to the next
   * through the index of heads; of each the oldest are taken that nobody else is just taking; then channels take turns,
   * beginning behind the one that was served last. The lease of what is taken is the node's.
   */
  heads: `with recursive ${SLOTS},
  stream as (
    select s.slot, h.channel, h.operation from slot s cross join lateral
      (select channel, operation from deliveries where turn = 'ready' and target = s.target and party = s.party
       order by channel, operation limit 1) h
    union all
    select s.slot, h.channel, h.operation from stream p join slot s on s.slot = p.slot cross join lateral
      (select channel, operation from deliveries where turn = 'ready' and target = s.target and party = s.party
         and (channel, operation) > (p.channel, p.operation)
       order by channel, operation limit 1) h),
  candidate as materialized (
    select s.slot, s.free, s.last, t.channel, h.id, h.place, h.not_after from stream t join slot s on s.slot = t.slot
      cross join lateral
        (select id, place, not_after from deliveries where turn = 'ready' and target = s.target and party = s.party
           and channel = t.channel and operation = t.operation
         order by place, id limit s.free for update skip locked) h
      where not s.without::jsonb ? t.operation),
  ranked as (
    select *, row_number() over (partition by slot, channel order by place, id) as round
    from candidate where not_after is null or not_after > $6),
  chosen as (
    select *, row_number() over (partition by slot order by round, channel <= last, channel) as turn_of from ranked),
  taken as (
    update deliveries set turn = 'flight', attempts = attempts + 1, attempted_at = $6, node = $7
    where id = any (array(select id from chosen where turn_of <= free))
    returning id, attempts, message_id, channel, result_id, target, operation, party, lane_key, admitted_at, once_key),
  noted as (
    insert into history (message_id, delivery_id, at, event, why, by)
    select message_id, id, $6, 'attempt', 'attempt ' || attempts, 'engine' from taken)
  select t.id, t.attempts as attempt, t.message_id, t.channel, (select key from results where id = t.result_id) as result_key,
    t.target, t.operation, t.party, t.lane_key, (select body from bodies where delivery_id = t.id) as body, t.admitted_at,
    t.once_key, c.slot, c.turn_of
  from taken t join chosen c on c.id = t.id
  union all
  select id, null, null, null, null, null, null, null, null, null, null, null, slot, null
  from candidate where not_after <= $6
  order by 13, 14`,
} as const;

interface Row extends ClaimedRow {
  /** null = it is past its time. */
  readonly attempt: number | null;
  readonly once_key: string | null;
  /** From 1. */
  readonly slot: number;
}

/** What one round of a claim took, and what it met past its time. */
interface Round {
  readonly deliveries: Delivery[];
  readonly overdue: { readonly id: number; readonly slot: number }[];
}

export type Claims = ReturnType<typeof makeClaims>;

/** `Journal.claim` on PostgreSQL; to be called inside a transaction, behind all that it is to see. */
export function makeClaims(node: () => number) {
  /** The channel served last in each slot. */
  const lastChannels = new Map<string, string>();
  /** What deliveries in flight belong to, so that their end need not ask. */
  const hints = new Map<number, readonly Key[]>();

  async function takeHeads(client: Connection, slots: readonly Slot[], now: number): Promise<Round> {
    const nameOf = ({ target, party }: Slot) => JSON.stringify([target, party]);
    const values = [
      slots.map(({ target }) => target),
      slots.map(({ party }) => party),
      slots.map(({ free }) => free),
      slots.map(({ without }) => JSON.stringify(without)),
      slots.map((slot) => lastChannels.get(nameOf(slot)) ?? ''),
      now,
      node(),
    ];
    const { rows } = await client.query<Row>(prepared(POSTGRES_CLAIM_SQL.heads, values));
    const round: Round = { deliveries: [], overdue: [] };
    for (const row of rows) {
      if (row.attempt === null) {
        round.overdue.push({ id: row.id, slot: row.slot - 1 });
        continue;
      }
      round.deliveries.push(rowToDelivery(row, row.attempt));
      lastChannels.set(nameOf(slots[row.slot - 1]!), row.channel);
      hints.set(row.id, keysOfRow(row));
    }
    return round;
  }

  return {
    /**
     * @param endOverdue ends what is past its time, as far as nobody else is about it; resolves with how each ended
     */
    async claim(
      client: Connection,
      slots: readonly Slot[],
      now: number,
      endOverdue: (ids: readonly number[]) => Promise<ReadonlyMap<number, 'expired' | 'held'>>,
    ): Promise<Claimed> {
      const deliveries: Delivery[] = [];
      const expired: Claimed['expired'][number][] = [];
      await client.query(prepared(POSTGRES_CLAIM_SQL.wake, [now]));
      let open = slots.filter(({ free }) => free > 0);
      let overdue = 0;
      // Behind one that is overdue another may stand, so look again for as long as some were.
      while (open.length > 0) {
        const round = await takeHeads(client, open, now);
        deliveries.push(...round.deliveries);
        if (round.overdue.length === 0) break;
        const ended = await endOverdue(round.overdue.map(({ id }) => id));
        for (const { id, slot } of round.overdue) {
          if (ended.get(id) === 'expired') expired.push({ id, target: open[slot]!.target, party: open[slot]!.party });
        }
        overdue += ended.size;
        if (ended.size === 0 || overdue >= MAX_SWEEP) break;
        open = open.flatMap((slot) => {
          const taken = round.deliveries.filter(({ target, party }) => target === slot.target && party === slot.party);
          const free = slot.free - taken.length;
          return free > 0 ? [{ ...slot, free }] : [];
        });
      }
      const { rows } = await client.query(prepared(POSTGRES_CLAIM_SQL.nextDueAt, []));
      const nextDueAt = overdue >= MAX_SWEEP ? now : ((rows[0]?.due_at as number | undefined) ?? null);
      return { deliveries, expired, nextDueAt };
    },

    hintsOf: (deliveryId: number): readonly Key[] => hints.get(deliveryId) ?? [],
    forget(deliveryId: number): void {
      hints.delete(deliveryId);
    },
  };
}

function keysOfRow({ result_key, lane_key, target, party, once_key }: Row): Key[] {
  const once: Key[] = once_key === null ? [] : [['once', once_key]];
  return [['result', result_key], ['lane', lane_key, target, party], ...once];
}
