/** What a next version might add, and more: a column in every table there is, and a table. */
export const NEXT_STEP = `
  do $$ declare name text; begin
    for name in select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
      and not relispartition and relname <> 'schema_version' order by relname
    loop execute format('alter table %I add column of_next text not null default ''x''', name); end loop;
  end $$;
  create table of_next (id bigint primary key);
  `;

/** What the one after that might. */
export const STEP_AFTER = 'create table of_the_one_after (id bigint primary key);';
