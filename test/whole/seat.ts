import { type EngineProcess, spawnSluss } from './engine-process.ts';

/** Where one engine runs, and after it another: the same configuration, and ports that change. */
export interface Seat {
  /** Starts the engine, of another version's folder if need be; it need not be ready yet. The one before has to be gone. */
  launch(nodeOptions?: readonly string[], root?: string): EngineProcess;
  /** Starts the engine and waits until it takes messages. */
  start(): Promise<EngineProcess>;
  /** The port of a channel of whichever engine listens, waiting for one. */
  port(channel: string): Promise<number>;
  /** Everything any engine wrote here so far. */
  said(): string;
  /** Kills what still runs. */
  clear(): Promise<void>;
}

/** @param through a command to start the engine through */
export function makeSeat(configFile: string, through?: readonly string[]): Seat {
  const engines: EngineProcess[] = [];
  let waiting: (() => void)[] = [];
  const launch: Seat['launch'] = (nodeOptions, root) => {
    const engine = spawnSluss(['run', '-c', configFile], nodeOptions, through, root);
    engines.push(engine);
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
    return engine;
  };
  return {
    launch,
    async start() {
      const engine = launch();
      await engine.seen('engine-started');
      return engine;
    },
    async port(channel) {
      for (;;) {
        const engine = engines.at(-1);
        if (engine !== undefined && !engine.hasEnded()) {
          const line = await engine.seen('source-started', (one) => one.channel === channel).catch(() => null);
          if (line !== null && !engine.hasEnded()) return Number(new URL(String(line.address)).port);
        }
        if (engine !== engines.at(-1)) continue;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
    said: () => engines.map((engine) => engine.output() + engine.errors()).join('\n'),
    async clear() {
      for (const engine of engines) if (!engine.hasEnded()) await engine.kill();
    },
  };
}
