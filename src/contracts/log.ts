import type { AlarmName } from './alarm.ts';

/** The closed list of what a log line may hold besides its event name. No field of it can carry patient data. */
export interface LogFields {
  channel?: string;
  target?: string;
  operation?: string;
  party?: string;
  messageId?: number;
  deliveryId?: number;
  attempt?: number;
  state?: string;
  /** Fault code, HL7 location and file position; see `FaultRecord`. */
  fault?: string;
  at?: string;
  where?: string;
  detail?: string;
  address?: string;
  /** Path of a configuration, certificate or mapping file; never of a file that a sender named. */
  file?: string;
  version?: string;
  status?: number;
  count?: number;
  bytes?: number;
  durationMs?: number;
  daysLeft?: number;
  alarm?: AlarmName;
  /** Error class and code of an unforeseen error; its text only where no message content can be in it. */
  error?: string;
}

/** Event names are kebab-case words for a fixed set of happenings: `message-admitted`, `delivery-retry`. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}
