/**
 * config/ is the front desk: it reads `sluss.yaml`, says of every mistake in which line it stands, and hands out plain
 * values. It must never know a room: what a source or a target wants to be told stands in its plugin's own schema.
 */
import type { Document, LineCounter, Node } from 'yaml';
import type { SourcePlugin, TargetPlugin } from '../contracts/plugin.ts';
import type { AckDialect } from '../contracts/source.ts';

import type { UpkeepConfiguration, WebhookConfiguration } from './upkeep.ts';

export type AnyPlugin = SourcePlugin | TargetPlugin;

/** Where a shared journal is, and who this node is. */
export interface JournalServer {
  /** As it was written: it may hold the password. */
  readonly url: string;
  /** null = it is in the URL, or there is none. */
  readonly password: string | null;
  /** null = the machine's name. */
  readonly node: string | null;
  readonly leaseMs: number;
}

/** What `sluss.yaml` says, checked and complete. Paths of the engine's own are absolute, times in ms. */
export interface Configuration<Party> {
  /** Absolute path of the file itself. */
  readonly file: string;
  /** Hash of what the file says, 16 hex digits. */
  readonly version: string;
  /** Its file; the URL of a shared one, without user and password. */
  readonly journal: string;
  /** The shared journal; null = it is a file. */
  readonly journalServer: JournalServer | null;
  /** Path of the socket on which the engine is spoken to. */
  readonly control: string;
  readonly journalLimits: {
    readonly reserveBytes: number;
    readonly maxQueued: number;
    readonly maxQueuedBytes: number;
  };
  /** The installation's secret, at least 32 bytes. */
  readonly secret: Uint8Array;
  /** Folders of mapping files, in order of precedence. */
  readonly mappings: readonly string[];
  readonly console: { readonly host: string; readonly port: number } | null;
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly pretty: boolean };
  readonly engine: { readonly storeFirstBytes: number; readonly graceMs: number };
  readonly upkeep: UpkeepConfiguration;
  /** Where alarms are told; null = only in the log and the metrics. */
  readonly webhook: WebhookConfiguration | null;
  /** By id; each as the schema of parties gave it out. */
  readonly parties: Readonly<Record<string, Party>>;
  readonly targets: readonly TargetConfiguration[];
  readonly channels: readonly ChannelConfiguration[];
  /** What is allowed, but probably not meant. */
  readonly warnings: readonly ConfigProblem[];
  /** A problem that shows only when what is named here is used, at the line that names it. */
  problemAt(path: readonly PropertyKey[], text: string): ConfigProblem;
}

export interface TargetConfiguration {
  readonly name: string;
  readonly plugin: TargetPlugin;
  /** As the plugin's schema gave it out. */
  readonly config: unknown;
  readonly limits: TargetLimitsConfiguration;
}

export interface TargetLimitsConfiguration {
  readonly concurrency: number;
  /** Attempts that may begin in any span of `perMs`; null = no limit. */
  readonly rate: { readonly count: number; readonly perMs: number } | null;
  readonly timeoutMs: number;
  readonly retry: { readonly minMs: number; readonly maxMs: number };
  readonly giveUp: { readonly afterFailures: number; readonly afterMs: number };
  readonly breakAfterDeliveries: number;
  readonly breakerProbeMs: number;
  readonly pauseProbeMs: number;
}

export interface ChannelConfiguration {
  readonly name: string;
  readonly source: { readonly plugin: SourcePlugin; readonly config: unknown };
  readonly mappings: readonly string[];
  readonly parties: readonly string[];
  readonly charset: { readonly default: string | null; readonly force: string | null };
  /** IANA name; null = what the mapping says. */
  readonly zone: string | null;
  readonly limits: { readonly segments: number; readonly fields: number; readonly repetitions: number };
  readonly acknowledge: 'stored' | 'taken' | 'settled';
  readonly answerWithinMs: number;
  readonly ackDialect: AckDialect;
  /** The subtree under `targets:`, what its mappings call a target and which one that is here; null = all are called so. */
  readonly targets: YamlPlace | null;
  /** The target that takes acknowledgements whose connection is gone; null = there is none. */
  readonly returnTo: string | null;
  /** When its silence is an alarm; null = by its own rhythm. */
  readonly quietAfterMs: number | 'never' | null;
  /** Where the channel names its mappings, for who finds something wrong with them. */
  readonly mappingsPlace: YamlPlace | null;
  /** The subtree under `with:` with its positions, for the mapping room to read; null = there is none. */
  readonly with: YamlPlace | null;
}

/** A YAML node and where it stands. */
export interface YamlPlace {
  readonly file: string;
  readonly node: Node;
  readonly document: Document;
  readonly lineCounter: LineCounter;
}

/** One mistake. `line` and `column` start at 1; null where no line is to blame. */
export interface ConfigProblem {
  readonly file: string;
  readonly line: number | null;
  readonly column: number | null;
  readonly text: string;
}

/** `sluss.yaml:12:5 targets.covidbevis.url is missing` */
export function problemText(problem: ConfigProblem): string {
  const { file, line, column, text } = problem;
  return line === null ? `${file} ${text}` : `${file}:${line}:${column ?? 1} ${text}`;
}

/** The configuration cannot be used. Its message holds one line a problem. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(problemText).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Where the engine that has a journal's file can be spoken to. */
export function controlPath(journal: string): string {
  return `${journal}.sock`;
}

/** The URL of a database as it may be shown. */
export function withoutUser(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//');
}
