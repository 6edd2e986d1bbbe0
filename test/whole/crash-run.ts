import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { FaultOrder } from '../../src/simulators/covidbevis/fault-orders.ts';
import { type Accounts, settleAccounts } from './accounts.ts';
import { readSqliteBooks } from './books.ts';
import { type EngineProcess, within } from './engine-process.ts';
import { createRandom, type LoadOptions, type Planned, planLoad } from './load.ts';
import { type SenderFigures, sendWithManners } from './mllp-sender.ts';
import { makeSite, type Site } from './site.ts';

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

interface Traffic {
  taken(): number;
  /** Resolves once so many more messages were taken. */
  takenMore(count: number): Promise<void>;
  readonly done: Promise<SenderFigures>;
  /** What was taken, in the order of sending; a file is a sender of its own. */
  takenBySender(): Planned[][];
  /** What is still waited for, for people. */
  missing(): string;
}

function startTraffic(plan: ReturnType<typeof planLoad>, site: Site): Traffic {
  let count = 0;
  let waiting: { at: number; wake: () => void }[] = [];
  const files: { name: string; messages: readonly Planned[] }[] = [];
  const takenBySender: Planned[][] = plan.map(() => []);
  const sending = plan.map(async (sender, index) => {
    const taken = takenBySender[index] as Planned[];
    return sendWithManners(sender.messages, {
      port: () => site.port(sender.channel),
      window: sender.window,
      onTaken: (message) => {
        taken.push(message as Planned);
        count += 1;
        for (const { at, wake } of waiting) if (count >= at) wake();
        waiting = waiting.filter(({ at }) => count < at);
        for (const file of sender.files) if (file.after === taken.length) files.push(drop(file, site.inbox));
      },
    });
  });
  const done = (async () => {
    const figures = await Promise.all(sending);
    for (const { name, messages } of files) takenBySender.push(await takeUpAnswers(name, messages, site.inbox));
    return {
      connections: figures.reduce((sum, { connections }) => sum + connections, 0),
      resent: figures.reduce((sum, { resent }) => sum + resent, 0),
      wrong: figures.flatMap(({ wrong }) => wrong),
    };
  })();
  done.catch(() => {});
  return {
    taken: () => count,
    takenMore: (more) => new Promise((wake) => waiting.push({ at: count + more, wake })),
    done,
    takenBySender: () => takenBySender,
    missing: () => {
      const unanswered = files.filter(({ name }) => readIfThere(join(site.inbox, 'done', `${name}.ack`)) === null);
      const places = ['', 'processing', 'done', 'failed'].map(
        (place) => `${place}/: ${readdirSync(join(site.inbox, place)).join(' ')}`,
      );
      const names = unanswered.map(({ name }) => name).join(' ');
      return `the senders: ${count} messages were taken; files without answer: ${names}\n${places.join('\n')}`;
    },
  };
}

/** Writes the file as a careful sender does: whole, under another name, then renamed. */
function drop<File extends { name: string; messages: readonly Planned[] }>(file: File, inbox: string): File {
  const draft = join(inbox, `${file.name}.part`);
  writeFileSync(draft, Buffer.concat(file.messages.map(({ bytes }) => bytes)));
  renameSync(draft, join(inbox, file.name));
  return file;
}

/** Waits for the answers beside a file; those of its messages that were taken. */
async function takeUpAnswers(name: string, messages: readonly Planned[], inbox: string): Promise<Planned[]> {
  for (;;) {
    const text = readIfThere(join(inbox, 'done', `${name}.ack`));
    if (text === null) {
      await wait(20);
      continue;
    }
    const taken = [...text.matchAll(/^MSA\|AA\|([^|\r]*)/gm)].map(([, controlId]) => controlId);
    return messages.filter(({ controlId }, index) => taken[index] === controlId);
  }
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
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
