import type { AckDialect, Source } from '../contracts/source.ts';
import type { Target } from '../contracts/target.ts';
import type { CharsetPolicy } from '../hl7/charset.ts';
import type { PartLimits } from '../hl7/part-limits.ts';
import { JUNK_SETTINGS, type JunkSettings } from './junk-quota.ts';
import { RETENTION_SETTINGS, type RetentionSettings } from './retention.ts';
import { ALARM_SETTINGS, type AlarmSettings } from './watch.ts';

/** A channel as the engine sees it. */
export interface Channel {
  readonly name: string;
  readonly source: Source;
  /** Ids of the parties it may speak for. */
  readonly parties: readonly string[];
  /** How its senders' character set is found. */
  readonly charset: CharsetPolicy;
  /** A message of more parts is refused before it is mapped. */
  readonly limits: PartLimits;
  /** When its senders are answered; see `reply.ts`. */
  readonly acknowledge: Acknowledge;
  /** With `settled`: after this long the sender is told to ask again. */
  readonly answerWithinMs: number;
  readonly dialect: AckDialect;
  /** Target that takes the application acknowledgements whose connection is gone; null = they stay owed. */
  readonly returnTo: string | null;
  /** When its silence is an alarm: after so long, `never`, or null = by its own rhythm. */
  readonly quietAfterMs: number | 'never' | null;
  /** IANA name of its senders' zone; null = not known. */
  readonly zone: string | null;
}

/**
 * `stored`: once it is on disk, whatever the mapping finds · `taken`: once the mapping has accepted it, too ·
 * `settled`: once everything made of it has ended.
 */
export type Acknowledge = 'stored' | 'taken' | 'settled';

/** The operation of a target that takes acknowledgements. */
export const RETURN_OPERATION = 'acknowledgement';

/** A target with the limits the engine keeps for it. */
export interface TargetPlace {
  readonly name: string;
  readonly target: Target;
  readonly limits: TargetLimits;
}

export interface TargetLimits {
  /** Attempts at the same time for one party. */
  readonly concurrency: number;
  /** Attempts that may begin in a span for one party; null = no limit. */
  readonly rate: RateLimit | null;
  /** After this long an attempt is aborted. */
  readonly timeoutMs: number;
  readonly retry: RetryLimits;
  readonly giveUp: GiveUpLimits;
  /** This many different deliveries failing in a row open the breaker of a (target, party). */
  readonly breakAfterDeliveries: number;
  /** While a breaker is open, one delivery is tried this often. */
  readonly breakerProbeMs: number;
  /** While a party or an operation is paused, one delivery is tried this often. */
  readonly pauseProbeMs: number;
}

/** At most `count` starts in any `perMs`. */
export interface RateLimit {
  readonly count: number;
  readonly perMs: number;
}

export interface RetryLimits {
  readonly minMs: number;
  readonly maxMs: number;
}

export interface GiveUpLimits {
  /** Failures seen while others succeeded. */
  readonly afterFailures: number;
  /** Time from the first of them. */
  readonly afterMs: number;
}

export const PART_LIMITS: PartLimits = { segments: 20_000, fields: 1_000, repetitions: 10_000 };

export const TARGET_LIMITS: TargetLimits = {
  concurrency: 8,
  rate: null,
  timeoutMs: 60_000,
  retry: { minMs: 1_000, maxMs: 15 * 60_000 },
  giveUp: { afterFailures: 5, afterMs: 24 * 3_600_000 },
  breakAfterDeliveries: 5,
  breakerProbeMs: 15_000,
  pauseProbeMs: 5 * 60_000,
};

/** What the engine does beside its work: it watches, and keeps its memory tidy. */
export interface UpkeepSettings {
  readonly alarms: AlarmSettings;
  readonly retention: RetentionSettings;
  readonly junk: JunkSettings;
}

export const UPKEEP_SETTINGS: UpkeepSettings = {
  alarms: ALARM_SETTINGS,
  retention: RETENTION_SETTINGS,
  junk: JUNK_SETTINGS,
};

export interface EngineSettings {
  /** Larger messages are stored before they are mapped. */
  readonly storeFirstBytes: number;
  /** How long a stop waits for attempts under way before it aborts them. */
  readonly graceMs: number;
}

export const ENGINE_SETTINGS: EngineSettings = { storeFirstBytes: 1_000_000, graceMs: 10_000 };
