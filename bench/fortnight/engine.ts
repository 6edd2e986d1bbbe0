import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { within } from '../../test/whole/engine-process.ts';
import type { ChildSaid, ChildTold, EngineOrder } from './engine-child.ts';

const PATIENCE_MS = 60_000;

export interface LogLine {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** A real engine in a process of its own, on the clock of whoever started it. */
export interface SteppedEngine {
  readonly port: (channel: string) => number;
  readonly log: readonly LogLine[];
  /** By what it says: whether it sends nothing for this care provider just now, but tries from time to time. */
  isClosed(party: string): boolean;
  /** Tells it how late it is; resolves once what was due has been called. */
  stepTo(at: number): Promise<void>;
  /** Resolves once it has ended by itself. @throws Error when it ends with another code than 0 */
  stop(): Promise<void>;
  /** SIGKILL; resolves once it is gone. */
  kill(): Promise<void>;
}

export async function startEngine(order: EngineOrder): Promise<SteppedEngine> {
  const child: ChildProcess = fork(join(import.meta.dirname, 'engine-child.ts'), [JSON.stringify(order)], {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    execArgv: [],
  });
  const log: LogLine[] = [];
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    errors += part;
  });
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  const closed = new Set<string>();
  const note = (line: LogLine) => {
    log.push(line);
    const party = String(line.party);
    if (line.event === 'target-failing' || line.event === 'party-paused') closed.add(party);
    if (line.event === 'target-recovered' || line.event === 'party-resumed') closed.delete(party);
  };
  let hear: (said: Exclude<ChildSaid, { logged: string }>) => void = () => {};
  child.on('message', (said: ChildSaid) => {
    if ('logged' in said) note(JSON.parse(said.logged) as LogLine);
    else hear(said);
  });
  /** The next thing it says. @throws Error when it ends instead */
  const heard = (what: string) => {
    const said = new Promise<Exclude<ChildSaid, { logged: string }>>((resolve) => {
      hear = resolve;
    });
    const gone = ended.then(([code, signal]) => {
      throw new Error(`the engine ended (${code ?? signal}): ${errors}`);
    });
    return within(PATIENCE_MS, Promise.race([said, gone]), () => `the engine ${what}`);
  };
  const tell = (told: ChildTold) => void child.send(told);

  const first = await heard('to start');
  const sources = 'started' in first ? first.started : [];
  return {
    port: (channel) => Number(new URL(sources.find((one) => one.channel === channel)?.address ?? '').port),
    log,
    isClosed: (party) => closed.has(party),
    async stepTo(at) {
      const stepped = heard('to go on in time');
      tell({ stepTo: at });
      await stepped;
    },
    async stop() {
      tell({ stop: true });
      const [code] = await within(PATIENCE_MS, ended, () => 'the engine to stop');
      if (code !== 0) throw new Error(`the engine ended with ${code}: ${errors}`);
    },
    async kill() {
      child.kill('SIGKILL');
      await within(PATIENCE_MS, ended, () => 'a killed engine to be gone');
    },
  };
}
