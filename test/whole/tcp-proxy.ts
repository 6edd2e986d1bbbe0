import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What becomes of connections that are made from now on. */
export type Passage =
  | { readonly kind: 'pass'; readonly port: number }
  /** Taken, and never answered. */
  | { readonly kind: 'hole' }
  /** Broken off after so many bytes of one side. */
  | { readonly kind: 'cut'; readonly port: number; readonly of: 'request' | 'answer'; readonly bytes: number };

/** A stretch of network between the engine and a receiver, that can go wrong. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Asked for each connection. */
  passage: () => Passage;
  /** Breaks the connections there are. */
  breakAll(): void;
  /** From now on nothing comes through the connections there are, and nobody is told; or it comes again, late. */
  hush(isHushed: boolean): void;
  readonly connections: number;
}

export async function createTcpProxy(passage: () => Passage): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    return socket;
  };
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    keep(socket);
    const way = proxy.passage();
    if (way.kind === 'hole') {
      socket.resume();
      return;
    }
    const onward = keep(connect(way.port, '127.0.0.1'));
    let left = way.kind === 'cut' ? way.bytes : Number.POSITIVE_INFINITY;
    const lead = (from: Socket, to: Socket, isCut: boolean) => {
      from.on('data', (chunk: Buffer) => {
        to.write(isCut ? chunk.subarray(0, Math.max(0, left)) : chunk);
        if (isCut) left -= chunk.length;
        if (left > 0) return;
        from.resetAndDestroy();
        to.resetAndDestroy();
      });
      from.once('close', () => to.destroy());
    };
    lead(socket, onward, way.kind === 'cut' && way.of === 'request');
    lead(onward, socket, way.kind === 'cut' && way.of === 'answer');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: TcpProxy = {
    port: (server.address() as AddressInfo).port,
    passage,
    breakAll() {
      for (const socket of sockets) socket.destroy();
    },
    hush(isHushed) {
      for (const socket of sockets) {
        if (isHushed) socket.pause();
        else socket.resume();
      }
    },
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      proxy.breakAll();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return proxy;
}
