import type { Connection } from './connection.ts';
import type { Borders } from './periods.ts';
import { prepared } from './prepared.ts';
import {
  type Change,
  type Changes,
  type Column,
  namesOf,
  type Row,
  type Scratch,
  TABLES,
  type Table,
} from './scratch.ts';

/**
 * Fails where fewer rows are changed than were meant: one is not as it was when it was read, for a claim of another node,
 * which alone changes deliveries without their locks, came between. The server itself says so, that nobody need wait for the
 * count before the commit.
 */
const checked = (update: string) =>
  `with changed as (${update} returning 1) select 1 / (count(*) = $2::integer)::integer from changed`;

/** SQLSTATE of it. */
export const OVERTAKEN = '22012';

/** Which new rows say whose they are. */
const OWNED: readonly Table[] = ['messages', 'owed_acks'];

export type Write = ReturnType<typeof makeWrite>;

/** Writes what was decided, in a few statements for any number of rows. To be called inside a transaction. */
export function makeWrite({ columns }: Pick<Scratch, 'columns'>, borders: () => Borders) {
  const sql = new Map(
    (Object.keys(TABLES) as Table[]).map((table) => {
      const of = columns[table];
      const key: readonly string[] = TABLES[table];
      const rest = of.filter(({ name }) => !key.includes(name));
      const recordset = (list: readonly Column[]) => list.map(({ name, type }) => `${name} ${type}`).join(', ');
      const isOwned = OWNED.includes(table);
      // Where a message came from is taken away by others, too, and never comes back.
      const newValue = (name: string) =>
        name === 'origin' ? `case when x.origin = '' then '' else t.origin end` : `x.${name}`;
      const set = (list: readonly Column[]) => list.map(({ name }) => `${name} = ${newValue(name)}`).join(', ');
      const same = key.map((name) => `t.${name} = x.${name}`).join(' and ');
      const onConflict =
        rest.length === 0
          ? 'do nothing'
          : `(${key.join(', ')}) do update set ${rest.map(({ name }) => `${name} = excluded.${name}`).join(', ')}`;
      const isNumbered = key.length === 1 && key[0] === 'id';
      const statements = {
        insert: `insert into ${table} (${namesOf(of)}${isOwned ? ', node' : ''})
          select ${namesOf(of)}${isOwned ? ', $2::integer' : ''} from json_to_recordset($1) as x (${recordset(of)})
          ${isNumbered ? '' : `on conflict ${onConflict}`}`,
        update: checked(
          table === 'deliveries'
            ? `update deliveries t set ${set(rest)} from json_to_recordset($1)
                 as x (${recordset(of)}, "turn before" text, "attempts before" bigint)
               where ${same} and t.turn is not distinct from x."turn before" and t.attempts = x."attempts before"`
            : `update ${table} t set ${set(rest)}${table === 'owed_acks' ? ', node = $3::integer' : ''}
               from json_to_recordset($1) as x (${recordset(of)}) where ${same}`,
        ),
        remove: `delete from ${table} t using json_to_recordset($1) as x (${recordset(of.filter(({ name }) => key.includes(name)))})
          where ${same}`,
      };
      return [table, statements] as const;
    }),
  );
  const large = {
    message_bytes: `insert into message_bytes (message_id, bytes) select * from unnest($1::bigint[], $2::bytea[])
      on conflict (message_id) do update set bytes = excluded.bytes`,
    bodies: `insert into bodies (delivery_id, body) select * from unnest($1::bigint[], $2::bytea[])
      on conflict (delivery_id) do update set body = excluded.body`,
    responses: `insert into responses (delivery_id, body, status, content_type, encoding, fault)
      select * from unnest($1::bigint[], $2::bytea[], $3::integer[], $4::text[], $5::text[], $6::text[])
      on conflict (delivery_id) do update set body = excluded.body, status = excluded.status,
        content_type = excluded.content_type, encoding = excluded.encoding, fault = excluded.fault`,
  } as const;
  const largeColumns = {
    message_bytes: ['message_id', 'bytes'],
    bodies: ['delivery_id', 'body'],
    responses: ['delivery_id', 'body', 'status', 'content_type', 'encoding', 'fault'],
  } as const;

  /** @throws Error `OVERTAKEN` */
  return async function write(client: Connection, { rows, history, tallies }: Changes, node: number): Promise<void> {
    const sent: Promise<unknown>[] = [];
    const send = (text: string, values: readonly unknown[]) => void sent.push(client.query(prepared(text, values)));
    const gone = (table: Table) => rows[table].filter(({ after }) => after === null).map(({ before }) => before!);

    const { touchedBelow, historyFrom } = borders();
    const touched = touchedBelow === 0 ? [] : [...messagesOf(rows, history)].filter((id) => id < touchedBelow);
    if (touched.length > 0) send('insert into touched (message_id) select * from unnest($1::bigint[])', [touched]);
    for (const table of Object.keys(TABLES) as Table[]) {
      const { insert, update, remove } = sql.get(table)!;
      const added = rows[table].flatMap(({ before, after }) => (before === null && after !== null ? [after] : []));
      if (added.length > 0 && table in large) {
        const name = table as keyof typeof large;
        send(
          large[name],
          largeColumns[name].map((column) => added.map((row) => plain(row[column]!))),
        );
      } else if (added.length > 0) {
        send(insert, [toJson(added), ...(OWNED.includes(table) ? [node] : [])]);
      }
      const changed = rows[table].filter(({ before, after }) => before !== null && after !== null);
      if (changed.length > 0) {
        // Whoever gets a message again owes the answer.
        send(update, [toJson(changed.map(toChanged)), changed.length, ...(table === 'owed_acks' ? [node] : [])]);
      }
      const removed = gone(table);
      if (removed.length > 0) send(remove, [toJson(removed.map((row) => pick(row, TABLES[table])))]);
    }
    const forgotten = [gone('messages'), gone('deliveries')].map((of) => of.map(({ id }) => id));
    // Of what is forgotten goes also what nobody had to look at.
    const byRow = forgotten[0]!.filter((id) => (id as number) < historyFrom || (id as number) >= touchedBelow);
    if (byRow.length > 0) send('delete from history where message_id = any ($1::bigint[])', [byRow]);
    for (const table of ['links', 'provisions'] as const) {
      if (forgotten[0]!.length > 0) send(`delete from ${table} where message_id = any ($1::bigint[])`, [forgotten[0]]);
    }
    for (const table of ['bodies', 'responses', 'links'] as const) {
      if (forgotten[1]!.length > 0) send(`delete from ${table} where delivery_id = any ($1::bigint[])`, [forgotten[1]]);
    }
    if (history.length > 0) send(ADD_HISTORY, [toJson(history)]);
    if (tallies.length > 0) send(ADD_TALLIES, [toJson(tallies), node]);
    await settleAll(sent);
  };
}

const ADD_HISTORY = `insert into history (message_id, delivery_id, at, event, from_state, to_state, why, by, note)
  select * from json_to_recordset($1) as x (message_id bigint, delivery_id bigint, at bigint, event text, from_state text,
    to_state text, why text, by text, note text)`;

const ADD_TALLIES = `insert into tallies (kind, owner, party, state, count, node)
  select kind, owner, party, state, count, $2::integer
  from json_to_recordset($1) as x (kind text, owner text, party text, state text, count bigint)
  on conflict (kind, owner, party, state, node) do update set count = tallies.count + excluded.count`;

/** Waits for all: none may be left to fail when nobody listens. @throws the first that failed */
export async function settleAll(sent: readonly Promise<unknown>[]): Promise<void> {
  const ends = await Promise.allSettled(sent);
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** Messages that something is written about. */
function messagesOf(rows: Changes['rows'], history: Changes['history']): Set<number> {
  const ids = new Set<number>();
  for (const { before, after } of rows.messages) ids.add((before ?? after)!.id as number);
  for (const table of ['message_bytes', 'deliveries', 'owed_acks'] as const) {
    for (const { before, after } of rows[table]) ids.add((before ?? after)!.message_id as number);
  }
  for (const row of history) ids.add(row.message_id as number);
  return ids;
}

function toChanged({ before, after }: Change): Row {
  return { ...after!, 'turn before': before!.turn ?? null, 'attempts before': before!.attempts ?? null };
}

function pick(row: Row, names: readonly string[]): Row {
  return Object.fromEntries(names.map((name) => [name, row[name]!]));
}

function toJson(rows: readonly Row[]): string {
  return JSON.stringify(rows, (_, value: unknown) => {
    // A Buffer has been through its own toJSON by now.
    if (typeof value === 'object' && value !== null && (value as { type?: unknown }).type === 'Buffer') {
      return `\\x${Buffer.from((value as unknown as { data: number[] }).data).toString('hex')}`;
    }
    return plain(value);
  });
}

/** PostgreSQL's text holds every character but NUL: it is shown as what it looks like. */
export function plain(value: unknown): unknown {
  return typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\u2400') : value;
}
