import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeThrowAwayPki, SAMPLE_PROVIDERS } from '../src/cli/throw-away-pki.ts';
import { frameMessage, MllpDecoder } from '../src/hl7/mllp.ts';
import { type ParsedAck, parseAck } from '../src/hl7/parse-ack.ts';
import { type Sluss, startSluss } from '../src/main.ts';
import { type CovidbevisStandIn, createCovidbevisStandIn } from '../src/simulators/covidbevis/stand-in.ts';
import { systemClock } from '../src/system-clock.ts';

const ROOT = join(import.meta.dirname, '..');

/** A whole Sluss in a folder of its own: certificates, the service's stand-in, and a configuration on free ports. */
export interface Installation {
  readonly folder: string;
  readonly configFile: string;
  readonly standIn: CovidbevisStandIn;
  /** Everything the engine logged, one line each. */
  readonly log: string[];
  /** Waits until the log holds so many lines of this event. */
  seen(event: string, count?: number): Promise<void>;
  start(): Promise<Sluss>;
  /** Rewrites the configuration. */
  configure(change: (text: string) => string): void;
  tearDown(): Promise<void>;
}

export async function install(): Promise<Installation> {
  const folder = mkdtempSync(join(tmpdir(), 'sluss-'));
  const { server, ca } = await makeThrowAwayPki(join(folder, 'pki'), systemClock);
  const standIn = createCovidbevisStandIn({
    server,
    clientCa: ca,
    organisations: SAMPLE_PROVIDERS,
    clock: systemClock,
    answer: 'canned',
  });
  const url = await standIn.start(0);
  const configFile = join(folder, 'sluss.yaml');
  writeFileSync(configFile, configuration(url));
  const running: Sluss[] = [];
  const log: string[] = [];
  let wake = () => {};
  const write = (line: string) => {
    log.push(line);
    wake();
  };
  return {
    folder,
    configFile,
    standIn,
    log,
    async seen(event, count = 1) {
      const isEvent = (line: string) => line.includes(`"event":"${event}"`);
      while (log.filter(isEvent).length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async start() {
      const sluss = await startSluss(configFile, { env: {}, colours: false, logTo: { write } });
      running.push(sluss);
      return sluss;
    },
    configure(change) {
      writeFileSync(configFile, change(readFileSync(configFile, 'utf8')));
    },
    async tearDown() {
      for (const sluss of running) await sluss.stop();
      await standIn.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

function configuration(url: string): string {
  const parties = SAMPLE_PROVIDERS.map(
    ({ id, name, organisationNumber }) => `
  ${id}:
    name: ${name}
    organisationsnummer: '${organisationNumber}'
    certificate: { cert: pki/${id}.crt, key: pki/${id}.key }`,
  );
  const channel = (name: string, party: string) => `
  ${name}:
    source: { kind: mllp, port: 0 }
    mappings: [se-covid-certificates]
    parties: [${party}]
    with: { testHours: 876000 }`;
  return `journal: journal.db
secret: { file: secret, create: true }
mappings: [${join(ROOT, 'mappings')}]
console: { port: 0 }
log: { level: debug }
parties:${parties.join('')}
targets:
  covidbevis: { kind: covidbevis, url: '${url}', ca: pki/ca.crt, readQr: false }
  certificates: { kind: folder, path: certificates }
channels:${channel('lab-nord', 'region-nord')}${channel('lab-syd', 'klinik-syd')}
`;
}

/** The port of a channel. */
export function portOf(sluss: Sluss, channel: string): number {
  const found = sluss.sources.find((source) => source.channel === channel);
  return Number(new URL(found?.address ?? '').port);
}

export interface Sample {
  readonly controlId: string;
  /** The result's number at the laboratory; by default the control id. */
  readonly filler?: string;
  readonly number?: string;
  readonly name?: string;
  readonly organisation?: string;
  /** Code of the test; by default a NAAT. */
  readonly test?: string;
}

/** A negative NAAT of a person who asked for a certificate. */
export function negativeTest(sample: Sample): Uint8Array {
  const { controlId, filler = controlId, number = '199708062386', name = 'Berg^Alva' } = sample;
  const { organisation = '2321000016', test = '94500-6^SARS-CoV-2 RNA^LN' } = sample;
  return Buffer.from(
    [
      `MSH|^~\\&|ANALYS|LAB^${organisation}^L|SLUSS|COVIDBEVIS|20221114153000||ORU^R01^ORU_R01|${controlId}|P|2.5.1`,
      `PID|1||${number}^^^&1.2.752.129.2.1.3.1&ISO^NNSWE||${name}||${number.slice(0, 8)}|F`,
      `OBR|1||${filler}|${test}|||202211140830||||||||||||||||||F||||||TESTBEVIS`,
      `OBX|1|CWE|${test}||260415000^Not detected^SCT||||||F`,
      '',
    ].join('\r'),
  );
}

/** Sends messages over one connection without waiting in between; resolves with their answers, in order. */
export async function sendAll(port: number, messages: readonly Uint8Array[]): Promise<(ParsedAck | null)[]> {
  const socket = connect({ port, host: '127.0.0.1' });
  const decoder = new MllpDecoder(1 << 20);
  const answers: (ParsedAck | null)[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', () => resolve());
      socket.on('data', (chunk: Buffer) => {
        for (const event of decoder.push(chunk)) if (event.kind === 'message') answers.push(parseAck(event.bytes));
        if (answers.length >= messages.length) resolve();
      });
      for (const message of messages) socket.write(frameMessage(message));
    });
  } finally {
    socket.destroy();
  }
  return answers;
}
