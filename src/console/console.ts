/**
 * console/ is the window: health, readiness and metrics over HTTP. It sees the engine's status and nothing behind it,
 * and must never know the engine's parts, SQL, or anything of a message.
 */
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { Clock } from '../contracts/clock.ts';
import type { Status } from '../contracts/status.ts';
import { createMetrics } from './metrics.ts';

export interface Console {
  /** Resolves with its address, `http://127.0.0.1:9464`. @throws Error when the port cannot be bound */
  start(): Promise<string>;
  stop(): Promise<void>;
}

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

export function createConsole(parts: {
  readonly host: string;
  readonly port: number;
  readonly status: Status;
  readonly clock: Clock;
}): Console {
  const { host, port, status, clock } = parts;
  const metrics = createMetrics(status, clock);
  const server = fastify({
    logger: false,
    forceCloseConnections: true,
    requestTimeout: 10_000,
    bodyLimit: 1_024,
    exposeHeadRoutes: false,
    // Before any route: a path that cannot even be read. Like below, the answer says nothing of the request.
    frameworkErrors: (_, __, reply: FastifyReply) => {
      reply.code(400).headers(HEADERS).send({ error: 'bad request' });
    },
  });
  server.addHook('onSend', async (_, reply) => {
    reply.headers(HEADERS);
  });
  // The answers to mistakes say nothing of the request: whatever stands in its path stays there.
  server.setNotFoundHandler((_, reply) => reply.code(404).send({ error: 'not found' }));
  server.setErrorHandler((_, __, reply) => reply.code(500).send({ error: 'internal error' }));
  addRoutes(server, status, metrics);
  return {
    start: () => server.listen({ host, port }),
    async stop() {
      await server.close();
      metrics.stop();
    },
  };
}

function addRoutes(server: FastifyInstance, status: Status, metrics: ReturnType<typeof createMetrics>) {
  // For whoever starts anew what does not answer: it does, and nothing that is amiss would be mended by that.
  server.get('/live', async () => ({ alive: true }));
  server.get('/health', async (_, reply) => {
    const problem = status.problem();
    return reply.code(problem === null ? 200 : 503).send({ status: problem === null ? 'ok' : 'failing', problem });
  });
  server.get('/ready', async (_, reply) => {
    const ready = status.isReady();
    const problem = status.disk().hasRoom ? null : 'the disk of the journal is nearly full';
    return reply.code(ready ? 200 : 503).send({ ready, problem });
  });
  server.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.read()));
}
