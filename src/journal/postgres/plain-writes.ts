import type { StoredAlarm } from '../../contracts/alarm.ts';
import type { ArrivalHour } from '../../contracts/journal.ts';
import type { Act, PauseScope } from '../../contracts/operations.ts';
import type { Connection } from './connection.ts';
import { prepared } from './prepared.ts';

/** What nothing has to be decided about. To be called inside a transaction. '' stands for any. */
export function makePlainWrites(node: () => number) {
  const calls = {
    async pause(on: Connection, scope: PauseScope, { at, by, note }: Act): Promise<boolean> {
      const sql = `insert into pauses (target, party, operation, since, by, note) values ($1, $2, $3, $4, $5, $6)
        on conflict do nothing`;
      const { rowCount } = await on.query(prepared(sql, [...toRow(scope), at, by, note]));
      if (rowCount === 0) return false;
      await addAct(on, 'paused', scope, { at, by, note });
      return true;
    },

    async resume(on: Connection, scope: PauseScope, act: Act): Promise<boolean> {
      const sql = 'delete from pauses where target = $1 and party = $2 and operation = $3';
      const { rowCount } = await on.query(prepared(sql, toRow(scope)));
      if (rowCount === 0) return false;
      await addAct(on, 'resumed', scope, act);
      return true;
    },

    async addArrivals(on: Connection, hours: readonly ArrivalHour[]): Promise<void> {
      const sql = `insert into arrivals as a (channel, hour_at, count, first_at, last_at, longest_gap_ms)
        select * from json_to_recordset($1) as x (channel text, "hourAt" bigint, count bigint, "firstAt" bigint,
          "lastAt" bigint, "longestGapMs" bigint) order by channel, "hourAt"
        on conflict (channel, hour_at) do update set count = a.count + excluded.count,
          first_at = least(a.first_at, excluded.first_at), last_at = greatest(a.last_at, excluded.last_at),
          longest_gap_ms = greatest(a.longest_gap_ms, excluded.longest_gap_ms, excluded.first_at - a.last_at)`;
      await on.query(prepared(sql, [JSON.stringify(hours)]));
    },

    async hold(on: Connection, name: string): Promise<boolean> {
      const own = await on.query(prepared('select 1 from holds where name = $1 and node = $2', [name, node()]));
      if (own.rows.length > 0) return true;
      const sql = `insert into holds as h (name, node) values ($1, $2) on conflict (name) do update set node = excluded.node
        where h.node not in (select number from nodes where lease_until > now())`;
      return (await on.query(prepared(sql, [name, node()]))).rowCount === 1;
    },

    async letGo(on: Connection, name: string): Promise<void> {
      await on.query(prepared('delete from holds where name = $1 and node = $2', [name, node()]));
    },

    async saveAlarms(on: Connection, alarms: readonly StoredAlarm[], gone: readonly string[]): Promise<void> {
      await on.query(prepared('delete from alarms where node = $1 and key = any ($2::text[])', [node(), gone]));
      const sql = `insert into alarms (node, key, alarm) select $1, * from unnest($2::text[], $3::text[])
        on conflict (node, key) do update set alarm = excluded.alarm`;
      const values = [node(), alarms.map(({ key }) => key), alarms.map((alarm) => JSON.stringify(alarm))];
      await on.query(prepared(sql, values));
    },
  };
  return {
    has: (call: string): boolean => Object.hasOwn(calls, call),
    run: (on: Connection, call: string, args: readonly unknown[]): Promise<unknown> =>
      calls[call as keyof typeof calls](on, ...(args as [never, never])),
  };
}

async function addAct(on: Connection, event: string, scope: PauseScope, { at, by, note }: Act): Promise<void> {
  const sql = 'insert into acts (at, event, target, party, operation, by, note) values ($1, $2, $3, $4, $5, $6, $7)';
  await on.query(prepared(sql, [at, event, ...toRow(scope), by, note]));
}

function toRow({ target, party, operation }: PauseScope): [string, string, string] {
  return [target ?? '', party ?? '', operation ?? ''];
}
