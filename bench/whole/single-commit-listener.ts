/**
 * What PostgreSQL does without anybody's thought: MLLP frames in, each a row and a commit of its own, then the
 * acknowledgement. Each sender has a connection to the server, and its messages go one behind the other.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { bareAnswer, controlIdOf } from './bare-answer.ts';
import { readOrder, say } from './child.ts';

export interface SingleCommitOrder {
  readonly url: string;
  readonly connections: number;
}

const { url, connections } = readOrder<SingleCommitOrder>();
const clients = Array.from({ length: connections }, () => new pg.Client(url));
await Promise.all(clients.map((client) => client.connect()));
await clients[0]!.query(
  'create table messages (id bigint generated always as identity primary key, sender text, bytes bytea)',
);

async function store(client: pg.Client, socket: Socket, message: Buffer): Promise<void> {
  await client.query({
    name: 'store',
    text: 'insert into messages (sender, bytes) values ($1, $2)',
    values: ['sender', message],
  });
  socket.write(bareAnswer(controlIdOf(message)));
}

let next = 0;
const server = createServer({ noDelay: true }, (socket) => {
  const client = clients[next++ % clients.length]!;
  let last = Promise.resolve();
  let rest: Buffer | null = null;
  socket.on('data', (chunk) => {
    const bytes = rest === null ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = bytes.indexOf(0x1c); end !== -1; end = bytes.indexOf(0x1c, from)) {
      // Behind the opening byte.
      const message = bytes.subarray(from + 1, end);
      last = last.then(() => store(client, socket, message));
      from = end + 2;
    }
    rest = from < bytes.length ? bytes.subarray(from) : null;
  });
  socket.on('error', () => {});
});
server.listen(0, '127.0.0.1', () => say({ port: (server.address() as AddressInfo).port }));
process.on('SIGTERM', () => process.exit(0));
process.on('disconnect', () => process.exit(0));
