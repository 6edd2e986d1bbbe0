import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { createAuthority } from '../../src/simulators/pki.ts';
import { systemClock } from '../../src/system-clock.ts';
import { firstLineOptions } from '../../test/whole/engine-process.ts';
import { NORD } from '../../test/whole/site.ts';
import { type Child, forkChild } from './child.ts';
import { readSpentMs } from './processor.ts';
import type { StandInOrder, StandInSaid } from './stand-in.ts';

const ROOT = join(import.meta.dirname, '../..');
const CHECKOUT = join(ROOT, 'src/cli/sluss.ts');
const LOOK_MS = 10;

export interface InstallationOptions {
  /**
   * `reports` = `oru-r01`, to a FHIR server; `off` = a mapping that takes every message and makes nothing of it; `files` =
   * each result becomes a file, by a mapping of its own, and nothing else is configured.
   */
  readonly mapping?: 'certificates' | 'reports' | 'off' | 'files';
  /** What is run; by default the checkout's. */
  readonly program?: string;
  /** Where messages come from: a port, or the folder `inbox`. */
  readonly source?: 'mllp' | 'folder';
  /** `closed` = there is no receiver: what waits stays waiting. */
  readonly answer?: StandInOrder['answer'] | 'closed';
  /** Attempts at a time. */
  readonly concurrency?: number;
  /** A journal to begin with; it is copied. */
  readonly journal?: string | null;
  /** A journal to go on with, where it lies: a large copy would keep the disk busy while something is measured. */
  readonly journalInPlace?: string | null;
  /** Where the engine's threads leave their profiles; null = unmeasured. */
  readonly profile?: string | null;
}

/** The real engine, run as a process of its own from a configuration in a folder of its own. */
export interface RunningEngine {
  readonly pid: number;
  readonly port: number;
  /** From its start to listening. */
  readonly startedInMs: number;
  residentMb(): number;
  /** The most it ever had resident, or since `forgetPeak`. */
  peakMb(): number;
  forgetPeak(): void;
  /** Processor time since its start: of the main thread, and of the process with all its threads. */
  spentMs(): { readonly main: number; readonly all: number };
  /** @throws Error once it has ended */
  mustRun(): void;
  /** SIGTERM; resolves once it has ended. @throws Error unless it ended well */
  stop(): Promise<void>;
}

/** Certificates, a configuration, the stand-in of the certificate service: everything around the engine. */
export interface Installation extends AsyncDisposable {
  readonly folder: string;
  /** What a `folder` source watches. */
  readonly inbox: string;
  readonly journalFile: string;
  readonly standIn: Child<StandInSaid> | null;
  /** Base URL of the stand-in; one that nobody listens on where there is none. */
  readonly url: string;
  /** What a client of the stand-in has to show and to trust, as PEM. */
  readonly pem: { readonly cert: string; readonly key: string; readonly ca: string };
  /** How many requests the stand-in has answered. */
  answered(): number;
  launch(): Promise<RunningEngine>;
  /** How many deliveries are in this state, as the journal has it on disk. */
  deliveries(state: 'waiting' | 'delivered'): number;
}

/** @param onAnswered told now and then how many requests the stand-in has answered */
export async function install(
  options: InstallationOptions,
  onAnswered: (answered: number) => void = () => {},
): Promise<Installation> {
  const { answer = 'small', journal = null, profile = process.env.BENCH_PROFILE ?? null } = options;
  const folder = mkdtempSync(join(tmpdir(), 'sluss-bench-'));
  const journalFile = options.journalInPlace ?? join(folder, 'journal.db');
  const inbox = join(folder, 'inbox');
  mkdirSync(inbox);
  if (journal !== null) copyFileSync(journal, journalFile);
  const authority = await createAuthority({ name: 'Throw-away authority', now: systemClock.now() });
  const server = await authority.issueServer({ names: ['localhost', '127.0.0.1'] });
  const client = await authority.issueClient({ organisation: NORD.name, organisationNumber: NORD.number });
  writeFileSync(join(folder, 'ca.crt'), authority.cert);
  writeFileSync(join(folder, 'party.crt'), client.cert);
  writeFileSync(join(folder, 'party.key'), client.key, { mode: 0o600 });
  let answered = 0;
  let standIn: Child<StandInSaid> | null = null;
  let url = 'https://localhost:9';
  if (answer !== 'closed') {
    const order: StandInOrder = { cert: server.cert, key: server.key, clientCa: authority.cert, answer };
    standIn = forkChild<StandInSaid>('stand-in', order, (said) => {
      if (!('answered' in said)) return;
      answered = said.answered;
      onAnswered(answered);
    });
    url = (await standIn.heard((said) => 'url' in said)).url;
  }
  const configFile = join(folder, 'sluss.yaml');
  writeFileSync(configFile, configurationOf(options, journalFile, url));
  mkdirSync(join(folder, 'off'));
  writeFileSync(join(folder, 'off/off.yaml'), MAPPING_OFF);
  mkdirSync(join(folder, 'files'));
  writeFileSync(join(folder, 'files/files.yaml'), MAPPING_TO_FILES);
  const engines: RunningEngine[] = [];
  return {
    folder,
    inbox,
    journalFile,
    standIn,
    url,
    pem: { cert: client.cert, key: client.key, ca: authority.cert },
    answered: () => answered,
    async launch() {
      const engine = await launch(folder, configFile, options.program ?? CHECKOUT, profile);
      engines.push(engine);
      return engine;
    },
    deliveries(state) {
      const db = new Database(journalFile, { readonly: true });
      const sum = `select ifnull(sum(count), 0) from tallies where kind = 'delivery' and state = ?`;
      const count = db.prepare<[string], number>(sum).pluck().get(state) ?? 0;
      db.close();
      return count;
    },
    async [Symbol.asyncDispose]() {
      for (const engine of engines) await engine.stop();
      await standIn?.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function launch(
  folder: string,
  configFile: string,
  program: string,
  profile: string | null,
): Promise<RunningEngine> {
  const options = profile === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const logFile = join(folder, `engine-${performance.now().toFixed(0)}.log`);
  const log = openSync(logFile, 'w', 0o600);
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...firstLineOptions(program), ...options, program, 'run', '-c', configFile], {
    stdio: ['ignore', log, log],
  });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  for (;;) {
    const text = readFileSync(logFile, 'utf8');
    const address = /"source-started".*|.*"source-started"/.exec(text)?.[0];
    if (address !== undefined && text.includes('"engine-started"')) {
      let stopped: Promise<void> | null = null;
      const pid = child.pid ?? 0;
      return {
        pid,
        port: Number(/mllp:\/\/[^:]+:(\d+)/.exec(text)?.[1]),
        startedInMs: performance.now() - startedAt,
        residentMb: () => readStatusMb(pid, 'VmRSS'),
        peakMb: () => readStatusMb(pid, 'VmHWM'),
        forgetPeak: () => writeFileSync(`/proc/${pid}/clear_refs`, '5'),
        spentMs: () => ({ main: readSpentMs(`/proc/${pid}/task/${pid}/stat`), all: readSpentMs(`/proc/${pid}/stat`) }),
        mustRun() {
          if (child.exitCode !== null || child.signalCode !== null) throw new Error('the engine has ended');
        },
        stop() {
          stopped ??= (async () => {
            child.kill('SIGTERM');
            const [code] = await ended;
            if (code !== 0) throw new Error(`the engine ended with ${code}`);
          })();
          return stopped;
        },
      };
    }
    if (child.exitCode !== null) throw new Error(`the engine did not start: ${text}`);
    await wait(LOOK_MS);
  }
}

function readStatusMb(pid: number, name: string): number {
  return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Size of a file; 0 where there is none. */
export function sizeMb(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) / 1e6;
}

/** As little as the language lets a mapping do: each result is left out, unread and unstated. */
const MAPPING_OFF = `mapping: off
summary: Takes everything and makes nothing of it.
match: { type: ORU^R01 }
zone: Europe/Stockholm
each: OBSERVATION
party: MSH-4.2
ignore: [{ when: 'MSH-10 != ""', reason: mapping-off }]
lane: MSH-10
result: { key: [MSH-10], rank: [MSH-7], digest: [MSH-10] }
deliver: [{ to: covidbevis/test-certificate, body: { value: none } }]
`;

const MAPPING_TO_FILES = `mapping: to-files
summary: Each result becomes a file.
match: { type: ORU^R01 }
zone: Europe/Stockholm
each: OBSERVATION
party: MSH-4.2
lane: PID-3.1
let: { id: { from: OBR-3.1 } }
result: { key: [OBR-3.1, OBX-3.1], rank: [MSH-7], digest: [OBX-5] }
deliver:
  - to: results/write
    body: { set: { name: { text: '{id}.txt' }, content: { from: OBX-5.1 }, encoding: { value: utf8 } } }
`;

/** What a laboratory's channel is mapped by. */
const CHANNEL = {
  certificates: '[se-covid-certificates]\n    with: { testHours: 876000, recoveryToDay: 36500 }',
  reports: '[oru-r01]',
  off: '[off]',
} as const;

/** The canned answers hold no QR code: reading one takes 10 ms of another thread, and would be all that is measured. */
function configurationOf(options: InstallationOptions, journalFile: string, url: string): string {
  const { mapping = 'certificates', source = 'mllp', concurrency = 16 } = options;
  const party = `parties:
  ${NORD.id}:
    name: ${NORD.name}
    organisationsnummer: '${NORD.number}'
    certificate: { cert: party.crt, key: party.key }`;
  if (mapping === 'files') {
    return `journal: ${JSON.stringify(journalFile)}
secret: { file: secret, create: true }
mappings: [files]
${party}
targets: { results: { kind: folder, path: results } }
channels:
  laboratory: { source: { kind: mllp, port: 0 }, parties: [${NORD.id}], mappings: [to-files] }
  inbox: { source: { kind: folder, path: inbox }, parties: [${NORD.id}], mappings: [to-files] }
`;
  }
  const limits = `concurrency: ${concurrency}
    retry: { min: 20ms, max: 200ms }
    breaker: { deliveries: 2, probe: ${url.endsWith(':9') ? '10m' : '50ms'} }`;
  return `journal: ${JSON.stringify(journalFile)}
secret: { file: secret, create: true }
mappings: [${JSON.stringify(join(ROOT, 'mappings'))}, off]
${party}
targets:
  covidbevis:
    kind: covidbevis
    url: ${url}
    ca: ca.crt
    readQr: false
    ${limits}
  fhir:
    kind: fhir
    url: ${url}/fhir
    ca: ca.crt
    auth: mtls
    ${limits}
channels:
  laboratory:
    source: ${source === 'mllp' ? '{ kind: mllp, port: 0, maxConnectionsPerAddress: 256 }' : '{ kind: folder, path: inbox, stable: 0 }'}
    parties: [${NORD.id}]
    mappings: ${CHANNEL[mapping]}
`;
}
