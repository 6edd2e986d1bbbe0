import { Worker } from 'node:worker_threads';
import { Fault } from '../contracts/fault.ts';
import { ownBytes } from './bytes.ts';
import type { Request } from './group-commit.ts';
import type { Caller } from './journal.ts';
import type { FromWorker, ToWorker, WorkerOptions } from './worker.ts';

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (fault: Fault) => void;
}

/**
 * What a journal's thread makes is short-lived and small; left alone, V8 gives each thread up to 48 MB of young space it
 * does not need and never hands back (the writer: 145 MB of heap with 14 in use, 22 so).
 */
const MEMORY = { maxYoungGenerationSizeMb: 12 };

/** This side of a worker thread. */
export interface SqliteThread extends Caller {
  /** Attempts found cut off when it started. */
  readonly recovered: number;
  /** Calls of one turn of the event loop travel together. @throws Fault as the worker replied, or `journal-failed` if it died. */
  call<T>(name: string, ...args: unknown[]): Promise<T>;
  checkpoint(): void;
  /** Resolves when everything called has been answered and the thread has ended. */
  close(): Promise<void>;
}

export interface ThreadEvents {
  onCheckpointDue(): void;
  /** An error nobody foresaw: its class or code. */
  onError(error: string): void;
}

/** Starts a worker thread. @throws Error with the worker's reason if it could not open the database */
export function startThread(options: WorkerOptions, events: ThreadEvents): Promise<SqliteThread> {
  // Node runs worker.ts as it stands; the compiled package has worker.js beside this file.
  const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
  const worker = new Worker(new URL(file, import.meta.url), { workerData: options, resourceLimits: MEMORY });
  const post = (message: ToWorker, transfer: ArrayBuffer[] = []) => worker.postMessage(message, transfer);
  const pending = new Map<number, Pending>();
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  let outbox: Request[] = [];
  let lastId = 0;
  let hasEnded = false;

  const failAll = (ids: Iterable<number>, fault: () => Fault) => {
    for (const id of [...ids]) {
      pending.get(id)?.reject(fault());
      pending.delete(id);
    }
  };

  const flush = () => {
    const requests = outbox;
    outbox = [];
    try {
      const { value, buffers } = ownBytes(requests);
      post({ requests: value, buffers }, buffers);
    } catch (error) {
      // Something in there is no plain data. Nobody else would ever answer these calls.
      events.onError(error instanceof Error ? error.name : 'unknown');
      failAll(
        requests.map(({ id }) => id),
        () => new Fault('internal', { cause: error }),
      );
    }
  };

  const thread = (recovered: number): SqliteThread => ({
    recovered,
    call: (call, ...args) =>
      new Promise((resolve, reject) => {
        if (hasEnded) return reject(new Fault('journal-failed'));
        const id = ++lastId;
        pending.set(id, { resolve, reject });
        if (outbox.length === 0) setImmediate(flush);
        outbox.push({ id, call, args });
      }),
    checkpoint: () => post('checkpoint'),
    async close() {
      if (outbox.length > 0) await new Promise((resolve) => setImmediate(resolve));
      post('close');
      await exited;
    },
  });

  return new Promise((resolve, reject) => {
    worker.on('message', (message: FromWorker) => {
      if ('ready' in message) return resolve(thread(message.recovered));
      if ('failed' in message) return reject(new Error(message.failed));
      for (const reply of message.replies) {
        const waiting = pending.get(reply.id);
        pending.delete(reply.id);
        if ('value' in reply) {
          waiting?.resolve(reply.value as never);
          continue;
        }
        if (reply.error !== null) events.onError(reply.error);
        waiting?.reject(new Fault(reply.fault.code, reply.fault));
      }
      if (message.checkpointDue) events.onCheckpointDue();
    });
    worker.once('error', (error) => {
      events.onError(error instanceof Error ? error.name : 'unknown');
      reject(error);
    });
    worker.once('exit', () => {
      hasEnded = true;
      reject(new Error('the journal’s thread ended before it was ready'));
      // A transaction that was under way may or may not have reached the disk; a resend finds out.
      failAll(pending.keys(), () => new Fault('journal-failed'));
    });
  });
}
