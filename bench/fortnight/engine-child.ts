/** The engine as a process of its own, in which it is as late as its parent says. Argument: the order, as JSON. */
import { startSluss } from '../../src/main.ts';
import { createRandomness } from './randomness.ts';
import { createSteppedClock } from './stepped-clock.ts';

export interface EngineOrder {
  readonly configFile: string;
  readonly startAt: number;
  readonly seed: number;
}

export type ChildTold = { readonly stepTo: number } | { readonly stop: true };

export type ChildSaid =
  | { readonly started: readonly { readonly channel: string; readonly address: string }[] }
  | { readonly steppedTo: number }
  | { readonly logged: string };

const { configFile, startAt, seed } = JSON.parse(process.argv[2] ?? '{}') as EngineOrder;
const say = (said: ChildSaid) => void (process.connected && process.send?.(said));
const clock = createSteppedClock(startAt);
const sluss = await startSluss(configFile, {
  env: process.env,
  colours: false,
  logTo: { write: (line) => say({ logged: line }) },
  clock,
  random: createRandomness(seed).next,
});
process.on('message', (told: ChildTold) => {
  if ('stop' in told) return void sluss.stop().then(() => process.disconnect());
  clock.stepTo(told.stepTo);
  // What was called does its first steps before anybody looks.
  setImmediate(() => setImmediate(() => say({ steppedTo: told.stepTo })));
});
// Nobody tells it the time any more.
process.on('disconnect', () => process.exit(0));
say({ started: sluss.sources });
