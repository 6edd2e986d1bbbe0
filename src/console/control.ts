import fastify, { type FastifyInstance } from 'fastify';
import { Fault, faultText } from '../contracts/fault.ts';
import {
  MAX_NOTE_LENGTH,
  MAX_OPERATOR_LENGTH,
  MAX_THINGS,
  type MessageQuery,
  type Operations,
  type Operator,
  type PageRequest,
  type PauseScope,
  type Thing,
} from '../contracts/operations.ts';
import type { Status } from '../contracts/status.ts';

/**
 * The operator's calls over a socket of the file system: whoever may open the file may act. Each call is a POST of one
 * JSON object to `/v1/<name of the operation>`; bytes are base64.
 */
export interface Control {
  /** Resolves once it listens. @throws Error when it cannot */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** What the kernel takes as the path of a socket, in bytes. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103;
/** Nobody but the owner may write to the socket, from the moment it is there. */
const OWNER_ONLY = 0o177;

/**
 * @param makeWay removes what a dead engine left at the path; called with the journal's lock held
 * @throws Error where the path is longer than a socket's may be
 */
export function createControl(parts: {
  readonly path: string;
  readonly makeWay: () => void;
  readonly operations: Operations;
  readonly status: Pick<Status, 'version' | 'mappingVersion' | 'isReady'>;
}): Control {
  const { path, makeWay, operations, status } = parts;
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new Error(`the path of the control socket is longer than ${MAX_PATH_BYTES} bytes: ${path}`);
  }
  const server = fastify({
    logger: false,
    forceCloseConnections: true,
    bodyLimit: 256 << 10,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  });
  server.setReplySerializer((payload) => JSON.stringify(payload, encodeBytes));
  server.setNotFoundHandler((_, reply) => reply.code(404).send({ error: 'there is no such call' }));
  server.setErrorHandler((error, _, reply) => {
    // Neither a validator's words nor a fault's quote what was asked.
    if (error instanceof Fault) return reply.code(503).send({ error: faultText(error.record) });
    const { validation, message } = error as { validation?: unknown; message: string };
    return validation === undefined
      ? reply.code(500).send({ error: 'internal error' })
      : reply.code(400).send({ error: message });
  });
  addCalls(server, operations, status);
  return {
    async start() {
      await server.ready();
      makeWay();
      await new Promise<void>((resolve, reject) => {
        server.server.once('error', reject).once('listening', () => resolve());
        // Bound before this returns, so no other file is made under this mask by this thread.
        const before = process.umask(OWNER_ONLY);
        try {
          server.server.listen(path);
        } finally {
          process.umask(before);
        }
      });
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.server.close(() => resolve()));
      server.server.closeAllConnections();
      if (server.server.listening) await closed;
      await server.close();
    },
  };
}

const id = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER } as const;
const word = { type: ['string', 'null'], maxLength: 500 } as const;
const time = { type: ['integer', 'null'] } as const;
const operator = {
  by: { type: 'string', minLength: 1, maxLength: MAX_OPERATOR_LENGTH },
  note: { type: ['string', 'null'], maxLength: MAX_NOTE_LENGTH },
} as const;
const thing = {
  oneOf: [record({ message: id }), record({ delivery: id })],
} as const;
const things = { type: 'array', minItems: 1, maxItems: MAX_THINGS, items: thing } as const;
const scope = { target: word, party: word, operation: word } as const;
const query = {
  channel: word,
  state: word,
  deliveryState: word,
  target: word,
  party: word,
  controlId: word,
  from: time,
  to: time,
  text: word,
} as const;
const page = {
  after: { anyOf: [{ type: 'null' }, record({ receivedAt: { type: 'integer' }, id })] },
  limit: { type: 'integer', minimum: 1, maximum: 1_000 },
} as const;

function record(properties: Readonly<Record<string, unknown>>) {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false } as const;
}

function addCalls(
  server: FastifyInstance,
  operations: Operations,
  status: Pick<Status, 'version' | 'mappingVersion' | 'isReady'>,
) {
  const call = <Body>(name: string, properties: Readonly<Record<string, unknown>>, run: (body: Body) => unknown) =>
    server.post(`/v1/${name}`, { schema: { body: record(properties) } }, async ({ body }) => ({
      result: await run(body as Body),
    }));
  const who = ({ by, note }: Operator): Operator => ({ by, note });

  call<{ query: MessageQuery; page: PageRequest }>('find', { query: record(query), page: record(page) }, (body) =>
    operations.find(body.query, body.page),
  );
  call<{ message: number }>('show', { message: id }, ({ message }) => operations.show(message));
  call<Operator & { messages: number[]; onlyIfMended: boolean }>(
    'replay',
    {
      messages: { type: 'array', minItems: 1, maxItems: MAX_THINGS, items: id },
      onlyIfMended: { type: 'boolean' },
      ...operator,
    },
    (body) => operations.replay(body.messages, who(body), body.onlyIfMended),
  );
  call<Operator & { things: Thing[] }>('release', { things, ...operator }, (body) =>
    operations.release(body.things, who(body)),
  );
  call<Operator & { things: Thing[] }>('cancel', { things, ...operator }, (body) =>
    operations.cancel(body.things, who(body)),
  );
  call<Operator & { scope: PauseScope }>('pause', { scope: record(scope), ...operator }, (body) =>
    operations.pause(body.scope, who(body)),
  );
  call<Operator & { scope: PauseScope }>('resume', { scope: record(scope), ...operator }, (body) =>
    operations.resume(body.scope, who(body)),
  );
  call('pauses', {}, () => operations.pauses());
  call('status', {}, () => ({
    version: status.version,
    mappingVersion: status.mappingVersion(),
    isReady: status.isReady(),
    pid: process.pid,
  }));
}

/** JSON has no bytes; `value` of a Buffer is by then what its own toJSON made of it. */
function encodeBytes(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const raw = this[key];
  return raw instanceof Uint8Array ? Buffer.from(raw).toString('base64') : value;
}
