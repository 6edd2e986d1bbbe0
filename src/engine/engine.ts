/**
 * engine/ is the motor: intake, claims, attempts, retry, replies, start and stop. Sources, targets, store and mapping
 * are handed in as contracts; it must never know a concrete one, nor what a message says beyond its header.
 */
import type { Clock } from '../contracts/clock.ts';
import type { Journal } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import type { Mapper } from '../contracts/mapper.ts';
import type { Parties } from '../contracts/party.ts';
import type { Intake } from '../contracts/source.ts';
import type { Status } from '../contracts/status.ts';
import { createTally } from './counters.ts';
import { createDispatcher } from './dispatcher.ts';
import { createFollowUps } from './follow-ups.ts';
import { createGates } from './gates.ts';
import { createGiveUp } from './give-up.ts';
import { createIntake } from './intake.ts';
import { createLeftOvers } from './left-overs.ts';
import { errorName } from './log-fields.ts';
import type { DiskReserve } from './disk-reserve.ts';
import type { FindOperation } from './outcome.ts';
import { createOwedAcks } from './owed-acks.ts';
import type { Channel, EngineSettings, TargetPlace } from './settings.ts';
import { createSettlements } from './settlements.ts';

export interface Engine extends Status {
  /**
   * Gives what was stored before its outcome, starts to send, then opens the sources, in this order.
   * @throws Error when a source cannot start; everything is stopped again by then
   */
  start(): Promise<void>;
  /**
   * Closes the sources, lets what is under way end (attempts at most `graceMs`), then closes the targets. The journal
   * is its owner's to close, after this. Safe to call twice.
   */
  stop(): Promise<void>;
  /** From now on messages are mapped by this one. */
  useMapper(mapper: Mapper): void;
  /** Text of a reload that failed: the mapper in use stays in force. */
  noteMappingProblem(problem: string): void;
}

export interface EngineParts {
  readonly version: string;
  readonly journal: Journal;
  readonly mapper: Mapper;
  readonly channels: readonly Channel[];
  readonly targets: readonly TargetPlace[];
  readonly parties: Parties;
  readonly clock: Clock;
  /** [0, 1) */
  readonly random: () => number;
  readonly log: Log;
  readonly settings: EngineSettings;
  /** Its owner starts and stops it. */
  readonly reserve: DiskReserve;
}

export function createEngine(parts: EngineParts): Engine {
  const { journal, channels, clock, log, settings, parties, reserve } = parts;
  const targets = new Map(parts.targets.map((place) => [place.name, place]));
  const tally = createTally();
  const grace = new AbortController();
  let mapper = parts.mapper;
  let mappingProblem: string | null = null;
  let journalProblem: string | null = null;
  let taking = false;
  let ready = false;
  let stopped: Promise<void> | null = null;

  const findOperation: FindOperation = (target, operation) => targets.get(target)?.target.operations[operation] ?? null;
  const currentMapper = () => mapper;
  const mapping = { mapper: currentMapper, findOperation, log };
  const partiesOf = (name: string) => channels.find((channel) => channel.name === name)?.parties ?? [];

  const settlements = createSettlements({ journal, clock, log });
  const dispatcher = createDispatcher({
    journal,
    targets,
    gates: createGates({
      targets: parts.targets,
      parties: parties.list().map(({ party }) => party.id),
      credentialsVersion: (party) => readCredentialsVersion(parties, party),
      log,
    }),
    attempts: {
      journal,
      followUps: createFollowUps({ journal, mapper: currentMapper, partiesOf, findOperation, log }),
      giveUp: createGiveUp(),
      clock,
      random: parts.random,
      log,
      tally,
      onRecorded: settlements.changed,
      stopping: grace.signal,
    },
    clock,
    log,
  });
  const onQueued = dispatcher.wake;
  const owedAcks = createOwedAcks({ journal, channels, settlements, findOperation, clock, log, tally, onQueued });
  const leftOvers = createLeftOvers({
    journal,
    channels,
    ...mapping,
    clock,
    onSettled(messageId) {
      dispatcher.wake();
      settlements.changed(messageId);
    },
  });

  const takeFrom = (channel: Channel): Intake =>
    createIntake(channel, {
      journal,
      ...mapping,
      clock,
      tally,
      settlements,
      owedAcks,
      storeFirstBytes: settings.storeFirstBytes,
      isTaking: () => taking,
      reserve,
      onAdmitted: dispatcher.wake,
      onJournal: (problem) => {
        journalProblem = problem === null ? null : `the journal cannot be written (${problem})`;
      },
      onLeftOver: leftOvers.add,
    });

  async function startAll() {
    await leftOvers.settleAll();
    await warnOfStrays();
    dispatcher.start();
    await owedAcks.recover();
    taking = true;
    for (const channel of channels) {
      await channel.source.start(takeFrom(channel));
      log.debug('channel-open', { channel: channel.name, address: channel.source.address });
    }
    ready = true;
    log.info('engine-started', { version: parts.version });
  }

  async function stopAll() {
    ready = false;
    // Whose deliveries have not ended is told to ask again: the sources wait for their answers.
    settlements.stop();
    await Promise.all(channels.map(({ name, source }) => quietly('source', name, source.stop())));
    taking = false;
    leftOvers.stop();
    await owedAcks.stop();
    const callOff = clock.wakeAt(clock.now() + settings.graceMs, () => grace.abort());
    await dispatcher.stop();
    callOff();
    await Promise.all(parts.targets.map(({ name, target }) => quietly('target', name, target.stop())));
    log.info('engine-stopped');
  }

  /** What cannot be stopped must not keep the rest from stopping. */
  async function quietly(what: 'source' | 'target', name: string, stopping: Promise<void>) {
    try {
      await stopping;
    } catch (error) {
      const named = what === 'source' ? { channel: name } : { target: name };
      log.error(`${what}-stop-failed`, { ...named, error: errorName(error) });
    }
  }

  /** Deliveries of a target or party that is no longer configured wait for ever; somebody has to know. */
  async function warnOfStrays() {
    for (const { target, party, state, count } of (await journal.readOverview(clock.now())).deliveries) {
      if (state !== 'waiting' || count === 0) continue;
      if (targets.has(target) && parties.get(party) !== null) continue;
      log.warn('deliveries-stranded', { target, party, count });
    }
  }

  return {
    version: parts.version,
    async start() {
      try {
        await startAll();
      } catch (error) {
        stopped ??= stopAll();
        await stopped;
        throw error;
      }
    },
    stop() {
      stopped ??= stopAll();
      return stopped;
    },
    useMapper(next) {
      mapper = next;
      mappingProblem = null;
      log.info('mappings-in-force', { version: next.version });
    },
    noteMappingProblem(problem) {
      mappingProblem = problem;
    },
    problem: () => journalProblem,
    isReady: () => ready && reserve.hasRoom(),
    disk: () => ({ hasRoom: reserve.hasRoom(), freeBytes: reserve.freeBytes() }),
    mappingVersion: () => mapper.version,
    mappingProblem: () => mappingProblem,
    overview: () => journal.readOverview(clock.now()),
    parties: () => parties.list(),
    sources: () => (ready ? channels.map(({ name, source }) => ({ channel: name, address: source.address })) : []),
    counters: () => tally,
    alarms: () => [],
  };
}

function readCredentialsVersion(parties: Parties, party: string): string | null {
  try {
    return parties.credentials(party).version;
  } catch {
    return null;
  }
}
