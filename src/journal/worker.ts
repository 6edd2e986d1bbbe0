import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { makeAlarmRows } from './alarm-rows.ts';
import { makeArrivals } from './arrivals.ts';
import { countBytes } from './bytes.ts';
import { makeCheckpoints } from './checkpoints.ts';
import { makeClaim } from './claims.ts';
import { openReader, openWriter, setCache } from './database.ts';
import { type Calls, failure, makeGroupCommit, type Reply, type Request, run } from './group-commit.ts';
import { makePauses } from './pauses.ts';
import { makeReads } from './reads.ts';
import { makeWrites } from './writes.ts';

/** What is larger than this does not go through the page cache. */
const UNCACHED_BYTES = 8 << 20;

/** What a worker thread is started with. */
export type WorkerOptions =
  | {
      readonly role: 'writer';
      readonly path: string;
      readonly now: number;
      readonly maxBatch: number;
      readonly maxPages: number | null;
    }
  | { readonly role: 'reader'; readonly path: string };

/** What it is sent: requests with the buffers that all their bytes stand in, or a word on its own. */
export type ToWorker =
  | { readonly requests: readonly Request[]; readonly buffers: readonly ArrayBuffer[] }
  | 'checkpoint'
  | 'close';

/** What it sends. `recovered` = attempts that a crash had cut off. */
export type FromWorker =
  | { readonly ready: true; readonly recovered: number }
  | { readonly failed: string }
  | { readonly replies: readonly Reply[]; readonly checkpointDue: boolean };

const port = parentPort;
if (port === null) throw new Error('worker.ts is started by sqlite.ts, as a worker thread');
const post = (message: FromWorker) => port.postMessage(message);

try {
  const options = workerData as WorkerOptions;
  if (options.role === 'writer') startWriter(options);
  else startReader(options);
} catch (error) {
  post({ failed: error instanceof Error ? error.message : String(error) });
  port.close();
}

function startWriter(options: WorkerOptions & { role: 'writer' }): void {
  const db = openWriter(options.path, options.maxPages);
  const arrivals = makeArrivals(db);
  const { calls: writes, transitions, lanes, attempts } = makeWrites(db, arrivals);
  const recovered = db
    .transaction(() => {
      const count = attempts.recover(options.now);
      transitions.flush();
      return count;
    })
    .immediate();
  const calls = {
    ...writes,
    ...makePauses(db),
    claim: makeClaim(db, lanes, transitions),
    ...makeAlarmRows(db),
  } as Calls;
  const commitGroup = makeGroupCommit(db, calls, [transitions, arrivals]);
  const isCheckpointDue = makeCheckpoints(db);

  listen((requests, bytes) => {
    const isLarge = bytes > UNCACHED_BYTES && requests.some(({ args }) => countBytes(args) > UNCACHED_BYTES);
    if (isLarge) setCache(db, 'small');
    for (let from = 0; from < requests.length; from += options.maxBatch) {
      const replies = commitGroup(requests.slice(from, from + options.maxBatch));
      post({ replies, checkpointDue: false });
    }
    if (isLarge) setCache(db, 'usual');
    if (isCheckpointDue()) post({ replies: [], checkpointDue: true });
  }, db);
  post({ ready: true, recovered });
}

function startReader({ path }: WorkerOptions & { role: 'reader' }): void {
  const db = openReader(path);
  const calls = makeReads(db);
  // The only thing this connection does: see checkpoints.ts.
  const keeper = new Database(path, { fileMustExist: true });
  keeper.pragma('wal_autocheckpoint = 0');
  const checkpoint = keeper.prepare('pragma wal_checkpoint(passive)');

  listen(
    (requests) => {
      for (const request of requests) {
        let reply: Reply;
        try {
          reply = { id: request.id, value: run(calls, request) };
        } catch (error) {
          reply = failure(request.id, error);
        }
        post({ replies: [reply], checkpointDue: false });
      }
    },
    db,
    keeper,
    () => checkpoint.get(),
  );
  post({ ready: true, recovered: 0 });
}

/** Hands over everything that waits at once: what came while a commit ran goes into the next. */
function listen(
  serve: (requests: Request[], bytes: number) => void,
  db: Database.Database,
  keeper: Database.Database | null = null,
  checkpoint: () => void = () => {},
): void {
  port!.on('message', (first: ToWorker) => {
    let next: ToWorker | undefined = first;
    while (next !== undefined) {
      const requests: Request[] = [];
      const buffers: ArrayBuffer[] = [];
      const words = new Set<'checkpoint' | 'close'>();
      for (; next !== undefined; next = receiveMessageOnPort(port!)?.message) {
        if (typeof next === 'string') words.add(next);
        else {
          requests.push(...next.requests);
          buffers.push(...next.buffers);
        }
      }
      const bytes = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
      if (requests.length > 0) serve(requests, bytes);
      // Frees them now: until the collector comes by, a large message would be there as often as it was written.
      for (const buffer of buffers) buffer.transfer(0);
      if (words.has('checkpoint')) checkpoint();
      if (words.has('close')) {
        keeper?.close();
        db.close();
        port!.close();
        return;
      }
      next = receiveMessageOnPort(port!)?.message;
    }
  });
}
