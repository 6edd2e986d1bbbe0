/**
 * `warning` somebody should look during working hours · `critical` now: results do not arrive, or are about not to.
 */
export type Severity = 'warning' | 'critical';

interface AlarmRow {
  readonly severity: Severity;
  /** A complete sentence: what is the case while it is open. */
  readonly means: string;
  /** A complete sentence: what to do about it. */
  readonly toDo: string;
}

const row = (severity: Severity, means: string, toDo: string): AlarmRow => ({ severity, means, toDo });

/** Every alarm there is. `docs/alarms.md` says of each when it is raised and cleared, and which test shows it. */
export const ALARMS = {
  'queue-growing': row(
    'warning',
    'More and more deliveries wait for this receiver.',
    'See whether the receiver is slow or refuses, and whether concurrency or rate hold it back.',
  ),
  'waiting-too-long': row(
    'critical',
    'A delivery that is due has not been taken for too long.',
    'See which receiver it waits for, and what its last attempt ended with.',
  ),
  'messages-held': row(
    'warning',
    'Messages of this channel wait for a person.',
    'Read their faults, mend the mapping or ask the laboratory, then replay, release or cancel them.',
  ),
  'deliveries-expired': row(
    'warning',
    'Deliveries to this receiver waited until their time was over, and were cancelled.',
    'See why they could not be sent in time, and tell the care provider: these results are not sent any more.',
  ),
  'deliveries-held': row(
    'warning',
    'Deliveries to this receiver wait for a person.',
    'Read their faults, then release or cancel them.',
  ),
  'party-paused': row(
    'critical',
    'The receiver does not accept this care provider, or not for this operation.',
    'Ask the receiver about the certificate or the agreement; one delivery is tried from time to time.',
  ),
  'party-stopped': row(
    'critical',
    'The certificate or key of this care provider cannot be used.',
    'Put the right file in its place; it is read again by itself.',
  ),
  paused: row(
    'warning',
    'Somebody paused this receiver or care provider.',
    'Resume it when the reason for it is gone.',
  ),
  'target-failing': row(
    'critical',
    'Several deliveries to this receiver failed in a row, so it is only probed.',
    'See whether it can be reached, and what it answers; sending goes on by itself once it works.',
  ),
  'certificate-ending': row(
    'warning',
    'The certificate of this care provider ends soon.',
    'Order a new one and put it in the old one’s place; it is read again by itself.',
  ),
  'certificate-ended': row(
    'critical',
    'The certificate of this care provider has ended.',
    'Put a new one in its place; it is read again by itself.',
  ),
  'disk-reserve': row(
    'critical',
    'The disk of the journal is nearly full, so nothing more is taken in.',
    'Make room; taking goes on by itself.',
  ),
  'journal-failing': row(
    'critical',
    'The journal cannot be written, so nothing more is taken in.',
    'See the log for what the disk says: full, read-only or broken.',
  ),
  'feed-quiet': row(
    'warning',
    'This channel has been silent for much longer than is usual at this time of the week.',
    'Ask the laboratory whether it still sends, and look at the network between.',
  ),
  'mapping-reload-failed': row(
    'warning',
    'The newest mapping files have mistakes, and older ones are in force.',
    'Run sluss check, and mend the files.',
  ),
  'configuration-reload-failed': row(
    'warning',
    'The newest configuration has mistakes, and the older one is in force.',
    'Run sluss check, and mend the file.',
  ),
  'acks-unpayable': row(
    'warning',
    'Senders of this channel are owed acknowledgements that no connection takes any more.',
    'Name a return target, or have the laboratory send these messages again.',
  ),
  'acks-dropped': row(
    'warning',
    'Acknowledgements of this channel were owed for so long that they were given up.',
    'Name a return target; the history of each message has it as ack-dropped.',
  ),
  'junk-quota': row(
    'warning',
    'This address sent so much that is no message that no more of it is kept; it is still answered.',
    'Find out who sends there, and what.',
  ),
  'webhook-failing': row(
    'warning',
    'Alarms cannot be told to the webhook; the log and the metrics have them.',
    'See whether its address can be reached, and what it answers.',
  ),
} as const satisfies Record<string, AlarmRow>;

export type AlarmName = keyof typeof ALARMS;

/** What an alarm is about: names of the configuration, or a sender's address. All of them null = the engine as a whole. */
export interface AlarmSubject {
  readonly channel: string | null;
  readonly target: string | null;
  readonly party: string | null;
  readonly operation: string | null;
  readonly address: string | null;
}

/** What is known beside it when it is raised. No patient data: counts, fault codes, words of our own tables. */
export interface AlarmFields {
  readonly count?: number;
  readonly daysLeft?: number;
  /** How long it has been so. */
  readonly forMs?: number;
  /** A fault code, a limit, a file and line of our own. */
  readonly detail?: string;
}

/** One that is open. */
export interface Alarm {
  readonly name: AlarmName;
  readonly subject: AlarmSubject;
  readonly severity: Severity;
  /** ms since the epoch. */
  readonly since: number;
  readonly fields: AlarmFields;
}

/** An alarm as the journal keeps it, so that a restart neither repeats nor loses one. */
export interface StoredAlarm extends Alarm {
  readonly key: string;
  readonly step: number;
  /** The step the receiver was told of; null = it knows nothing of this alarm. */
  readonly toldStep: number | null;
  /** Set where it was cleared and the receiver is still to be told so. */
  readonly clearedAt: number | null;
}

/** Raises and clears alarms; for whoever in the engine's house finds that something is the case. Never throws. */
export interface AlarmBell {
  /**
   * Something is the case. Told once, however often it is said; again only with a greater `step`, as when a certificate
   * has fewer days left than the next limit.
   */
  raise(name: AlarmName, subject: Partial<AlarmSubject>, fields?: AlarmFields, step?: number): void;
  /** It is no longer the case. Told once, and only after it has stayed so for a while. */
  clear(name: AlarmName, subject: Partial<AlarmSubject>): void;
}

/** What came to be and what ceased since the last report. One report may tell of many. */
export interface AlarmReport {
  readonly raised: readonly Alarm[];
  readonly cleared: readonly Alarm[];
  /** How many are open by now. */
  readonly open: number;
}

/** Takes reports elsewhere: a webhook. */
export interface AlarmReceiver {
  /** True = it took the report. Never rejects; ends soon after `signal` aborts. */
  tell(report: AlarmReport, signal: AbortSignal): Promise<boolean>;
}
