import { PERIOD_TABLES } from './period-tables.ts';

/**
 * The schema of the PostgreSQL journal, as numbered steps. Append only: a step that was ever released is never edited.
 *
 * Nodes of two versions work side by side while they are exchanged, in either direction, so
 * - a version adds one step at most, and a step only adds: tables, indexes, and columns that are null or have a constant
 *   default, for the version before inserts without them, and updates what it knows;
 * - what a version writes, the one before can read: a new state, event, packing or notice is read by one version and
 *   written from the next on (codes of faults, alarms and notices that are not known are put up with);
 * - a step holds no table for long: others wait for it. It is given up after a moment and tried again (schema.ts).
 *
 * Tables and columns have the names of the SQLite journal, for its decisions are made on copies of these rows (see
 * scratch.ts). Besides there is who: `node` is the number of the node that has a delivery in flight, took a message in, or
 * counted. Every text that is ever ordered or compared is ordered by its bytes, whatever the database's own language is.
 */
export const POSTGRES_MIGRATIONS: readonly string[] = [
  `
  -- One row a name; number stands for it. The lease is by the server's clock.
  create table nodes (
    number integer primary key generated always as identity,
    name text collate "C" not null unique,
    run uuid not null,
    started_at timestamptz not null,
    seen_at timestamptz not null,
    lease_until timestamptz not null,
    version text not null default '',
    configuration text not null default '',
    mapping text not null default ''
  );

  create sequence message_ids;
  create sequence delivery_ids;
  create sequence result_ids;
  create sequence history_ids;

  -- What recognises a message that comes again, and its state: short rows, kept for longer than what it said.
  create table messages (
    id bigint primary key,
    channel text collate "C" not null,
    content_hash bytea not null,
    control_id text collate "C",
    origin text not null,
    sender text,
    received_at bigint not null,
    state text collate "C" not null,
    state_at bigint not null,
    mapping_version text,
    skipped text not null,
    faults text not null,
    times_seen bigint not null default 1,
    warnings text not null default '[]',
    node integer,
    unique (channel, content_hash)
  );
  create index messages_control_id on messages (channel, control_id, id) where control_id is not null;
  create index messages_received on messages (id) where state = 'received';
  create index messages_held on messages (state_at) where state = 'held';
  create index messages_channel on messages (channel, received_at, id);
  create index messages_unusual on messages (state, id) where state <> 'mapped';

  create table message_bytes (message_id bigint primary key, bytes bytea not null);

  create table results (
    id bigint primary key,
    key text collate "C" not null unique,
    rank text collate "C",
    digest text collate "C",
    message_id bigint,
    last_message_id bigint
  );

  create table deliveries (
    id bigint primary key,
    message_id bigint not null,
    channel text collate "C" not null,
    result_id bigint not null,
    digest text collate "C",
    follows bigint,
    target text collate "C" not null,
    operation text collate "C" not null,
    party text collate "C" not null,
    lane_key text collate "C" not null,
    admitted_at bigint not null,
    place bigint not null,
    next_at bigint not null,
    due_at bigint not null,
    not_before bigint,
    not_after bigint,
    in_doubt text not null,
    on_correction text not null,
    state text collate "C" not null,
    state_at bigint not null,
    ended text collate "C",
    turn text collate "C",
    attempts integer not null default 0,
    attempted_at bigint,
    duration_ms bigint,
    may_have_arrived integer not null default 0,
    superseded_by bigint,
    after_id bigint,
    fault text,
    once_key text collate "C",
    once_at bigint,
    once_until bigint,
    once_judged integer not null default 0,
    need_key text collate "C",
    need_reason text,
    provided_by bigint,
    provided_at bigint,
    node integer
  ) with (fillfactor = 80);
  create index deliveries_message on deliveries (message_id);
  create index deliveries_result on deliveries (result_id);
  create index deliveries_lane on deliveries (lane_key, target, party, place, id) where state = 'waiting';
  create index deliveries_ready on deliveries (target, party, channel, operation, place, id) where turn = 'ready';
  create index deliveries_timed on deliveries (due_at, place) where turn = 'timed';
  create index deliveries_flight on deliveries (node, id) where turn = 'flight';
  create index deliveries_blocked on deliveries (place) where turn = 'blocked';
  create index deliveries_held on deliveries (state_at) where state = 'held';
  create index deliveries_owner on deliveries (target, party, message_id);
  create index deliveries_cancelled on deliveries (message_id) where state = 'cancelled';
  create index deliveries_once on deliveries (once_key, once_at) where once_key is not null;
  create index deliveries_lacking on deliveries (need_key) where ended = 'lacking';

  create table bodies (delivery_id bigint primary key, body bytea not null);
  create table responses (
    delivery_id bigint primary key,
    status integer not null,
    content_type text,
    encoding text not null,
    body bytea not null,
    fault text
  );
  -- Packed or encrypted already, as often as not.
  alter table responses alter column body set storage external;

  create table history (
    message_id bigint not null,
    id bigint not null default nextval('history_ids'),
    delivery_id bigint,
    at bigint not null,
    event text not null,
    from_state text,
    to_state text,
    why text,
    by text not null,
    note text,
    primary key (message_id, id)
  );

  -- Each node counts for itself, or all would wait for each other at each commit.
  create table tallies (
    kind text collate "C" not null,
    owner text collate "C" not null,
    party text collate "C" not null,
    state text collate "C" not null,
    node integer not null,
    count bigint not null,
    primary key (kind, owner, party, state, node)
  ) with (fillfactor = 50);

  create table owed_acks (
    message_id bigint primary key,
    channel text collate "C" not null,
    owed_at bigint not null,
    node integer
  );
  create index owed_acks_channel on owed_acks (channel);

  create table links (
    message_id bigint not null,
    delivery_id bigint not null,
    primary key (message_id, delivery_id)
  );
  create index links_delivery on links (delivery_id);
  create table ack_deliveries (delivery_id bigint primary key);

  create table provisions (
    key text collate "C" not null,
    message_id bigint not null,
    at bigint not null,
    primary key (key, message_id)
  );
  create index provisions_message on provisions (message_id);

  create table arrivals (
    channel text collate "C" not null,
    hour_at bigint not null,
    count bigint not null,
    first_at bigint not null,
    last_at bigint not null,
    longest_gap_ms bigint not null,
    primary key (channel, hour_at)
  ) with (fillfactor = 50);

  -- Alarms are of the node that raised them.
  create table alarms (
    node integer not null,
    key text collate "C" not null,
    alarm text not null,
    primary key (node, key)
  );

  create table pauses (
    target text collate "C" not null,
    party text collate "C" not null,
    operation text collate "C" not null,
    since bigint not null,
    by text not null,
    note text,
    primary key (target, party, operation)
  );
  create table acts (
    id bigint primary key generated always as identity,
    at bigint not null,
    event text not null,
    target text not null,
    party text not null,
    operation text not null,
    by text not null,
    note text
  );

  -- The first of so many numbers in a row. They are taken after everything was read, so they are greater than all that was.
  create function take_numbers(sequence regclass, wanted bigint) returns bigint language plpgsql as $$
  declare first bigint;
  begin
    if wanted = 0 then return 0; end if;
    perform pg_advisory_lock(sequence::oid::bigint);
    first := nextval(sequence);
    if wanted > 1 then perform setval(sequence, first + wanted - 1); end if;
    perform pg_advisory_unlock(sequence::oid::bigint);
    return first;
  end $$;

  -- Those that were not needed go back, unless somebody has taken others since.
  create function return_numbers(sequence regclass, last_taken bigint, last_used bigint) returns void language plpgsql as $$
  begin
    perform pg_advisory_lock(sequence::oid::bigint);
    if pg_sequence_last_value(sequence) = last_taken then
      perform setval(sequence, greatest(last_used, 1), last_used > 0);
    end if;
    perform pg_advisory_unlock(sequence::oid::bigint);
  end $$;
  `,
  `
  -- What only one node at a time may do, and which does it.
  create table holds (name text collate "C" primary key, node integer not null);
  `,
  `
  -- The journal that was copied into this one, if any. Until it is complete no node works here: see copy.ts.
  create table copied_from (
    identity text not null,
    begun_at timestamptz not null,
    completed_at timestamptz,
    node integer not null
  );
  `,
  `
  -- Up to which step a node knows this: who would be left two behind is not left behind.
  alter table nodes add column schema integer not null default 3;
  ${PERIOD_TABLES}
  `,
];
