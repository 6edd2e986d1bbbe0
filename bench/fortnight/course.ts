import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { callEngine } from '../../src/cli/control-line.ts';
import { controlPath } from '../../src/config/configuration.ts';
import { frameMessage } from '../../src/hl7/mllp.ts';
import { parseAck } from '../../src/hl7/parse-ack.ts';
import { connectPeer, type MllpPeer } from '../../test/whole/mllp-peer.ts';
import { hashOf } from './books.ts';
import { type LogLine, type SteppedEngine, startEngine } from './engine.ts';
import { writeMessage } from './message-text.ts';
import { runSluss } from './run-sluss.ts';
import type { Site } from './site.ts';
import type { SteppedClock } from './stepped-clock.ts';
import { HOUR_MS, MINUTE_MS } from './swedish-time.ts';
import type { Act, Sending } from './traffic.ts';
import { blockAt, PROVIDERS, SYD, type World } from './world.ts';

/** While everything works, time goes on to whatever is due next, and by no more than this; while something does not, by so much. */
const LONGEST_STEP_MS = HOUR_MS;
const BLOCKED_STEP_MS = 15 * MINUTE_MS;
/** A folder is looked at this often. */
const RESCAN_MS = 61_000;
/** For what hangs. */
const PATIENCE_MS = 15_000;
/** So often in a row nothing new stands in the journal, where it is not known what is still to come. */
const QUIET_LOOKS = 2;

/** The course of time: what is sent and done at its hour, and the engine that has to cope with it. */
export interface Course extends AsyncDisposable {
  /** Answers by the hash of what was sent. */
  readonly answers: ReadonlyMap<string, string[]>;
  readonly problems: string[];
  log(): readonly LogLine[];
  goTo(at: number): Promise<void>;
  /** Until nothing more happens by itself at this hour. */
  settle(): Promise<void>;
  send(sending: Sending): Promise<void>;
  putFile(sendings: readonly Sending[]): Promise<void>;
  act(act: Act): Promise<void>;
  kill(sendings: readonly Sending[]): Promise<void>;
  restart(): Promise<void>;
  /** Stops the engine, after its work. */
  end(): Promise<void>;
}

export async function createCourse(parts: {
  readonly site: Site;
  readonly world: World;
  readonly clock: SteppedClock;
  readonly seed: number;
}): Promise<Course> {
  const { site, world, clock, seed } = parts;
  const { configFile } = site;
  const answers = new Map<string, string[]>();
  const problems: string[] = [];
  const engines: SteppedEngine[] = [];
  let engine = await start();
  let peer: MllpPeer = await connectPeer(engine.port('kust'));
  const journal = watchJournal(site.journalFile);
  let files = 0;

  async function start(): Promise<SteppedEngine> {
    const started = await startEngine({ configFile, startAt: clock.now(), seed: seed + engines.length });
    engines.push(started);
    return started;
  }

  async function step(at: number): Promise<void> {
    clock.stepTo(at);
    await engine.stepTo(at);
  }

  /** Nothing can be issued, or could not until shortly before. */
  function isInBlock(party: string): boolean {
    const now = clock.now();
    return [now, now - HOUR_MS].some((at) => blockAt(world, party, at) !== null);
  }

  /** What is due to the service need not be sent: it cannot be, or the engine thinks so. */
  function isHeldUp(party: string): boolean {
    return engine.isClosed(party) || isInBlock(party);
  }

  /** Everything the engine had for its journal is in it: an act that changes nothing has had its turn behind it. */
  async function drain(): Promise<void> {
    const scope = { target: 'covidbevis', party: SYD.id, operation: 'ping' };
    await callEngine(controlPath(site.journalFile), 'resume', { scope, by: 'clock', note: null });
  }

  /** How far time may go on at once. */
  function longestStep(now: number): number {
    const held = PROVIDERS.filter(({ id }) => isHeldUp(id));
    // Whatever cannot be sent is tried so often that each time cannot be a step of its own.
    if (held.length > 0) return held.some(({ id }) => isInBlock(id)) ? BLOCKED_STEP_MS : MINUTE_MS;
    return Math.min(LONGEST_STEP_MS, Math.max(1, (journal.nextAt(now) ?? Infinity) - now));
  }

  async function settle(): Promise<void> {
    let movedAt = performance.now();
    for (let [version, quiet] = [-1, 0]; ; ) {
      const isCareful = PROVIDERS.some(({ id }) => isHeldUp(id));
      // Where everything that is due can be sent, the journal itself says when it is done.
      if (isCareful) await drain();
      const { isBusy, due, version: next } = journal.look(clock.now());
      const isOwed = due.some(({ target, party }) => target !== 'covidbevis' || !isHeldUp(party));
      quiet = !isBusy && !isOwed && (version === next || !isCareful) ? quiet + 1 : 0;
      if (version !== next) movedAt = performance.now();
      version = next;
      if (quiet > (isCareful ? QUIET_LOOKS : 0)) return;
      if (performance.now() - movedAt > PATIENCE_MS) {
        const when = new Date(clock.now()).toISOString();
        problems.push(`at ${when} the engine does not come to rest: ${journal.tell(clock.now())}`);
        return;
      }
      if (!isCareful) await wait(1);
    }
  }

  async function goTo(at: number): Promise<void> {
    while (clock.now() < at) {
      const now = clock.now();
      await step(Math.min(at, now + longestStep(now)));
      await settle();
    }
  }

  function note(bytes: Uint8Array, sending: Sending, ack: { code: string; controlId: string | null } | null): void {
    const hash = hashOf(bytes);
    answers.set(hash, [...(answers.get(hash) ?? []), ack?.code ?? '?']);
    if (ack?.controlId !== sending.controlId) problems.push(`${sending.controlId}: answered as ${ack?.controlId}`);
  }

  async function send(sending: Sending): Promise<void> {
    const bytes = writeMessage(sending);
    note(bytes, sending, await peer.exchange(bytes));
  }

  function writeFile(sendings: readonly Sending[]): string {
    files += 1;
    const name = `svar-${String(files).padStart(4, '0')}.hl7`;
    const part = join(site.inbox, `${name}.part`);
    writeFileSync(part, writeBatch(sendings, files));
    renameSync(part, join(site.inbox, name));
    return name;
  }

  async function takeAnswers(name: string, sendings: readonly Sending[]): Promise<void> {
    const places = ['done', 'failed'].map((folder) => join(site.inbox, folder, `${name}.ack`));
    const until = performance.now() + PATIENCE_MS;
    for (let looks = 0; !places.some((place) => existsSync(place)); looks += 1) {
      if (performance.now() > until) throw new Error(`${name} was not answered`);
      // It is told of the file by the file system, or else looks for itself.
      if (looks % 50 === 0) {
        await settle();
        await step(clock.now() + RESCAN_MS);
      }
      await wait(2);
    }
    const place = places.find((one) => existsSync(one)) ?? '';
    const acks = readFileSync(place, 'utf8')
      .split('\r')
      .filter((line) => line.startsWith('MSA|'))
      .map((line) => line.split('|'));
    if (acks.length !== sendings.length)
      problems.push(`${name}: ${acks.length} answers to ${sendings.length} messages`);
    for (const [index, sending] of sendings.entries()) {
      const [, code = '?', controlId = null] = acks[index] ?? [];
      note(writeMessage(sending), sending, { code, controlId });
    }
  }

  return {
    answers,
    problems,
    log: () => engines.flatMap(({ log }) => log),
    goTo,
    settle,
    send,
    async putFile(sendings) {
      await takeAnswers(writeFile(sendings), sendings);
    },
    async act({ what, of }) {
      const { deliveries } = journal.find(hashOf(writeMessage(of)));
      for (const id of deliveries) {
        await runSluss([what, `d${id}`, '-c', configFile, '--by', 'anna', '--why', 'the laboratory was asked']);
      }
    },
    async kill(sendings) {
      const some = sendings.filter(({ lab }) => lab === 'kust');
      const others = sendings.filter(({ lab }) => lab === 'skog');
      const name = others.length > 0 ? writeFile(others) : null;
      for (const one of some) peer.socket.write(frameMessage(writeMessage(one)));
      await peer.answered(peer.answers.length + 1);
      await step(clock.now() + RESCAN_MS);
      await engine.kill();
      await peer.closed;
      const taken = peer.answers.slice(-some.length).map((ack) => parseAck(ack));
      const acks = new Map(taken.map((ack) => [ack?.controlId, ack]));
      engine = await start();
      peer = await connectPeer(engine.port('kust'));
      for (const one of some) {
        const ack = acks.get(one.controlId);
        // Whoever was not answered sends again.
        if (ack === undefined || ack === null) await send(one);
        else note(writeMessage(one), one, ack);
      }
      if (name !== null) await takeAnswers(name, others);
    },
    async restart() {
      peer.socket.end();
      await engine.stop();
      engine = await start();
      peer = await connectPeer(engine.port('kust'));
    },
    async end() {
      peer.socket.end();
      await engine.stop();
    },
    async [Symbol.asyncDispose]() {
      peer.socket.destroy();
      journal.close();
      await engine.kill();
    },
  };
}

/** Two of three files are batches as HL7 has them, the others bare messages below a line that is none. */
function writeBatch(sendings: readonly Sending[], number: number): Buffer {
  const messages = sendings.map(writeMessage);
  const isBatch = number % 3 !== 0;
  const head = isBatch ? `FHS|^~\\&|SKOGLAB\rBHS|^~\\&|SKOGLAB|||||||||B${number}\r` : 'Svar\r\n';
  const tail = isBatch ? `BTS|${messages.length}\rFTS|1\r` : '';
  return Buffer.concat([Buffer.from(head), ...messages, Buffer.from(tail)]);
}

/** Looks at the journal from outside, beside the engine. */
function watchJournal(file: string) {
  const db = new Database(file, { readonly: true });
  const busy = db.prepare<[], number>(
    `select (select count(*) from deliveries where turn = 'flight') + (select count(*) from messages where state = 'received')`,
  );
  const due = db.prepare<[number], { target: string; party: string }>(
    `select distinct target, party from deliveries where turn in ('ready', 'timed') and due_at <= ?`,
  );
  const overdue = db.prepare<[number]>(
    `select d.id, target, operation, d.party, turn, due_at, next_at, not_before, not_after, attempts,
       (select group_concat(event || ' ' || at || ' ' || coalesce(why, ''), ', ') from history h where h.delivery_id = d.id) as history
     from deliveries d where turn = 'flight' or turn in ('ready', 'timed') and due_at <= ? limit 3`,
  );
  const next = db.prepare<[number], number | null>(
    `select min(due_at) from deliveries where turn in ('ready', 'timed') and due_at > ?`,
  );
  const find = db.prepare<[Buffer], number>(
    `select d.id from deliveries d join messages m on m.id = d.message_id where content_hash = ? and d.state = 'held'`,
  );
  return {
    // In one snapshot: what ends makes something due in the same moment.
    look: db.transaction((now: number) => ({
      isBusy: (busy.pluck().get() ?? 0) > 0,
      due: due.all(now),
      version: Number(db.pragma('data_version', { simple: true })),
    })),
    /** What is due, and what became of it so far. */
    tell: (now: number) => JSON.stringify(overdue.all(now)),
    nextAt: (now: number) => next.pluck().get(now) ?? null,
    find: (hash: string) => ({ deliveries: find.pluck().all(Buffer.from(hash, 'hex')) }),
    close: () => void db.close(),
  };
}
