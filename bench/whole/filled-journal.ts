import { copyFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { openJournalReader } from '../../src/journal/reader.ts';
import { install } from './installation.ts';
import { send } from './measure.ts';

/** So many messages go through the engine; the others are copies of their rows. */
const TEMPLATE = 10_000;
const LOAD = { connections: 32, window: 8, warmUp: 0 };

/**
 * Makes a journal of so many delivered messages and so many lanes that wait, each of a person of its own. Some messages
 * go all the way through the engine, and what it wrote of them is copied, under new ids, keys and hashes, until there are
 * enough; those that wait come through the engine again.
 * @throws Error where SQLite finds something wrong with what came of it
 */
export async function fillJournal(path: string, messages: number, lanes: number): Promise<void> {
  const template = Math.min(TEMPLATE, messages);
  await takeDelivered(path, template);
  multiply(path, Math.ceil(messages / template));
  await takeWaiting(path, template, lanes);
  check(path);
}

/** Highest message id; ids are given without gaps. */
export function countMessages(path: string): number {
  const db = new Database(path, { readonly: true });
  const count = db.prepare<[], number>('select ifnull(max(id), 0) from messages').pluck().get() ?? 0;
  db.close();
  return count;
}

async function takeDelivered(path: string, count: number): Promise<void> {
  await using site = await install({ answer: 'small', concurrency: 32 });
  const engine = await site.launch();
  await send(engine.port, { ...LOAD, count });
  while (site.deliveries('delivered') < count) {
    engine.mustRun();
    await wait(20);
  }
  await engine.stop();
  copyFileSync(site.journalFile, path);
}

async function takeWaiting(path: string, first: number, lanes: number): Promise<void> {
  await using site = await install({ answer: 'closed', journalInPlace: path });
  const engine = await site.launch();
  // One message in ten is of the person before it, and waits in the same lane.
  await send(engine.port, { ...LOAD, count: Math.ceil(lanes / 0.9) }, first);
  await engine.stop();
}

/** Columns that name a row, or one of another table, are moved by as much as there are rows; keys become others. */
const MOVED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  messages: { id: 'messages', content_hash: 'randomblob(32)' },
  message_bytes: { message_id: 'messages' },
  results: { id: 'results', key: 'lower(hex(randomblob(16)))', message_id: 'messages', last_message_id: 'messages' },
  deliveries: { id: 'deliveries', message_id: 'messages', result_id: 'results' },
  bodies: { delivery_id: 'deliveries' },
  responses: { delivery_id: 'deliveries' },
  history: { message_id: 'messages', delivery_id: 'deliveries' },
};

function multiply(path: string, times: number): void {
  if (times < 2) return;
  const db = new Database(path);
  // Nobody reads it before it is whole, and it is made anew where this does not come to its end.
  db.pragma('journal_mode = off');
  db.pragma('synchronous = off');
  db.pragma('cache_size = -1000000');
  db.pragma('foreign_keys = off');
  const indexes = db
    .prepare<[], { name: string; sql: string }>(
      `select name, sql from sqlite_schema where type = 'index' and sql is not null`,
    )
    .all();
  for (const { name } of indexes) db.exec(`drop index ${name}`);
  const rows = (table: string) => db.prepare<[], number>(`select max(rowid) from ${table}`).pluck().get() ?? 0;
  const step = { messages: rows('messages'), results: rows('results'), deliveries: rows('deliveries') };
  for (const [table, moved] of Object.entries(MOVED)) {
    const columns = db.prepare<[], string>(`select name from pragma_table_info('${table}')`).pluck().all();
    const values = columns.map((column) => {
      const how = moved[column];
      if (how === undefined) return column;
      return Object.hasOwn(step, how) ? `${column} + @nth * ${step[how as keyof typeof step]}` : how;
    });
    const [first = ''] = Object.entries(moved).find(([, how]) => Object.hasOwn(step, how)) ?? [];
    const limit = step[moved[first] as keyof typeof step];
    const copy = db.prepare(
      `insert into ${table} (${columns.join(', ')}) select ${values.join(', ')} from ${table} where ${first} <= ${limit}`,
    );
    for (let nth = 1; nth < times; nth += 1) copy.run({ nth });
  }
  db.prepare('update tallies set count = count * ?').run(times);
  for (const { sql } of indexes) db.exec(sql);
  db.pragma('journal_mode = wal');
  db.close();
}

function check(path: string): void {
  const db = new Database(path);
  db.pragma('wal_checkpoint(truncate)');
  const found = [...(db.pragma('quick_check') as { quick_check: string }[]).map((row) => row.quick_check)];
  const strays = (db.pragma('foreign_key_check') as unknown[]).length;
  db.close();
  if (found.join() !== 'ok' || strays > 0) throw new Error(`the filled journal is not sound: ${found[0]}, ${strays}`);
  openJournalReader(path).close();
}
