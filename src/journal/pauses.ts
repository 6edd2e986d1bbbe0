import type { Database } from 'better-sqlite3';
import type { StoredAct } from '../contracts/journal.ts';
import type { Act, Pause, PauseScope } from '../contracts/operations.ts';
import type { Calls } from './group-commit.ts';

interface PauseRow extends Omit<Pause, keyof PauseScope> {
  readonly target: string;
  readonly party: string;
  readonly operation: string;
}

type ActRow = Omit<StoredAct, keyof PauseScope> & Pick<PauseRow, keyof PauseScope>;

/** What people paused, on SQLite; to be called inside a transaction. '' stands for any. */
export function makePauses(db: Database) {
  const add = db.prepare(
    `insert or ignore into pauses (target, party, operation, since, by, note)
     values (@target, @party, @operation, @at, @by, @note)`,
  );
  const remove = db.prepare('delete from pauses where target = @target and party = @party and operation = @operation');
  const note = db.prepare(
    `insert into acts (at, event, target, party, operation, by, note)
     values (@at, @event, @target, @party, @operation, @by, @note)`,
  );

  return {
    pause(scope: PauseScope, act: Act): boolean {
      const row = { ...toRow(scope), at: act.at, by: act.by, note: act.note };
      if (add.run(row).changes === 0) return false;
      note.run({ ...row, event: 'paused' });
      return true;
    },

    resume(scope: PauseScope, act: Act): boolean {
      if (remove.run(toRow(scope)).changes === 0) return false;
      note.run({ ...toRow(scope), at: act.at, by: act.by, note: act.note, event: 'resumed' });
      return true;
    },
  };
}

/** The reading half. */
export function makePauseReads(db: Database): Calls {
  const pauses = db.prepare<[], PauseRow>(
    'select target, party, operation, since, by, note from pauses order by since, target, party, operation',
  );
  const acts = db.prepare<[number], ActRow>(
    'select at, event, target, party, operation, by, note from acts order by id desc limit ?',
  );
  return {
    listPauses: (): Pause[] => pauses.all().map((row) => ({ ...row, ...toScope(row) })),
    listActs: (limit: number): StoredAct[] => acts.all(limit).map((row) => ({ ...row, ...toScope(row) })),
  };
}

function toRow({ target, party, operation }: PauseScope) {
  return { target: target ?? '', party: party ?? '', operation: operation ?? '' };
}

function toScope({ target, party, operation }: Pick<PauseRow, keyof PauseScope>): PauseScope {
  return { target: target || null, party: party || null, operation: operation || null };
}
