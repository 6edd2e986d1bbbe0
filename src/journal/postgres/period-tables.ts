/**
 * The part of the schema that makes retention cheap: what is large, and the history, stand in partitions by number, a period
 * of time each, so that a period that is over goes as files go, and not row by row. See periods.ts and retire.ts.
 */
export const PERIOD_TABLES = `
  -- From which numbers to which others (exclusive) a period goes, and how far its rows have come on their way out:
  -- whole, weighing (what stays is copied), marking (they are gone, the messages are told), kept (only what stays), gone.
  create table periods (
    number integer primary key,
    message_from bigint not null,
    message_to bigint not null,
    delivery_from bigint not null,
    delivery_to bigint not null,
    bytes text not null default 'whole',
    history text not null default 'whole',
    -- Limits that it is weighed by, how far, what it holds that goes, and how many messages stay and were looked at.
    weighed_for text,
    weighed_to bigint not null default 0,
    weight bigint not null default 0,
    staying bigint not null default 0,
    looked_at bigint not null default 0
  );
  -- Old messages that something happened to while their period is weighed.
  create table touched (message_id bigint not null);

  -- Numbers from there on: those in between are given to nothing.
  create function skip_numbers(sequence regclass, next bigint) returns void language plpgsql as $$
  begin
    perform pg_advisory_lock(sequence::oid::bigint);
    if coalesce(pg_sequence_last_value(sequence), 0) < next - 1 then perform setval(sequence, next - 1); end if;
    perform pg_advisory_unlock(sequence::oid::bigint);
  end $$;

  create function add_period(message_to bigint, delivery_to bigint) returns void language plpgsql as $$
  declare
    last periods;
    next periods;
    one text;
  begin
    select * into last from periods order by number desc limit 1;
    next.number := last.number + 1;
    -- What came before there was a place for it is with the rest, and stays there.
    next.message_from := last.message_to;
    if coalesce(pg_sequence_last_value('message_ids'), 0) >= last.message_to then
      next.message_from := pg_sequence_last_value('message_ids') + 10000;
    end if;
    next.delivery_from := last.delivery_to;
    if coalesce(pg_sequence_last_value('delivery_ids'), 0) >= last.delivery_to then
      next.delivery_from := pg_sequence_last_value('delivery_ids') + 10000;
    end if;
    next.message_to := greatest(message_to, next.message_from + 10000);
    next.delivery_to := greatest(delivery_to, next.delivery_from + 10000);
    insert into periods (number, message_from, message_to, delivery_from, delivery_to)
      values (next.number, next.message_from, next.message_to, next.delivery_from, next.delivery_to);
    foreach one in array array['message_bytes', 'history'] loop
      execute format('create table %I (like %I including all)', one || '_' || next.number, one);
      execute format('alter table %I attach partition %I for values from (%s) to (%s)',
        one, one || '_' || next.number, next.message_from, next.message_to);
    end loop;
    foreach one in array array['bodies', 'responses'] loop
      execute format('create table %I (like %I including all)', one || '_' || next.number, one);
      execute format('alter table %I attach partition %I for values from (%s) to (%s)',
        one, one || '_' || next.number, next.delivery_from, next.delivery_to);
    end loop;
  end $$;

  -- What was there before is the first period. Numbers that nobody made a partition for go to the rest, so that nothing
  -- ever fails for want of one.
  do $$
  declare
    one text;
    key text;
    message_end bigint := coalesce(pg_sequence_last_value('message_ids'), 0) + 10000;
    delivery_end bigint := coalesce(pg_sequence_last_value('delivery_ids'), 0) + 10000;
  begin
    foreach one in array array['message_bytes', 'history', 'bodies', 'responses'] loop
      execute format('alter table %I rename to %I', one, one || '_0');
      execute format('alter index %I rename to %I', one || '_pkey', one || '_0_pkey');
      key := case when one in ('message_bytes', 'history') then 'message_id' else 'delivery_id' end;
      execute format('create table %I (like %I including all) partition by range (%I)', one, one || '_0', key);
      execute format('alter table %I attach partition %I for values from (minvalue) to (%s)',
        one, one || '_0', case when key = 'message_id' then message_end else delivery_end end);
      execute format('create table %I partition of %I default', one || '_rest', one);
    end loop;
    insert into periods (number, message_from, message_to, delivery_from, delivery_to)
      values (0, 0, message_end, 0, delivery_end);
    perform add_period(message_end + 100000, delivery_end + 100000);
  end $$;
`;
