/** Time, handed in so that tests can hold it. */
export interface Clock {
  /** ms since the epoch, UTC. */
  now(): number;
  /** Calls back once, no earlier than `atMs` (ms since the epoch); the returned function calls it off. */
  wakeAt(atMs: number, call: () => void): () => void;
}
