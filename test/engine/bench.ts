import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AlarmReceiver } from '../../src/contracts/alarm.ts';
import { Fault, type FaultCode } from '../../src/contracts/fault.ts';
import type { Journal } from '../../src/contracts/journal.ts';
import type { Answered, Draft, Mapped, Mapper } from '../../src/contracts/mapper.ts';
import type { Parties } from '../../src/contracts/party.ts';
import { type Ack, type Inbound, type Intake, type Source, STANDARD_DIALECT } from '../../src/contracts/source.ts';
import type { Delivery, Target, Verdict } from '../../src/contracts/target.ts';
import { createDiskReserve } from '../../src/engine/disk-reserve.ts';
import { createEngine, type Engine } from '../../src/engine/engine.ts';
import {
  type Channel,
  type EngineSettings,
  PART_LIMITS,
  TARGET_LIMITS,
  type TargetLimits,
  UPKEEP_SETTINGS,
  type UpkeepSettings,
} from '../../src/engine/settings.ts';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { createManualClock, createRecordedLog } from './kit.ts';

/** An ORU^R01 of no content but its control id and, behind it, whatever a test wants to find there. */
export function message(controlId: string, rest = '', type = 'ORU^R01^ORU_R01'): Uint8Array {
  return Buffer.from(
    `MSH|^~\\&|LIS|LAB|SLUSS|NORD|20210601100000||${type}|${controlId}|P|2.5.1\rPID|1||${rest || controlId}\r`,
  );
}

export function draft(key: string, more: Partial<Draft> = {}): Draft {
  return {
    resultKey: key,
    target: 'covid',
    operation: 'test',
    party: 'nord',
    laneKey: key,
    body: Buffer.from(`{"of":"${key}"}`),
    notBefore: null,
    notAfter: null,
    once: null,
    waived: null,
    needs: null,
    flaw: null,
    ...more,
  };
}

export const controlIdOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1').split('|')[9] ?? '';

/** By default each message makes one draft, named after its control id. */
export function mapped(more: Partial<Mapped>): Mapped {
  return { statements: [], drafts: [], skipped: [], provides: [], faults: [], warnings: [], ...more };
}

export interface ScriptedMapper extends Mapper {
  version: string;
  onMap: (bytes: Uint8Array) => Mapped;
  onResponse: (bytes: Uint8Array, answered: Answered) => Draft[];
}

function createScriptedMapper(): ScriptedMapper {
  const mapper: ScriptedMapper = {
    version: 'v1',
    onMap: (bytes) => mapped({ drafts: [draft(controlIdOf(bytes))] }),
    onResponse: () => [],
    map: (bytes) => mapper.onMap(bytes),
    mapResponse: (bytes, answered) => mapper.onResponse(bytes, answered),
    hasFollowUps: (_, target) => target === 'covid',
  };
  return mapper;
}

export function failure(code: FaultCode, retryAfterMs: number | null = null): Verdict {
  return { ok: false, fault: new Fault(code), retryAfterMs, response: null };
}

export const SUCCESS: Verdict = { ok: true, response: null };

export interface ScriptedTarget extends Target {
  readonly sent: Delivery[];
  answer: (delivery: Delivery, signal: AbortSignal) => Verdict | Promise<Verdict>;
  stopped: boolean;
}

function createScriptedTarget(inDoubt: 'repeat' | 'hold'): ScriptedTarget {
  const operation = { summary: '', inDoubt, onCorrection: 'hold' } as const;
  const target: ScriptedTarget = {
    operations: { test: operation, recovery: operation },
    sent: [],
    stopped: false,
    answer: () => SUCCESS,
    async send(delivery, signal) {
      target.sent.push(delivery);
      return await target.answer(delivery, signal);
    },
    async stop() {
      target.stopped = true;
    },
  };
  return target;
}

interface ScriptedSource extends Source {
  give(bytes: Uint8Array, more?: Partial<Inbound>): Promise<Ack | null>;
  fails: Error | null;
  stopped: boolean;
}

function createScriptedSource(): ScriptedSource {
  let intake: Intake | null = null;
  const source: ScriptedSource = {
    address: 'test://lab',
    fails: null,
    stopped: false,
    async start(given) {
      if (source.fails !== null) throw source.fails;
      intake = given;
    },
    async stop() {
      source.stopped = true;
    },
    give: (bytes, more = {}) => intake!({ bytes, origin: 'test #1', sender: null, fault: null, reply: null, ...more }),
  };
  return source;
}

function createScriptedParties(ids: readonly string[], validTo: () => number | null, fault: () => Fault | null) {
  const versions = new Map(ids.map((id) => [id, 'v1']));
  const parties: Parties = {
    list: () =>
      ids.map((id) => ({
        party: parties.get(id)!,
        fault: id === ids[0] ? fault() : null,
        validTo: id === ids[0] ? validTo() : null,
      })),
    get: (id) => (ids.includes(id) ? { id, name: id, organisationNumber: '2321000016' } : null),
    credentials: (id) => ({ tls: { cert: '', key: '' }, version: versions.get(id) ?? '' }),
  };
  return { parties, versions };
}

export interface BenchOptions {
  readonly limits?: Partial<TargetLimits>;
  readonly settings?: Partial<EngineSettings>;
  readonly upkeep?: Partial<UpkeepSettings>;
  readonly alarmReceiver?: AlarmReceiver;
  /** End of the first party's certificate. */
  readonly validTo?: () => number;
  /** Why the first party is stopped. */
  readonly partyFault?: () => Fault | null;
  readonly inDoubt?: 'repeat' | 'hold';
  /** More of the channel. */
  readonly channel?: Partial<Channel>;
  /** Whether there is a second channel, `other`, with the same settings. */
  readonly second?: boolean;
  /** Bytes free on the disk, of which 1 000 are kept in reserve. */
  readonly free?: () => number;
  /** Opens another journal than a file. */
  readonly open?: () => Promise<Journal>;
  /** Stands between the engine and the real journal. */
  readonly wrap?: (journal: Journal) => Journal;
}

/** A real engine on a real journal, between a source, a mapper and two targets that do as a test says. */
export async function setUpBench(options: BenchOptions = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'sluss-engine-'));
  const clock = createManualClock();
  const log = createRecordedLog();
  const mapper = createScriptedMapper();
  const target = createScriptedTarget(options.inDoubt ?? 'repeat');
  const files = createScriptedTarget('repeat');
  const { parties, versions } = createScriptedParties(
    ['nord', 'syd'],
    options.validTo ?? (() => null),
    options.partyFault ?? (() => null),
  );
  const limits = { ...TARGET_LIMITS, ...options.limits };
  const opened: Journal[] = [];

  /** An engine on the journal file as it is. */
  async function build(): Promise<{
    engine: Engine;
    source: ScriptedSource;
    other: ScriptedSource;
    channel: Channel;
    journal: Journal;
  }> {
    const openFile = () => openSqliteJournal({ path: join(folder, 'journal.db'), now: clock.now(), log });
    const real = await (options.open ?? openFile)();
    opened.push(real);
    const journal = options.wrap?.(real) ?? real;
    const source = createScriptedSource();
    const other = createScriptedSource();
    const channel: Channel = {
      name: 'lab',
      source,
      parties: ['nord'],
      charset: { default: null, force: null },
      limits: PART_LIMITS,
      acknowledge: 'taken',
      answerWithinMs: 30_000,
      dialect: STANDARD_DIALECT,
      returnTo: null,
      quietAfterMs: null,
      zone: null,
      ...options.channel,
    };
    const reserve = createDiskReserve({
      readFreeBytes: async () => options.free?.() ?? 1_000_000,
      reserveBytes: 1_000,
      clock,
      log,
    });
    if (options.free !== undefined) await reserve.start();
    const engine = createEngine({
      version: '1.2.3',
      journal,
      mapper,
      channels: options.second === true ? [channel, { ...channel, name: 'other', source: other }] : [channel],
      targets: [
        { name: 'covid', target, limits },
        { name: 'files', target: files, limits },
      ],
      parties,
      clock,
      random: () => 0,
      log,
      settings: { storeFirstBytes: 1_000_000, graceMs: 10_000, ...options.settings },
      upkeep: { ...UPKEEP_SETTINGS, ...options.upkeep },
      alarmReceiver: options.alarmReceiver ?? null,
      reserve,
    });
    return { engine, source, other, channel, journal: real };
  }

  const first = await build();
  return {
    ...first,
    build,
    clock,
    log,
    mapper,
    target,
    files,
    versions,
    async tearDown() {
      await first.engine.stop();
      for (const journal of opened) await journal.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export type Bench = Awaited<ReturnType<typeof setUpBench>>;
