/**
 * engine/ is the motor: intake, claims, attempts, retry, replies, start and stop. Sources, targets, store and mapping
 * are handed in as contracts; it must never know a concrete one, nor what a message says beyond its header.
 */
import type { AlarmBell, AlarmReceiver } from '../contracts/alarm.ts';
import type { Clock } from '../contracts/clock.ts';
import type { Journal, JournalChange } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import type { Mapper } from '../contracts/mapper.ts';
import type { Operations } from '../contracts/operations.ts';
import type { Parties } from '../contracts/party.ts';
import type { Intake } from '../contracts/source.ts';
import type { Status } from '../contracts/status.ts';
import { type Alarms, createAlarms } from './alarms.ts';
import { type ChangeoverParts, changeOver, type Ends, type NotOpened } from './changeover.ts';
import { createTally } from './counters.ts';
import type { DiskReserve } from './disk-reserve.ts';
import { createDispatcher } from './dispatcher.ts';
import { createExpiry } from './expiry.ts';
import { createFollowUps } from './follow-ups.ts';
import { createGates } from './gates.ts';
import { createGiveUp } from './give-up.ts';
import { createIntake } from './intake.ts';
import { createJunkQuota } from './junk-quota.ts';
import { createLeftOvers } from './left-overs.ts';
import { errorName } from './log-fields.ts';
import { createOperations } from './operations.ts';
import type { FindOperation } from './outcome.ts';
import { createOwedAcks } from './owed-acks.ts';
import { createPauses } from './pauses.ts';
import { createRetention } from './retention.ts';
import { createRhythm } from './rhythm.ts';
import type { Channel, EngineSettings, TargetPlace, UpkeepSettings } from './settings.ts';
import { createSettlements } from './settlements.ts';
import { createWatch } from './watch.ts';

export interface Engine extends Status {
  /** For whoever finds that something is the case that a person should know of. */
  readonly bell: AlarmBell;
  /** What a person may do with it. */
  readonly operations: Operations;
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
  /**
   * Puts another configuration in force. What is the same object as before lives on: no connection of it ends. Calls must
   * not overlap.
   * @returns the channels whose sources could not be opened; they are closed
   */
  reconfigure(next: Reconfiguration): Promise<readonly NotOpened[]>;
  /** Text of a reload of the configuration that was refused; null = the newest is in force. */
  noteConfigurationProblem(problem: string | null): void;
  /** From now on messages are mapped by this one. */
  useMapper(mapper: Mapper): void;
  /** Text of a reload that failed: the mapper in use stays in force. */
  noteMappingProblem(problem: string): void;
}

export interface Reconfiguration extends Ends {
  readonly mapper: Mapper;
  readonly settings: EngineSettings;
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
  readonly upkeep: UpkeepSettings;
  /** Where alarms are told beside the log and the metrics; null = nowhere. */
  readonly alarmReceiver: AlarmReceiver | null;
  /** Its owner starts and stops it. */
  readonly reserve: DiskReserve;
}

export function createEngine(parts: EngineParts): Engine {
  const { journal, clock, log, parties, reserve } = parts;
  /** Changed in place by a new configuration, as are the targets: everybody looks at the same. */
  const channels = parts.channels.map((channel) => ({ ...channel }));
  let settings = parts.settings;
  const targets = new Map(parts.targets.map((place) => [place.name, place]));
  const tally = createTally();
  const { alarms: alarmSettings, retention: retentionSettings, junk: junkSettings } = parts.upkeep;
  const { telling } = alarmSettings;
  const alarms: Alarms = createAlarms({ journal, receiver: parts.alarmReceiver, clock, log, telling });
  const junk = createJunkQuota(junkSettings, clock, alarms);
  const rhythm = createRhythm({ journal, feeds: () => channels, settings: alarmSettings.quiet, clock, log });
  const retention = createRetention({
    journal,
    settings: retentionSettings,
    channelsWithoutReturn: () => channels.filter(({ returnTo }) => returnTo === null).map(({ name }) => name),
    bell: alarms,
    clock,
    log,
  });
  const grace = new AbortController();
  let losing = new AbortController();
  let mapper = parts.mapper;
  let mappingProblem: string | null = null;
  let configurationProblem: string | null = null;
  let changing: Promise<unknown> = Promise.resolve();
  let journalProblem: string | null = null;
  let taking = false;
  let ready = false;
  let stopped: Promise<void> | null = null;

  const findOperation: FindOperation = (target, operation) => targets.get(target)?.target.operations[operation] ?? null;
  const currentMapper = () => mapper;
  const mapping = { mapper: currentMapper, findOperation, log };
  const partiesOf = (name: string) => channels.find((channel) => channel.name === name)?.parties ?? null;

  const settlements = createSettlements({ journal, clock, log });
  const pauses = createPauses({ journal, log, onResumed: () => dispatcher.wake() });
  const gates = createGates({
    targets: parts.targets,
    parties: parties.list().map(({ party }) => party.id),
    credentialsVersion: (party) => readCredentialsVersion(parties, party),
    pauses,
    log,
  });
  const expiry = createExpiry(alarms, clock, (target, party) => {
    const isClosed = gates.closed().some((one) => one.target === target && one.party === party);
    return isClosed || pauses.of(target, party) === 'all';
  });
  const dispatcher = createDispatcher({
    journal,
    targets,
    gates,
    expiry,
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
      lost: () => losing.signal,
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

  /** What is shown of the engine, and what its own watch looks at. */
  const shown = {
    problem: () => journalProblem,
    disk: () => ({ hasRoom: reserve.hasRoom(), freeBytes: reserve.freeBytes() }),
    mappingProblem: () => mappingProblem,
    configurationProblem: () => configurationProblem,
    overview: () => journal.readOverview(clock.now()),
    parties: () => parties.list(),
    pauses: pauses.list,
  };
  const watch = createWatch({
    status: shown,
    gates,
    rhythm,
    alarms,
    settings: alarmSettings,
    clock,
    log,
  });

  const takeFrom = (channel: Channel): Intake => {
    const intake = createIntake(channel, {
      journal,
      ...mapping,
      clock,
      tally,
      settlements,
      owedAcks,
      storeFirstBytes: () => settings.storeFirstBytes,
      isTaking: () => taking,
      reserve,
      junk,
      onAdmitted: dispatcher.wake,
      onJournal: (problem) => {
        journalProblem = problem === null ? null : `the journal cannot be written (${problem})`;
      },
      onLeftOver: leftOvers.add,
    });
    return (inbound) => {
      rhythm.heard(channel.name);
      return intake(inbound);
    };
  };

  const operations = createOperations({
    journal,
    channels,
    ...mapping,
    hasTarget: (name) => targets.has(name),
    pauses,
    clock,
    onActed(messageId) {
      dispatcher.wake();
      settlements.changed(messageId);
    },
  });

  async function startAll() {
    await pauses.load();
    await alarms.restore();
    await leftOvers.settleAll();
    await warnOfStrays();
    dispatcher.start();
    await owedAcks.recover();
    journal.onChange(noticeChange);
    taking = true;
    for (const channel of channels) await open(channel);
    ready = true;
    watch.start();
    retention.start();
    log.info('engine-started', { version: parts.version });
  }

  /** Somebody else who shares the journal did something, or is gone. */
  function noticeChange(change: JournalChange) {
    if (stopped !== null) return;
    const noticing = {
      deliveries: async () => dispatcher.wake(),
      pauses: async () => {
        await pauses.refresh();
        dispatcher.wake();
      },
      lost: async () => {
        losing.abort();
        losing = new AbortController();
      },
      orphans: async () => {
        dispatcher.wake();
        await leftOvers.settleAll();
        await owedAcks.recover();
      },
    };
    noticing[change]().catch((error: unknown) =>
      log.error('change-not-noticed', { detail: change, error: errorName(error) }),
    );
  }

  async function open(channel: Channel) {
    await channel.source.start(takeFrom(channel));
    log.debug('channel-open', { channel: channel.name, address: channel.source.address });
  }

  const close = ({ name, source }: Channel) => quietly('source', name, source.stop());
  const stopTarget = ({ name, target }: TargetPlace) => quietly('target', name, target.stop());

  async function reconfigure({ mapper: nextMapper, settings: nextSettings, ...ends }: Reconfiguration) {
    const isStopping = () => stopped !== null;
    const changed: ChangeoverParts = { channels, targets, gates, dispatcher, open, close, stopTarget, isStopping };
    const atOnce = () => {
      mapper = nextMapper;
      mappingProblem = null;
      settings = nextSettings;
    };
    const failed = await changeOver(ends, atOnce, changed);
    if (!isStopping()) await warnOfStrays();
    return failed;
  }

  async function stopAll() {
    ready = false;
    // Whose deliveries have not ended is told to ask again: the sources wait for their answers.
    settlements.stop();
    await Promise.all(channels.map(close));
    await Promise.all([watch.stop(), retention.stop()]);
    taking = false;
    leftOvers.stop();
    await owedAcks.stop();
    const callOff = clock.wakeAt(clock.now() + settings.graceMs, () => grace.abort());
    await dispatcher.stop();
    expiry.stop();
    callOff();
    await changing;
    // What a change had opened before it learned that all ends.
    await Promise.all(channels.map(close));
    await Promise.all([...targets.values()].map(stopTarget));
    await alarms.stop();
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
    ...shown,
    operations,
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
    reconfigure(next) {
      if (stopped !== null) return Promise.resolve([]);
      const change = reconfigure(next);
      changing = change.catch(() => {});
      return change;
    },
    noteConfigurationProblem(problem) {
      configurationProblem = problem;
    },
    useMapper(next) {
      mapper = next;
      mappingProblem = null;
      log.info('mappings-in-force', { version: next.version });
    },
    noteMappingProblem(problem) {
      mappingProblem = problem;
    },
    isReady: () => ready && reserve.hasRoom() && journal.isReachable(),
    mappingVersion: () => mapper.version,
    sources: () => (ready ? channels.map(({ name, source }) => ({ channel: name, address: source.address })) : []),
    counters: () => tally,
    alarms: alarms.list,
    bell: alarms,
  };
}

function readCredentialsVersion(parties: Parties, party: string): string | null {
  try {
    return parties.credentials(party).version;
  } catch {
    return null;
  }
}
