import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Clock } from '../contracts/clock.ts';
import type { Overview } from '../contracts/journal.ts';
import type { Status } from '../contracts/status.ts';

const DAY_MS = 86_400_000;

interface MetricRow {
  readonly type: 'counter' | 'gauge';
  readonly labels: readonly string[];
  readonly help: string;
}

const row = (type: MetricRow['type'], labels: readonly string[], help: string): MetricRow => ({ type, labels, help });

/** Every metric of our own. Labels hold names of the configuration and of our tables, never anything of a message. */
export const METRICS = {
  sluss_messages_total: row('counter', ['channel', 'state'], 'Messages taken in since start, by what became of them.'),
  sluss_answers_total: row('counter', ['channel', 'code'], 'Acknowledgements given since start, by code.'),
  sluss_attempts_total: row('counter', ['target', 'party', 'outcome'], 'Attempts ended since start, by outcome.'),
  sluss_faults_total: row('counter', ['fault'], 'Faults since start, by code of the fault table.'),
  sluss_warnings_total: row(
    'counter',
    ['fault'],
    'Values that did not fit and were sent on as they came, or left out, since start; by code of the fault table.',
  ),
  sluss_unkept_messages_total: row(
    'counter',
    ['channel'],
    'What was no message and was answered without being kept since start, as its address had sent too much of it.',
  ),
  sluss_alarm: row(
    'gauge',
    ['name', 'severity', 'channel', 'target', 'party', 'operation', 'address'],
    '1 = the alarm is open; those that are not are left out.',
  ),
  sluss_stored_messages: row('gauge', ['channel', 'state'], 'Messages in the journal, by state.'),
  sluss_stored_deliveries: row('gauge', ['target', 'party', 'state'], 'Deliveries in the journal, by state.'),
  sluss_owed_acknowledgements: row(
    'gauge',
    ['channel'],
    'Application acknowledgements that are owed and not written yet; those that are not due yet among them.',
  ),
  sluss_oldest_waiting_seconds: row('gauge', [], 'Age of the delivery that has been due the longest; 0 = none is due.'),
  sluss_oldest_held_seconds: row('gauge', [], 'Age of what has been held for a person the longest; 0 = nothing is.'),
  sluss_certificate_days_left: row('gauge', ['party'], 'Days until the party’s certificate ends; negative = it has.'),
  sluss_party_stopped: row('gauge', ['party'], '1 = the party’s certificate cannot be used.'),
  sluss_paused: row(
    'gauge',
    ['target', 'party', 'operation'],
    'Always 1, a row for each pause that a person made; an empty label = any.',
  ),
  sluss_ready: row('gauge', [], '1 = messages are taken in.'),
  sluss_disk_low: row('gauge', [], '1 = the disk of the journal is nearly full, and nothing new is taken in.'),
  sluss_disk_free_bytes: row('gauge', [], 'Bytes free on the disk of the journal, as of the last look.'),
  sluss_journal_up: row('gauge', [], '1 = the journal can be read and written.'),
  sluss_mapping_reload_failed: row(
    'gauge',
    [],
    '1 = the newest mapping files have mistakes, and older ones are in force.',
  ),
  sluss_configuration_reload_failed: row(
    'gauge',
    [],
    '1 = the newest configuration was refused, and the older one is in force.',
  ),
  sluss_build_info: row('gauge', ['version', 'mapping_version', 'node_version'], 'Always 1; its labels say what runs.'),
} as const satisfies Record<string, MetricRow>;

type MetricName = keyof typeof METRICS;

export interface Metrics {
  readonly contentType: string;
  /** The text of a scrape. Never rejects: what cannot be known is left out. */
  read(): Promise<string>;
  stop(): void;
}

/** Makes a registry of its own, so that several engines in one process do not share one. */
export function createMetrics(status: Status, clock: Clock): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const made = new Map<MetricName, Counter<string> | Gauge<string>>();
  for (const [name, { type, labels, help }] of Object.entries(METRICS)) {
    const options = { name, help, labelNames: [...labels], registers: [registry] };
    made.set(name as MetricName, type === 'counter' ? new Counter(options) : new Gauge(options));
  }
  const add = (name: MetricName, values: readonly string[], amount: number) => {
    const labels = Object.fromEntries(METRICS[name].labels.map((label, index) => [label, values[index] ?? '']));
    made.get(name)?.inc(labels, amount);
  };

  return {
    contentType: registry.contentType,
    async read() {
      const overview = await readOverview(status);
      // Everything is known elsewhere; the registry only gives it its form.
      for (const metric of made.values()) metric.reset();
      addCounters(status, add);
      if (overview !== null) addOverview(overview, clock.now(), add);
      addStatus(status, overview !== null, clock.now(), add);
      return await registry.metrics();
    },
    stop() {
      registry.clear();
    },
  };
}

type Add = (name: MetricName, labels: readonly string[], amount: number) => void;

async function readOverview(status: Status): Promise<Overview | null> {
  try {
    return await status.overview();
  } catch {
    return null;
  }
}

function addCounters(status: Status, add: Add) {
  const { messages, answers, attempts, faults, warnings, unkept } = status.counters();
  const counts = {
    sluss_messages_total: messages,
    sluss_answers_total: answers,
    sluss_attempts_total: attempts,
    sluss_faults_total: faults,
    sluss_warnings_total: warnings,
    sluss_unkept_messages_total: unkept,
  };
  for (const [name, count] of Object.entries(counts)) {
    for (const [key, amount] of count) add(name as MetricName, key.split(' '), amount);
  }
}

function addOverview(overview: Overview, now: number, add: Add) {
  for (const { channel, state, count } of overview.messages) add('sluss_stored_messages', [channel, state], count);
  for (const { target, party, state, count } of overview.deliveries) {
    add('sluss_stored_deliveries', [target, party, state], count);
  }
  for (const { channel, count } of overview.owedAcks) add('sluss_owed_acknowledgements', [channel], count);
  const ageOf = (since: number | null) => (since === null ? 0 : Math.max(0, now - since) / 1_000);
  add('sluss_oldest_waiting_seconds', [], ageOf(overview.oldestWaitingAt));
  add('sluss_oldest_held_seconds', [], ageOf(overview.oldestHeldAt));
}

function addStatus(status: Status, journalIsReadable: boolean, now: number, add: Add) {
  for (const { party, fault, validTo } of status.parties()) {
    if (validTo !== null) add('sluss_certificate_days_left', [party.id], Math.floor((validTo - now) / DAY_MS));
    add('sluss_party_stopped', [party.id], fault === null ? 0 : 1);
  }
  for (const { name, severity, subject } of status.alarms()) {
    const { channel, target, party, operation, address } = subject;
    add('sluss_alarm', [name, severity, ...[channel, target, party, operation, address].map((one) => one ?? '')], 1);
  }
  for (const { target, party, operation } of status.pauses()) {
    add('sluss_paused', [target ?? '', party ?? '', operation ?? ''], 1);
  }
  add('sluss_ready', [], status.isReady() ? 1 : 0);
  const { hasRoom, freeBytes } = status.disk();
  add('sluss_disk_low', [], hasRoom ? 0 : 1);
  if (freeBytes !== null) add('sluss_disk_free_bytes', [], freeBytes);
  add('sluss_journal_up', [], journalIsReadable && status.problem() === null ? 1 : 0);
  add('sluss_mapping_reload_failed', [], status.mappingProblem() === null ? 0 : 1);
  add('sluss_configuration_reload_failed', [], status.configurationProblem() === null ? 0 : 1);
  add('sluss_build_info', [status.version, status.mappingVersion(), process.version], 1);
}
