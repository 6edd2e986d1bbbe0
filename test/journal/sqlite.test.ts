import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { describeJournal } from './conformance.ts';

describeJournal('the SQLite journal', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluss-journal-'));
  return {
    open: (options) => openSqliteJournal({ path: join(folder, 'journal.db'), ...options }),
    remove: async () => rmSync(folder, { recursive: true, force: true }),
  };
});
