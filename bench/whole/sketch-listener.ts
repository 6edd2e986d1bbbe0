/**
 * What durability costs at least: MLLP frames in, each stored under its sender and control id, one commit for all that
 * came meanwhile, then the acknowledgements. Nothing else: nothing is mapped, checked, remembered or logged.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { bareAnswer, controlIdOf } from './bare-answer.ts';
import { say } from './child.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluss-sketch-'));
const db = new Database(join(folder, 'messages.db'));
db.pragma('journal_mode = wal');
db.pragma('synchronous = full');
db.exec(
  'create table messages (id integer primary key, sender text, control_id blob, bytes blob, unique (sender, control_id))',
);
const insert = db.prepare('insert into messages (sender, control_id, bytes) values (?, ?, ?)');

interface Taken {
  readonly socket: Socket;
  readonly controlId: Buffer;
  readonly message: Buffer;
}
let waiting: Taken[] = [];
const store = db.transaction((group: readonly Taken[]) => {
  for (const { controlId, message } of group) insert.run('sender', controlId, message);
});

function commit(): void {
  const group = waiting;
  waiting = [];
  store(group);
  for (const { socket, controlId } of group) socket.write(bareAnswer(controlId));
}

const server = createServer({ noDelay: true }, (socket) => {
  let rest: Buffer | null = null;
  socket.on('data', (chunk) => {
    const bytes = rest === null ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = bytes.indexOf(0x1c); end !== -1; end = bytes.indexOf(0x1c, from)) {
      const message = bytes.subarray(from, end);
      if (waiting.length === 0) setImmediate(commit);
      waiting.push({ socket, controlId: controlIdOf(message), message });
      from = end + 2;
    }
    rest = from < bytes.length ? bytes.subarray(from) : null;
  });
  socket.on('error', () => {});
});
server.listen(0, '127.0.0.1', () => say({ port: (server.address() as AddressInfo).port }));
const end = () => {
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
};
process.on('SIGTERM', end);
process.on('disconnect', end);
