import type { Alarm } from './alarm.ts';
import type { Overview } from './journal.ts';
import type { PauseScope } from './operations.ts';
import type { PartyStatus } from './party.ts';

/** What the console may see of a running engine. */
export interface Status {
  /** null = the process works; else why not, in words without patient data. */
  problem(): string | null;
  /** True once sources take messages, false again when stopping. */
  isReady(): boolean;
  /** The disk of the journal. Without room nothing new is taken; `freeBytes` null = not known. */
  disk(): { readonly hasRoom: boolean; readonly freeBytes: number | null };
  readonly version: string;
  mappingVersion(): string;
  /** Text of the last mapping reload that failed; null = the newest files are in force. */
  mappingProblem(): string | null;
  /** Text of the last reload of the configuration that was refused; null = the newest is in force. */
  configurationProblem(): string | null;
  overview(): Promise<Overview>;
  parties(): readonly PartyStatus[];
  /** Sources by channel and address. */
  sources(): readonly { readonly channel: string; readonly address: string }[];
  /** What people paused. */
  pauses(): readonly PauseScope[];
  counters(): Counters;
  /** Alarms that are open, the oldest first. */
  alarms(): readonly Alarm[];
}

/** Counted since start; keys are closed sets of configuration names and table codes. */
export interface Counters {
  readonly messages: ReadonlyMap<string, number>;
  readonly answers: ReadonlyMap<string, number>;
  readonly attempts: ReadonlyMap<string, number>;
  readonly faults: ReadonlyMap<string, number>;
  readonly warnings: ReadonlyMap<string, number>;
  /** By channel: what was no message, and was answered without being kept, as its address had sent too much of it. */
  readonly unkept: ReadonlyMap<string, number>;
}
