import type { Database } from 'better-sqlite3';
import type { StoredAlarm } from '../contracts/alarm.ts';

/** `Journal.saveAlarms` on SQLite; to be called inside a transaction. */
export function makeAlarmRows(db: Database) {
  const save = db.prepare('insert or replace into alarms (key, alarm) values (?, ?)');
  const remove = db.prepare('delete from alarms where key = ?');
  return {
    saveAlarms(alarms: readonly StoredAlarm[], gone: readonly string[]): void {
      for (const key of gone) remove.run(key);
      for (const alarm of alarms) save.run(alarm.key, JSON.stringify(alarm));
    },
  };
}
