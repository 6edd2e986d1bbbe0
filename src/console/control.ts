import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { Fault, faultText } from '../contracts/fault.ts';
import {
  MAX_NOTE_LENGTH,
  MAX_OPERATOR_LENGTH,
  MAX_THINGS,
  type MessageQuery,
  type Operations,
  type Operator,
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
const MAX_BODY_BYTES = 256 << 10;

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
  const calls = makeCalls(operations, status);
  const server = createServer((request, response) => void answer(request, response, calls));
  return {
    async start() {
      makeWay();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject).once('listening', () => resolve());
        // Bound before this returns, so no other file is made under this mask by this thread.
        const before = process.umask(OWNER_ONLY);
        try {
          server.listen(path);
        } finally {
          process.umask(before);
        }
      });
    },
    async stop() {
      if (!server.listening) return;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

type Call = (asked: unknown) => unknown;

/** Not what was asked for but why it was not done: neither a validator's words nor a fault's quote the request. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }
}

/** Never rejects. */
async function answer(request: IncomingMessage, response: ServerResponse, calls: ReadonlyMap<string, Call>) {
  let [status, body]: [number, object] = [200, {}];
  try {
    const call = calls.get(`${request.method} ${request.url}`);
    if (call === undefined) throw new Refusal(404, 'there is no such call');
    body = { result: await call(await readBody(request)) };
  } catch (error) {
    if (error instanceof Refusal) [status, body] = [error.status, { error: error.message }];
    else if (error instanceof Fault) [status, body] = [503, { error: faultText(error.record) }];
    else [status, body] = [500, { error: 'internal error' }];
  }
  // Whoever sent more than is read gets no second try on this connection.
  if (!request.complete) response.setHeader('connection', 'close');
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body, encodeBytes));
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.byteLength;
    if (bytes > MAX_BODY_BYTES) throw new Refusal(413, 'that is too much at once');
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString());
  } catch {
    throw new Refusal(400, 'that is no JSON');
  }
}

const id = z.int().min(1);
const word = z.string().max(500).nullable();
const time = z.int().nullable();
const operator = {
  by: z.string().min(1).max(MAX_OPERATOR_LENGTH),
  note: z.string().max(MAX_NOTE_LENGTH).nullable(),
};
const things = z
  .array(z.union([z.strictObject({ message: id }), z.strictObject({ delivery: id })]))
  .min(1)
  .max(MAX_THINGS);
const scope = z.strictObject({ target: word, party: word, operation: word });
const query = z.strictObject({
  channel: word,
  state: word,
  deliveryState: word,
  target: word,
  party: word,
  controlId: word,
  from: time,
  to: time,
  text: word,
});
const page = z.strictObject({
  after: z.strictObject({ receivedAt: z.int(), id }).nullable(),
  limit: z.int().min(1).max(1_000),
});

function makeCalls(
  operations: Operations,
  status: Pick<Status, 'version' | 'mappingVersion' | 'isReady'>,
): ReadonlyMap<string, Call> {
  const calls = new Map<string, Call>();
  const call = <Shape extends z.ZodRawShape>(
    name: string,
    shape: Shape,
    run: (asked: z.output<z.ZodObject<Shape>>) => unknown,
  ) => {
    const asked = z.strictObject(shape);
    calls.set(`POST /v1/${name}`, (body) => run(read(asked, body)));
  };
  const who = ({ by, note }: Operator): Operator => ({ by, note });

  // A state that there is none of is the journal's to refuse.
  call('find', { query, page }, (asked) => operations.find(asked.query as MessageQuery, asked.page));
  call('show', { message: id }, ({ message }) => operations.show(message));
  const replayed = { messages: z.array(id).min(1).max(MAX_THINGS), onlyIfMended: z.boolean() };
  call('replay', { ...replayed, ...operator }, ({ messages, onlyIfMended, ...by }) =>
    operations.replay(messages, who(by), onlyIfMended),
  );
  call('release', { things, ...operator }, (asked) => operations.release(asked.things, who(asked)));
  call('cancel', { things, ...operator }, (asked) => operations.cancel(asked.things, who(asked)));
  call('pause', { scope, ...operator }, (asked) => operations.pause(asked.scope, who(asked)));
  call('resume', { scope, ...operator }, (asked) => operations.resume(asked.scope, who(asked)));
  call('pauses', {}, () => operations.pauses());
  call('status', {}, () => ({
    version: status.version,
    mappingVersion: status.mappingVersion(),
    isReady: status.isReady(),
    pid: process.pid,
  }));
  return calls;
}

function read<Asked>(schema: z.ZodType<Asked>, body: unknown): Asked {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const why = issue?.code === 'unrecognized_keys' ? 'holds what is not known' : (issue?.message ?? 'is wrong');
  throw new Refusal(400, `${['body', ...(issue?.path ?? [])].join('.')}: ${why}`);
}

/** JSON has no bytes; `value` of a Buffer is by then what its own toJSON made of it. */
function encodeBytes(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const raw = this[key];
  return raw instanceof Uint8Array ? Buffer.from(raw).toString('base64') : value;
}
