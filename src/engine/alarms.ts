import {
  ALARMS,
  type Alarm,
  type AlarmBell,
  type AlarmFields,
  type AlarmName,
  type AlarmReceiver,
  type AlarmSubject,
  type StoredAlarm,
} from '../contracts/alarm.ts';
import type { Clock } from '../contracts/clock.ts';
import type { Journal } from '../contracts/journal.ts';
import type { Log, LogFields } from '../contracts/log.ts';
import { errorName } from './log-fields.ts';

/** What comes within this time of the first is told with it. */
const SETTLE_MS = 1_000;
/** More alarms of one name than this are counted in the log and otherwise left out. */
const MOST_OF_A_NAME = 200;
const MOST_IN_A_REPORT = 100;
const SAVE_AGAIN_MS = 30_000;
const TELL_AGAIN_MS = 5_000;
const TELL_AGAIN_AT_LEAST_EVERY_MS = 300_000;
/** As often as this in a row, and it is an alarm itself. */
const FAILURES_TO_ALARM = 3;
/** What only the process knows that found it: after a restart they are over unless found again. */
const OF_ONE_RUN: readonly AlarmName[] = ['junk-quota', 'webhook-failing', 'deliveries-expired'];

export interface AlarmTelling {
  /** Alarms of one name are told at most once in this time, together. */
  readonly gatherMs: number;
  /** What ceased has to stay so for this long before the alarm is cleared. */
  readonly clearAfterMs: number;
  /** After this long the receiver's answer is not waited for. */
  readonly tellTimeoutMs: number;
}

/** What holds now of one name. */
export interface Holding {
  readonly subject: Partial<AlarmSubject>;
  readonly fields?: AlarmFields;
  readonly step?: number;
}

/**
 * Every alarm that is open, told once when it is raised and once when it is cleared: in the log, to the receiver, and as
 * long as it is open in the metrics. What is open stands in the journal, with what the receiver was told of it; so there
 * is no queue of reports, only a difference, and a restart neither repeats an alarm nor loses one.
 */
export interface Alarms extends AlarmBell {
  /** Takes up what was open when the last run ended. What was not told yet is told once it proves to be true still. */
  restore(): Promise<void>;
  /** Of this name just these hold: they are raised, all others of it cleared, but for those nobody knows about yet. */
  settle(name: AlarmName, holding: readonly Holding[], isUnknown?: (subject: AlarmSubject) => boolean): void;
  /** Oldest first. */
  list(): readonly Alarm[];
  /** Resolves once what is under way has ended. */
  stop(): Promise<void>;
}

interface Entry {
  alarm: StoredAlarm;
  /** Found to be true by this run. */
  isConfirmed: boolean;
  /** Ceased, and about to be cleared. */
  callOffClear: (() => void) | null;
}

export function createAlarms(parts: {
  readonly journal: Pick<Journal, 'readAlarms' | 'saveAlarms'>;
  /** null = there is none. */
  readonly receiver: AlarmReceiver | null;
  readonly clock: Clock;
  readonly log: Log;
  readonly telling: AlarmTelling;
}): Alarms {
  const { journal, receiver, clock, log } = parts;
  const { gatherMs, clearAfterMs, tellTimeoutMs } = parts.telling;
  const entries = new Map<string, Entry>();
  const stopping = new AbortController();
  const unsaved = new Set<string>();
  let saving: Promise<void> | null = null;
  let telling: Promise<void> | null = null;
  let callOffSave = () => {};
  let callOffTell: (() => void) | null = null;
  let nextTellAt = Number.NEGATIVE_INFINITY;
  let failures = 0;
  const tooMany = new Set<AlarmName>();

  const gathered = createGatheredLog(log, clock, gatherMs);

  /** Something changed: it is to be saved, and told. */
  function changed(key: string) {
    unsaved.add(key);
    if (stopping.signal.aborted) return;
    saving ??= save().finally(() => {
      saving = null;
    });
    scheduleTell(Math.max(clock.now() + SETTLE_MS, Math.min(nextTellAt, clock.now() + gatherMs)));
  }

  async function save() {
    callOffSave();
    while (unsaved.size > 0) {
      const keys = [...unsaved];
      unsaved.clear();
      const kept = keys.flatMap((key) => entries.get(key)?.alarm ?? []);
      try {
        await journal.saveAlarms(
          kept,
          keys.filter((key) => !entries.has(key)),
        );
      } catch (error) {
        log.error('alarms-not-saved', { count: keys.length, error: errorName(error) });
        for (const key of keys) unsaved.add(key);
        if (stopping.signal.aborted) return;
        callOffSave = clock.wakeAt(clock.now() + SAVE_AGAIN_MS, () => {
          saving ??= save().finally(() => {
            saving = null;
          });
        });
        return;
      }
    }
  }

  const isToBeRaised = ({ alarm, isConfirmed }: Entry) =>
    isConfirmed &&
    alarm.clearedAt === null &&
    alarm.step > (alarm.toldStep ?? -1) &&
    // Who cannot be reached cannot be told so.
    alarm.name !== 'webhook-failing';

  function scheduleTell(at: number) {
    if (receiver === null || telling !== null || callOffTell !== null || stopping.signal.aborted) return;
    callOffTell = clock.wakeAt(at, () => {
      callOffTell = null;
      telling = tell(receiver).finally(() => {
        telling = null;
        if (findUntold().length > 0) scheduleTell(nextTellAt);
      });
    });
  }

  const findUntold = () =>
    [...entries.values()].filter((entry) => isToBeRaised(entry) || entry.alarm.clearedAt !== null);

  async function tell(to: AlarmReceiver) {
    const untold = findUntold().slice(0, MOST_IN_A_REPORT);
    if (untold.length === 0) {
      // Whether it would answer now is not known, but nobody misses anything.
      failures = 0;
      clear('webhook-failing', {});
      return;
    }
    const sent = untold.map(({ alarm }) => alarm);
    const report = {
      raised: sent.filter(({ clearedAt }) => clearedAt === null).map(toAlarm),
      cleared: sent.filter(({ clearedAt }) => clearedAt !== null).map(toAlarm),
      open: list().length,
    };
    const overdue = new AbortController();
    const callOff = clock.wakeAt(clock.now() + tellTimeoutMs, () => overdue.abort());
    const isTold = await to.tell(report, AbortSignal.any([overdue.signal, stopping.signal])).catch(() => false);
    callOff();
    if (!isTold) {
      failures += 1;
      const waitMs = Math.min(TELL_AGAIN_MS * 2 ** (failures - 1), TELL_AGAIN_AT_LEAST_EVERY_MS);
      nextTellAt = clock.now() + waitMs;
      if (failures === FAILURES_TO_ALARM) raise('webhook-failing', {});
      return;
    }
    failures = 0;
    nextTellAt = clock.now() + gatherMs;
    for (const alarm of sent) noteTold(alarm);
    clear('webhook-failing', {});
  }

  function noteTold(told: StoredAlarm) {
    const entry = entries.get(told.key);
    if (entry === undefined) return;
    if (told.clearedAt === null) entry.alarm = { ...entry.alarm, toldStep: told.step };
    else if (entry.alarm.clearedAt !== null) entries.delete(told.key);
    // Raised anew while its end was being told.
    else entry.alarm = { ...entry.alarm, toldStep: null };
    changed(told.key);
  }

  function raise(name: AlarmName, about: Partial<AlarmSubject>, fields: AlarmFields = {}, step = 0) {
    const subject = wholeSubject(about);
    const key = keyOf(name, subject);
    const known = entries.get(key);
    if (known !== undefined && known.alarm.clearedAt === null) {
      known.callOffClear?.();
      known.callOffClear = null;
      const wasConfirmed = known.isConfirmed;
      known.isConfirmed = true;
      const isWorse = step > known.alarm.step;
      known.alarm = { ...known.alarm, fields, step: Math.max(step, known.alarm.step) };
      if (isWorse) gathered.raised(known.alarm);
      if (isWorse || !wasConfirmed) changed(key);
      return;
    }
    if (known === undefined && countOf(name) >= MOST_OF_A_NAME) {
      if (!tooMany.has(name)) log.warn('alarms-too-many', { alarm: name, count: MOST_OF_A_NAME });
      tooMany.add(name);
      return;
    }
    const { severity } = ALARMS[name];
    const toldStep = known?.alarm.toldStep ?? null;
    const since = clock.now();
    const alarm = { key, name, subject, severity, since, fields, step, toldStep, clearedAt: null };
    entries.set(key, { alarm, isConfirmed: true, callOffClear: null });
    gathered.raised(alarm);
    changed(key);
  }

  function clear(name: AlarmName, about: Partial<AlarmSubject>) {
    const key = keyOf(name, wholeSubject(about));
    const entry = entries.get(key);
    if (entry === undefined || entry.alarm.clearedAt !== null || entry.callOffClear !== null) return;
    entry.callOffClear = clock.wakeAt(clock.now() + clearAfterMs, () => {
      entry.callOffClear = null;
      // Who was told that it began is told that it ended.
      if (entry.alarm.toldStep === null || receiver === null) entries.delete(key);
      else entry.alarm = { ...entry.alarm, clearedAt: clock.now() };
      if (countOf(name) < MOST_OF_A_NAME) tooMany.delete(name);
      gathered.cleared(entry.alarm);
      changed(key);
    });
  }

  const countOf = (name: AlarmName) => [...entries.values()].filter(({ alarm }) => alarm.name === name).length;

  const list = () =>
    [...entries.values()]
      .filter(({ alarm }) => alarm.clearedAt === null)
      .map(({ alarm }) => toAlarm(alarm))
      .sort((a, b) => a.since - b.since);

  return {
    raise,
    clear,
    list,
    settle(name, holding, isUnknown = () => false) {
      const keys = new Set<string>();
      for (const { subject, fields, step } of holding) {
        keys.add(keyOf(name, wholeSubject(subject)));
        raise(name, subject, fields, step);
      }
      for (const [key, { alarm }] of [...entries]) {
        if (alarm.name === name && !keys.has(key) && !isUnknown(alarm.subject)) clear(name, alarm.subject);
      }
    },
    async restore() {
      for (const alarm of await journal.readAlarms()) {
        // Written by a version that had other alarms.
        if (!Object.hasOwn(ALARMS, alarm.name)) unsaved.add(alarm.key);
        else if (!entries.has(alarm.key)) entries.set(alarm.key, { alarm, isConfirmed: false, callOffClear: null });
      }
      for (const { alarm } of [...entries.values()])
        if (OF_ONE_RUN.includes(alarm.name)) clear(alarm.name, alarm.subject);
      if (entries.size > 0) log.info('alarms-restored', { count: list().length });
      if (findUntold().length > 0) scheduleTell(clock.now() + SETTLE_MS);
    },
    async stop() {
      stopping.abort();
      callOffTell?.();
      callOffSave();
      gathered.stop();
      for (const { callOffClear } of entries.values()) callOffClear?.();
      await telling;
      await saving;
      if (unsaved.size > 0) await save();
      callOffSave();
    },
  };
}

/** Writes one line for many alarms of a name that come close together. */
function createGatheredLog(log: Log, clock: Clock, gatherMs: number) {
  const waiting = new Map<string, { readonly raised: Map<string, Alarm>; readonly cleared: Map<string, Alarm> }>();
  const lastAt = new Map<string, number>();
  const timers = new Set<() => void>();

  function add(what: 'raised' | 'cleared', alarm: StoredAlarm) {
    const { name, key } = alarm;
    let batch = waiting.get(name);
    if (batch === undefined) {
      batch = { raised: new Map(), cleared: new Map() };
      waiting.set(name, batch);
      const now = clock.now();
      const at = Math.max(now + SETTLE_MS, Math.min((lastAt.get(name) ?? 0) + gatherMs, now + gatherMs));
      const callOff = clock.wakeAt(at, () => {
        timers.delete(callOff);
        write(name);
      });
      timers.add(callOff);
    }
    batch[what].set(key, alarm);
  }

  function write(name: string) {
    const batch = waiting.get(name);
    waiting.delete(name);
    lastAt.set(name, clock.now());
    if (batch === undefined) return;
    say('raised', [...batch.raised.values()]);
    say('cleared', [...batch.cleared.values()]);
  }

  function say(what: 'raised' | 'cleared', alarms: readonly Alarm[]) {
    const [first] = alarms;
    if (first === undefined) return;
    const fields = alarms.length === 1 ? fieldsOf(first) : { alarm: first.name, count: alarms.length };
    if (what === 'cleared') log.info('alarm-cleared', fields);
    else if (first.severity === 'critical') log.error('alarm-raised', fields);
    else log.warn('alarm-raised', fields);
  }

  return {
    raised: (alarm: StoredAlarm) => add('raised', alarm),
    cleared: (alarm: StoredAlarm) => add('cleared', alarm),
    /** What waits is written at once. */
    stop() {
      for (const callOff of timers) callOff();
      for (const name of [...waiting.keys()]) write(name);
    },
  };
}

function fieldsOf({ name, subject, fields }: Alarm): LogFields {
  const named = Object.entries(subject).filter(([, value]) => value !== null);
  const { forMs, ...rest } = fields;
  return { alarm: name, ...Object.fromEntries(named), ...rest, ...(forMs === undefined ? {} : { durationMs: forMs }) };
}

function toAlarm({ name, subject, severity, since, fields }: StoredAlarm): Alarm {
  return { name, subject, severity, since, fields };
}

const NOTHING: AlarmSubject = { channel: null, target: null, party: null, operation: null, address: null };

function wholeSubject(about: Partial<AlarmSubject>): AlarmSubject {
  return { ...NOTHING, ...about };
}

function keyOf(name: AlarmName, { channel, target, party, operation, address }: AlarmSubject): string {
  return JSON.stringify([name, channel, target, party, operation, address]);
}
