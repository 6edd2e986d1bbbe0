import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { FaultOrder } from '../../src/simulators/covidbevis/fault-orders.ts';
import { type Accounts, settleAccounts } from './accounts.ts';
import { readSqliteBooks } from './books.ts';
import { type EngineProcess, within } from './engine-process.ts';
import { createRandom, type LoadOptions, planLoad } from './load.ts';
import type { SenderFigures } from './mllp-sender.ts';
import { makeSite, type Site } from './site.ts';
import { startTraffic, type Traffic } from './start-traffic.ts';

export interface CrashOptions extends LoadOptions {
  readonly kills: number;
  readonly faults: readonly FaultOrder[];
  /** More keys of the service's target. */
  readonly target?: readonly string[];
  /** Kept behind where it ended badly; else all is removed. */
  readonly onKill?: (line: string) => void;
  /** Longest wait for the end, once nothing is killed any more. */
  readonly patienceMs: number;
}

export interface CrashReport extends Accounts {
  readonly kills: readonly string[];
  readonly senders: SenderFigures;
  readonly files: number;
  readonly durationMs: number;
  /** Everything the engines wrote. */
  readonly said: string;
}

/** When an engine is killed: after so many answers or requests more, or so long after its start, ready or not. */
type Moment = { readonly what: 'taken' | 'requested' | 'started'; readonly count: number };

/**
 * Lets laboratories send while the engine is killed (SIGKILL) again and again and started anew on the same journal, then
 * lets it finish, stops it, and settles the accounts.
 */
export async function runCrashes(options: CrashOptions): Promise<CrashReport> {
  const startedAt = performance.now();
  const service = { faults: options.faults, seed: options.seed };
  const more = options.target === undefined ? {} : { target: options.target };
  await using site = await makeSite({ service, certificates: true, ...more });
  const random = createRandom(options.seed ^ 0x5eed);
  const plan = planLoad(options);
  const traffic = startTraffic(plan, site);
  const kills: string[] = [];

  let engine = site.launch();
  for (let kill = 0; kill < options.kills; kill += 1) {
    const moment = pickMoment(random);
    await Promise.race([reach(moment, engine, site, traffic), traffic.done]);
    await wait(random() * 20);
    await engine.kill();
    kills.push(`${moment.what} ${moment.count}`);
    options.onKill?.(`kill ${kill + 1}: ${moment.what} +${moment.count}, ${traffic.taken()} taken so far`);
    engine = site.launch();
  }
  const senders = await within(options.patienceMs, traffic.done, () => traffic.missing());
  await settled(engine, site, options.patienceMs);
  const { code, signal } = await engine.stop();

  const accounts = settleAccounts(
    traffic.takenBySender(),
    site.standIn.ledger,
    await readSqliteBooks(site.journalFile),
  );
  const violations = [...accounts.violations, ...senders.wrong];
  if (code !== 0) violations.push(`the last engine ended with ${code ?? signal}`);
  const files = existsSync(join(site.folder, 'certificates')) ? readdirSync(join(site.folder, 'certificates')) : [];
  if (files.length !== 3 * accounts.figures.certificates) {
    violations.push(`${files.length} files were written for ${accounts.figures.certificates} certificates`);
  }
  const durationMs = performance.now() - startedAt;
  return { ...accounts, violations, kills, senders, files: files.length, durationMs, said: site.said() };
}

function pickMoment(random: () => number): Moment {
  const dice = random();
  if (dice < 0.2) return { what: 'started', count: Math.floor(random() * 1_000) };
  if (dice < 0.6) return { what: 'taken', count: 1 + Math.floor(random() * 60) };
  return { what: 'requested', count: 1 + Math.floor(random() * 60) };
}

async function reach(moment: Moment, engine: EngineProcess, site: Site, traffic: Traffic): Promise<void> {
  const { entries } = site.standIn.ledger;
  switch (moment.what) {
    case 'started':
      return wait(moment.count);
    case 'taken':
      return traffic.takenMore(moment.count);
    case 'requested': {
      // Where all that waits is less than that, whatever comes first will do.
      const all = site.standIn.ledger.waitFor(entries().length + moment.count);
      return Promise.race([all, engine.seen('engine-started').then(() => wait(1_500))]);
    }
  }
}

/** Resolves once the engine's own metrics say that no delivery waits. */
export async function settled(engine: EngineProcess, site: Site, patienceMs = 60_000): Promise<void> {
  const { ledger } = site.standIn;
  const look = async () => {
    await engine.seen('engine-started');
    while ((await readWaiting(engine)) > 0) await wait(50);
  };
  await within(patienceMs, look(), () => `the deliveries; there are ${ledger.certificates()} certificates`);
}

/** Deliveries that wait, by the metrics. */
export async function readWaiting(engine: EngineProcess): Promise<number> {
  const page = await (await fetch(`${await engine.consoleUrl()}/metrics`)).text();
  const lines = page.split('\n').filter((line) => /^sluss_stored_deliveries\{.*state="waiting"/.test(line));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
