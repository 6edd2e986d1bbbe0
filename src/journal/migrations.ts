/**
 * The schema, as numbered steps: entry n brings `user_version` n to n + 1. Append only: a step that was ever released is
 * never edited.
 *
 * Large values (`message_bytes`, `bodies`, `responses`) stand apart, so that a claim or a change of state rewrites a
 * short row. `deliveries.turn` is the head marker of a lane (see lanes.ts); every index a claim uses holds heads only.
 */
export const MIGRATIONS: readonly string[] = [
  `
  create table messages (
    id integer primary key,
    channel text not null,
    content_hash blob not null,
    control_id text,
    origin text not null,
    sender text,
    received_at integer not null,
    state text not null,
    state_at integer not null,
    mapping_version text,
    skipped text not null,
    faults text not null,
    times_seen integer not null default 1,
    unique (channel, content_hash)
  ) strict;
  create index messages_control_id on messages (channel, control_id) where control_id is not null;
  create index messages_received on messages (id) where state = 'received';
  create index messages_held on messages (state_at) where state = 'held';

  create table message_bytes (message_id integer primary key references messages (id), bytes blob not null) strict;

  -- The newest statement of each result; rank null = never stated. message_id stated this digest first, last_message_id last.
  -- Its own number stands for it in deliveries: one index over random keys costs as much as all the others together.
  create table results (
    id integer primary key,
    key text not null unique,
    rank text,
    digest text,
    message_id integer,
    last_message_id integer
  ) strict;

  create table deliveries (
    id integer primary key,
    message_id integer not null references messages (id),
    channel text not null,
    result_id integer not null references results (id),
    digest text,                    -- of the statement it was made for; null = made from no statement
    follows integer,                -- delivery whose answer it was made from; null = made from the message
    target text not null,
    operation text not null,
    party text not null,
    lane_key text not null,
    admitted_at integer not null,
    place integer not null,         -- its place in the lane, before its id
    next_at integer not null,       -- not to be tried before
    due_at integer not null,        -- when a claim has to look at it: next_at, or not_after if that is sooner
    not_before integer,
    not_after integer,
    in_doubt text not null,
    on_correction text not null,
    state text not null,
    state_at integer not null,
    ended text,                     -- the event that cancelled it
    turn text,                      -- head of its lane: ready, timed, blocked, flight; null = none of these
    attempts integer not null default 0,
    attempted_at integer,
    duration_ms integer,
    may_have_arrived integer not null default 0,
    superseded_by integer,          -- message that overtook it while it was in flight
    after_id integer,               -- delivery of the same result in flight, whose end it has to wait for
    fault text
  ) strict;
  create index deliveries_message on deliveries (message_id);
  create index deliveries_result on deliveries (result_id);
  create index deliveries_lane on deliveries (lane_key, target, party, place, id) where state = 'waiting';
  create index deliveries_ready on deliveries (target, party, channel, operation, place, id) where turn = 'ready';
  create index deliveries_timed on deliveries (due_at, place) where turn = 'timed';
  create index deliveries_flight on deliveries (id, place) where turn = 'flight';
  create index deliveries_blocked on deliveries (place) where turn = 'blocked';
  create index deliveries_held on deliveries (state_at) where state = 'held';

  create table bodies (delivery_id integer primary key references deliveries (id), body blob not null) strict;

  -- The last answer of the receiver.
  create table responses (
    delivery_id integer primary key references deliveries (id),
    status integer not null,
    content_type text,
    encoding text not null,         -- plain, deflate
    body blob not null,
    fault text
  ) strict;

  create table history (
    message_id integer not null,
    id integer not null,
    delivery_id integer,
    at integer not null,
    event text not null,
    from_state text,
    to_state text,
    why text,
    by text not null,
    primary key (message_id, id)
  ) strict, without rowid;

  -- How many there are of each, kept as they change: counting a year of deliveries takes seconds.
  create table tallies (
    kind text not null,             -- message, delivery
    owner text not null,            -- channel, target
    party text not null,            -- '' for messages
    state text not null,
    count integer not null,
    primary key (kind, owner, party, state)
  ) strict, without rowid;
  `,
  `alter table messages add column warnings text not null default '[]'`,
  `
  create table owed_acks (
    message_id integer primary key references messages (id),
    channel text not null,
    owed_at integer not null
  ) strict;
  create index owed_acks_channel on owed_acks (channel);

  -- Deliveries of another message that stand for drafts of this one, because both say the same.
  create table links (
    message_id integer not null,
    delivery_id integer not null references deliveries (id),
    primary key (message_id, delivery_id)
  ) strict, without rowid;

  -- Deliveries that are acknowledgements: a message is answered for what was made of it, and these are not.
  create table ack_deliveries (delivery_id integer primary key references deliveries (id)) strict;
  `,
  `
  -- A delivery may be forgotten once nothing is linked to it; without this each deletion would read all links.
  create index links_delivery on links (delivery_id);

  -- When messages came, kept longer than they: what a channel's rhythm is learnt from.
  create table arrivals (
    channel text not null,
    hour_at integer not null,       -- begin of the hour
    count integer not null,
    first_at integer not null,
    last_at integer not null,
    longest_gap_ms integer not null,
    primary key (channel, hour_at)
  ) strict, without rowid;

  -- Alarms that are open, or whose end is still to be told.
  create table alarms (key text primary key, alarm text not null) strict, without rowid;
  `,
  `
  -- What a person said of an act.
  alter table history add column note text;

  -- '' = any.
  create table pauses (
    target text not null,
    party text not null,
    operation text not null,
    since integer not null,
    by text not null,
    note text,
    primary key (target, party, operation)
  ) strict, without rowid;
  create table acts (
    id integer primary key,
    at integer not null,
    event text not null,            -- paused, resumed
    target text not null,
    party text not null,
    operation text not null,
    by text not null,
    note text
  ) strict;

  -- What people look for: see finds.ts. Most messages are mapped and most deliveries delivered, and cost nothing here.
  create index messages_channel on messages (channel, received_at);
  create index messages_unusual on messages (state) where state <> 'mapped';
  create index deliveries_owner on deliveries (target, party, message_id);
  create index deliveries_cancelled on deliveries (message_id) where state = 'cancelled';
  `,
  `
  -- Of the deliveries with one key only the first counts: see once.ts.
  alter table deliveries add column once_key text;
  alter table deliveries add column once_at integer;
  alter table deliveries add column once_until integer;
  alter table deliveries add column once_judged integer not null default 0;
  create index deliveries_once on deliveries (once_key, once_at) where once_key is not null;
  `,
  `
  -- What messages brought that deliveries need: see needs.ts. One goes with its message.
  create table provisions (
    key text not null,
    message_id integer not null,
    at integer not null,
    primary key (key, message_id)
  ) strict, without rowid;
  create index provisions_message on provisions (message_id);
  alter table deliveries add column need_key text;
  alter table deliveries add column need_reason text;
  alter table deliveries add column provided_by integer;
  alter table deliveries add column provided_at integer;
  create index deliveries_lacking on deliveries (need_key) where ended = 'lacking';
  create index deliveries_lacking_of on deliveries (message_id) where ended = 'lacking';
  `,
];
