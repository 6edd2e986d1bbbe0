import pino from 'pino';
import type { Clock } from './contracts/clock.ts';
import type { Log, LogFields } from './contracts/log.ts';

type Level = keyof Log;

/** A log whose least level can be set while it is used. */
export interface LeveledLog extends Log {
  setLevel(level: Level): void;
}

/** Where lines go; a stream of the process, or a test's own. */
export interface LogDestination {
  write(line: string): void;
}

export interface LogOptions {
  readonly level: Level;
  /** Lines for people instead of JSON. */
  readonly pretty: boolean;
  readonly colours: boolean;
  readonly destination: LogDestination;
  readonly clock: Clock;
}

/** The closed list once more, as values: a plugin that is not type-checked cannot write anything else either. */
const FIELDS = {
  channel: true,
  target: true,
  operation: true,
  party: true,
  messageId: true,
  deliveryId: true,
  attempt: true,
  state: true,
  fault: true,
  at: true,
  where: true,
  detail: true,
  address: true,
  file: true,
  version: true,
  status: true,
  count: true,
  bytes: true,
  durationMs: true,
  daysLeft: true,
  alarm: true,
  error: true,
} as const satisfies Record<keyof LogFields, true>;

const LEVELS: readonly Level[] = ['debug', 'info', 'warn', 'error'];
const COLOURS: Readonly<Record<Level, string>> = {
  debug: '\x1b[2m',
  info: '\x1b[32m',
  warn: '\x1b[33m',
  error: '\x1b[31m',
};
const DIM = '\x1b[2m';
const RESET = '\x1b[0m';

/** A log that writes one line an event: JSON for machines, or short lines for people. */
export function createLog(options: LogOptions): LeveledLog {
  return options.pretty ? createPrettyLog(options) : createJsonLog(options);
}

function createJsonLog({ level, destination, clock }: LogOptions): LeveledLog {
  const timestamp = () => `,"time":"${new Date(clock.now()).toISOString()}"`;
  const settings = { level, base: null, timestamp, messageKey: 'event' };
  const logger = pino({ ...settings, formatters: { level: (label) => ({ level: label }) } }, destination);
  const write = (at: Level) => (event: string, fields?: LogFields) => logger[at](onlyKnown(fields), event);
  const setLevel = (next: Level) => {
    logger.level = next;
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), setLevel };
}

function createPrettyLog({ level, colours, destination, clock }: LogOptions): LeveledLog {
  let least = level;
  const paint = (colour: string, text: string) => (colours ? `${colour}${text}${RESET}` : text);
  const write = (at: Level) => (event: string, fields?: LogFields) => {
    if (LEVELS.indexOf(at) < LEVELS.indexOf(least)) return;
    const time = new Date(clock.now()).toISOString().slice(11, 23);
    const rest = Object.entries(onlyKnown(fields)).map(([name, value]) => `${paint(DIM, `${name}=`)}${quoted(value)}`);
    destination.write(`${[paint(DIM, time), paint(COLOURS[at], at.padEnd(5)), event, ...rest].join(' ')}\n`);
  };
  const setLevel = (next: Level) => {
    least = next;
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), setLevel };
}

function onlyKnown(fields: LogFields = {}): Record<string, string | number> {
  return Object.fromEntries(Object.entries(fields).filter(([name, value]) => name in FIELDS && value !== undefined));
}

function quoted(value: string | number): string {
  return /^[^\s"=]+$/.test(String(value)) ? String(value) : JSON.stringify(value);
}
