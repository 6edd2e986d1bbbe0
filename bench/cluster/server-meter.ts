import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { readFamilySpentMs, readParent } from '../whole/processor.ts';

/** What a server has done since it started: counters, which other work on the machine disturbs little. */
export interface ServerCounters {
  /** Of all its processes, those that have ended among them. */
  readonly spentMs: number;
  /** Transactions that wrote. */
  readonly transactions: number;
  readonly walBytes: number;
  /** Pages that went into the log as a whole, as they were changed for the first time since a checkpoint. */
  readonly fullPages: number;
  readonly walSyncs: number;
  /** Of tables and indexes, 8 kB each. */
  readonly pageWrites: number;
  readonly databaseBytes: number;
  /** By table, with its indexes, what it holds out of line and its partitions. */
  readonly tables: Readonly<Record<string, number>>;
}

export interface ServerMeter extends AsyncDisposable {
  /** Processor time so far, and no question to the server. */
  spentMs(): number;
  /** Writes everything changed to the tables' files, then counts. */
  read(): Promise<ServerCounters>;
}

/** A session that is at rest tells what it counted after ten seconds. */
const TOLD_MS = 11_000;

/** Resolves once all sessions, which have to be at rest, have told what they counted. */
export async function allTold(): Promise<void> {
  await wait(TOLD_MS);
}

/** @param url of the database, as a superuser of a server on this machine */
export async function openServerMeter(url: string): Promise<ServerMeter> {
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query('select pg_backend_pid() as pid');
  const postmaster = readParent(rows[0].pid);
  return {
    spentMs: () => readFamilySpentMs(postmaster),
    async read() {
      await client.query('checkpoint');
      const spentMs = readFamilySpentMs(postmaster);
      const counters = (await client.query(COUNTERS)).rows[0] as Record<string, string>;
      const tables = (await client.query(TABLES)).rows as { name: string; bytes: string }[];
      const numbers = Object.fromEntries(Object.entries(counters).map(([name, value]) => [name, Number(value)]));
      return {
        ...(numbers as unknown as Omit<ServerCounters, 'spentMs' | 'tables'>),
        spentMs,
        tables: Object.fromEntries(tables.map(({ name, bytes }) => [name, Number(bytes)])),
      };
    },
    async [Symbol.asyncDispose]() {
      await client.end();
    },
  };
}

/** Numbers of transactions and the place in the log are exact at any time; what sessions count, they tell later. */
const COUNTERS = `select pg_snapshot_xmax(pg_current_snapshot())::text as transactions,
    pg_current_wal_lsn() - '0/0' as "walBytes",
    (select wal_fpi from pg_stat_wal) as "fullPages",
    (select coalesce(sum(fsyncs), 0) from pg_stat_io where object = 'wal') as "walSyncs",
    (select coalesce(sum(coalesce(write_bytes, 0) + coalesce(extend_bytes, 0)), 0) / 8192 from pg_stat_io where object = 'relation') as "pageWrites",
    pg_database_size(current_database()) as "databaseBytes"`;

const TABLES = `select coalesce(pg_partition_root(oid), oid)::regclass::text as name, sum(pg_total_relation_size(oid)) as bytes
  from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace group by 1 order by 2 desc`;
