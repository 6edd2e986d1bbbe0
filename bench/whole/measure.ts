import { setTimeout as wait } from 'node:timers/promises';
import type { Measured } from '../figure.ts';
import type { MessageShape } from './bench-message.ts';
import { forkChild } from './child.ts';
import { type Installation, type InstallationOptions, install, type RunningEngine, sizeMb } from './installation.ts';
import type { SenderOrder, SenderSaid, SenderTold } from './sender.ts';

const LOOK_MS = 10;
/** Answered and not yet delivered: enough that no lane worker ever waits, little enough that the backlog is bounded. */
const BACKLOG = 2_000;

const CERTIFICATE: MessageShape = { kind: 'certificate' };

export interface Load {
  readonly connections: number;
  readonly window: number;
  readonly count: number;
  readonly warmUp: number;
  /** By default a test that a certificate was asked for. */
  readonly shape?: MessageShape;
}

/** The same with a share of its messages, to see whether it runs. */
export function shareOf<Some extends Pick<Load, 'count' | 'warmUp'>>(load: Some, share: number): Some {
  return { ...load, count: Math.ceil(load.count * share), warmUp: Math.floor(load.warmUp * share) };
}

/** Sends until all are answered AA. */
export async function send(port: number, load: Load, first = 0): Promise<SenderSaid> {
  const order: SenderOrder = { port, shape: CERTIFICATE, ...load, first, backlog: null };
  return await forkChild<SenderSaid>('sender', order).heard((said): said is SenderSaid => 'rate' in said);
}

/** LIS → AA: messages a second, with a receiver that cannot be reached, so that nothing else is done. */
export async function measureIngest(options: InstallationOptions, load: Load, first = 0): Promise<Measured> {
  await using site = await install({ answer: 'closed', ...options });
  const engine = await site.launch();
  const before = engine.spentMs();
  const { rate, p50Ms, p99Ms } = await send(engine.port, load, first);
  return { rate, more: { p50Ms, p99Ms, residentMb: engine.residentMb(), ...spentEach(engine, before, load.count) } };
}

/** Journal → mutual TLS → verdict on disk: deliveries a second of `count` that wait when the engine starts. */
export async function measureDispatch(options: InstallationOptions, count: number): Promise<Measured> {
  const { mapping = 'certificates' } = options;
  await using filled = await install({ answer: 'closed', mapping });
  const filling = await filled.launch();
  const shape: MessageShape = { kind: mapping === 'reports' ? 'report' : 'certificate' };
  await send(filling.port, { connections: 32, window: 8, count, warmUp: 0, shape });
  await filling.stop();
  await using site = await install({ ...options, journal: filled.journalFile });
  const engine = await site.launch();
  const warmUp = count / 5;
  while (site.answered() < warmUp) await wait(LOOK_MS);
  const warmAt = performance.now();
  const spent = engine.spentMs();
  const before = site.answered();
  await allDelivered(site, count);
  const rate = ((count - before) * 1_000) / (performance.now() - warmAt);
  return { rate, more: { residentMb: engine.residentMb(), ...spentEach(engine, spent, count - before) } };
}

/** What a stretch of the whole path looked like. */
export interface Stretch {
  readonly messages: number;
  /** Delivered a second, since the stretch before. */
  readonly rate: number;
  readonly residentMb: number;
  readonly journalMb: number;
  readonly walMb: number;
}

export interface WholePath extends Spent {
  readonly rate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly residentMb: number;
  readonly startedInMs: number;
  readonly idleMb: number;
}

/**
 * LIS → delivered: messages a second with both ends as fast as the engine is, a bounded backlog between them.
 * @param onStretch told after each tenth
 */
export async function measureWholePath(
  options: InstallationOptions,
  load: Load & { readonly first: number },
  onStretch: (stretch: Stretch) => void = () => {},
): Promise<WholePath> {
  const { first, ...rest } = load;
  let told: (word: SenderTold) => void = () => {};
  await using site = await install(options, (delivered) => told({ delivered }));
  const before = options.journal == null ? 0 : site.deliveries('delivered');
  const engine = await site.launch();
  const { startedInMs } = engine;
  const idleMb = engine.residentMb();
  const order: SenderOrder = { port: engine.port, shape: CERTIFICATE, ...rest, first, backlog: BACKLOG };
  const sender = forkChild<SenderSaid>('sender', order);
  told = (word) => void (sender.process.connected && sender.tell(word));
  const sent = sender.heard((said): said is SenderSaid => 'rate' in said);
  await reach(site, load.warmUp);
  const warm = { at: performance.now(), answered: site.answered() };
  const spent = engine.spentMs();
  let last = warm;
  for (let tenth = 1; tenth <= 10; tenth += 1) {
    await reach(site, Math.floor((load.count * tenth) / 10));
    const now = { at: performance.now(), answered: site.answered() };
    onStretch({ ...stretchOf(site, engine), rate: rateOf(last, now), messages: now.answered });
    last = now;
  }
  const { p50Ms, p99Ms } = await sent;
  await allDelivered(site, before + load.count);
  const rate = ((load.count - warm.answered) * 1_000) / (performance.now() - warm.at);
  const each = spentEach(engine, spent, load.count - warm.answered);
  return { rate, p50Ms, p99Ms, residentMb: engine.residentMb(), startedInMs, idleMb, ...each };
}

/** The engine's processor time a message, which other programs on the machine disturb less than the clock. */
interface Spent {
  readonly mainUs: number;
  readonly allUs: number;
}

function spentEach(engine: RunningEngine, before: { main: number; all: number }, count: number): Spent {
  const { main, all } = engine.spentMs();
  return { mainUs: ((main - before.main) * 1_000) / count, allUs: ((all - before.all) * 1_000) / count };
}

async function reach(site: Installation, answered: number): Promise<void> {
  while (site.answered() < answered) await wait(LOOK_MS);
}

/** @throws Error where there are more answers than there are deliveries to be answered */
async function allDelivered(site: Installation, count: number): Promise<void> {
  await reach(site, 1);
  while (site.deliveries('delivered') < count) await wait(LOOK_MS);
}

function stretchOf(site: Installation, engine: RunningEngine): Omit<Stretch, 'rate' | 'messages'> {
  const { journalFile } = site;
  return {
    residentMb: engine.residentMb(),
    journalMb: sizeMb(journalFile),
    walMb: sizeMb(`${journalFile}-wal`),
  };
}

interface Moment {
  readonly at: number;
  readonly answered: number;
}

function rateOf(from: Moment, to: Moment): number {
  return ((to.answered - from.answered) * 1_000) / Math.max(1, to.at - from.at);
}
