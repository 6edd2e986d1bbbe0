/** Laboratories at their fastest: connections that keep so many messages under way; one answer but AA, and the run is void. */
import { connect, type Socket } from 'node:net';
import { benchMessage, type MessageShape } from './bench-message.ts';
import { readOrder, say } from './child.ts';

export interface SenderOrder {
  readonly port: number;
  readonly connections: number;
  /** Messages under way on a connection. */
  readonly window: number;
  /** Number of the first message: equal numbers make equal messages. */
  readonly first: number;
  readonly count: number;
  /** So many of the first are not measured. */
  readonly warmUp: number;
  readonly shape: MessageShape;
  /** At most so many may be answered and not delivered, as far as it was told; null = any number. */
  readonly backlog: number | null;
}

export interface SenderSaid {
  /** Answers a second, once warm. */
  readonly rate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Tells it how many were delivered. */
export interface SenderTold {
  readonly delivered: number;
}

const CLOSING_BYTE = 0x1c;

const order = readOrder<SenderOrder>();
const latencies: number[] = [];
let sent = 0;
let answered = 0;
let delivered = 0;
let warmAt = performance.now();

const connections = Array.from({ length: order.connections }, () => {
  const socket = connect({ port: order.port, host: '127.0.0.1', noDelay: true });
  return { socket, sentAt: [] as number[] };
});
await Promise.all(connections.map(({ socket }) => new Promise<void>((resolve) => socket.once('connect', resolve))));
for (const one of connections) {
  one.socket.on('data', (chunk) => hear(one, chunk));
  one.socket.on('close', () => fail('the engine closed a connection'));
  write(one);
}
process.on('message', (told: SenderTold) => {
  delivered = told.delivered;
  for (const one of connections) write(one);
});

function write({ socket, sentAt }: { socket: Socket; sentAt: number[] }): void {
  socket.cork();
  while (sentAt.length < order.window && sent < order.count) {
    if (order.backlog !== null && sent - delivered >= order.backlog) break;
    const number = order.first + sent++;
    sentAt.push(performance.now());
    socket.write(frameOf(number));
  }
  socket.uncork();
}

function hear(one: { socket: Socket; sentAt: number[] }, chunk: Buffer): void {
  const now = performance.now();
  const before = answered;
  for (let at = chunk.indexOf(CLOSING_BYTE); at !== -1; at = chunk.indexOf(CLOSING_BYTE, at + 1)) {
    const sentAt = one.sentAt.shift() ?? now;
    if (answered++ >= order.warmUp) latencies.push(now - sentAt);
    if (answered === order.warmUp) warmAt = now;
  }
  // An answer is far shorter than a packet, and answers of one turn leave together.
  if (answered - before > count(chunk, 'MSA|AA|')) fail('an answer that is not AA, or that came in pieces');
  if (answered === order.count) finish();
  else write(one);
}

function finish(): void {
  for (const { socket } of connections) socket.removeAllListeners('close').destroy();
  const sorted = Float64Array.from(latencies).sort();
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0;
  const rate = ((order.count - order.warmUp) * 1_000) / (performance.now() - warmAt);
  say({ rate, p50Ms: at(0.5), p99Ms: at(0.99) });
  process.disconnect();
}

function frameOf(number: number): Buffer {
  return Buffer.concat([Buffer.of(0x0b), benchMessage(number, order.shape), Buffer.of(CLOSING_BYTE, 0x0d)]);
}

function count(chunk: Buffer, word: string): number {
  let found = 0;
  for (let at = chunk.indexOf(word); at !== -1; at = chunk.indexOf(word, at + 1)) found += 1;
  return found;
}

function fail(why: string): never {
  console.error(`the sender gives up: ${why}`);
  process.exit(1);
}
