/** Started by postgres-copy.test.ts: copies a journal row by row, and is killed in the midst of it. */
import { parsePostgresUrl } from '../../src/journal/postgres/address.ts';
import { copyJournal } from '../../src/journal/postgres/copy.ts';

const [from, url, last] = process.argv.slice(2) as [string, string, string];
let chunks = 0;
await copyJournal({
  from,
  to: parsePostgresUrl(url),
  node: 'a',
  now: 0,
  chunk: { rows: 1, bytes: 1 },
  onChunk() {
    chunks += 1;
    if (chunks === Number(last)) process.kill(process.pid, 'SIGKILL');
  },
});
