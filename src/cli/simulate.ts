import { createSecretKey, randomBytes } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { FaultyOperation } from '../simulators/covidbevis/fault-orders.ts';
import { systemClock } from '../system-clock.ts';
import { type FaultSpec, type FaultTerms, readFaultSpec } from './fault-spec.ts';
import { type PartyIds, rowOfCovidbevis, rowOfFhir, tellCameBack, tellCovidbevis, tellFhir } from './request-line.ts';
import { type ExitCode, nearPath, type Terminal } from './terminal.ts';
import { makeThrowAwayPki, SAMPLE_PROVIDERS } from './throw-away-pki.ts';

const ORGANISATIONS = Object.fromEntries(
  SAMPLE_PROVIDERS.map(({ id, organisationNumber }) => [id, organisationNumber]),
);
const PARTIES: PartyIds = new Map(SAMPLE_PROVIDERS.map(({ id, organisationNumber }) => [organisationNumber, id]));

type CovidbevisPlain = 'drop' | 'lose-answer' | 'stall' | 'truncate' | 'wrong-json' | 'not-json' | 'refuse-tls';
type CovidbevisFault = FaultSpec<CovidbevisPlain, 'operation' | 'party'>;
const COVIDBEVIS_TERMS: FaultTerms<CovidbevisPlain, 'operation' | 'party'> = {
  plain: ['drop', 'lose-answer', 'stall', 'truncate', 'wrong-json', 'not-json', 'refuse-tls'],
  where: {
    operation: {
      'test-certificate': 'observation',
      'recovery-certificate': 'recovery',
      observation: 'observation',
      recovery: 'recovery',
      ping: 'ping',
    },
    party: ORGANISATIONS,
  },
};

type FhirPlain = 'drop' | 'lose-answer' | 'stall' | 'truncate';
type FhirFault = FaultSpec<FhirPlain, 'method' | 'party'>;
const FHIR_TERMS: FaultTerms<FhirPlain, 'method' | 'party'> = {
  plain: ['drop', 'lose-answer', 'stall', 'truncate'],
  where: {
    method: Object.fromEntries(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].map((method) => [method, method])),
    party: ORGANISATIONS,
  },
};

interface SimulateOptions<Fault> {
  readonly port: number;
  readonly pki: string;
  readonly fail?: readonly Fault[];
  readonly ledger?: string;
}

/** `sluss simulate covidbevis`: the stand-in of the certificate service, until it is asked to end. */
export async function simulateCovidbevis(
  options: SimulateOptions<CovidbevisFault>,
  terminal: Terminal,
): Promise<ExitCode> {
  if (options.fail?.some(({ fault, where }) => fault.kind === 'refuse-tls' && where.operation !== undefined)) {
    throw new Error('--fail refuse-tls strikes connections, which have no operation yet; leave operation=… out');
  }
  // Stand-ins are loaded where they are used: an engine that runs needs none.
  const { createCovidbevisStandIn } = await import('../simulators/covidbevis/stand-in.ts');
  const folder = resolve(options.pki);
  const { server, ca } = await makeThrowAwayPki(folder, systemClock);
  const enter = openLedger(options.ledger, terminal);
  const key = createSecretKey(randomBytes(32));
  const standIn = createCovidbevisStandIn({
    server,
    clientCa: ca,
    organisations: SAMPLE_PROVIDERS,
    clock: systemClock,
    faults: (options.fail ?? []).map(({ where, ...order }) => ({
      ...order,
      organisation: where.party ?? null,
      operation: (where.operation as FaultyOperation | undefined) ?? null,
    })),
    watch: (seen) => {
      terminal.print(tellCovidbevis(seen, PARTIES));
      enter(rowOfCovidbevis(seen, key));
    },
  });
  const asked = terminal.untilAskedToEnd();
  const url = await standIn.start(options.port);
  terminal.print(`The stand-in of the certificate service listens on ${url}`);
  terminal.print('It issues certificates that say they are not valid. In sluss.yaml:\n');
  terminal.print(connectionYaml('covidbevis', url, folder));
  terminal.print('\nCtrl-C ends it. Each request is a line:');
  await asked;
  await standIn.stop();
  return 0;
}

/** `sluss simulate fhir`: a FHIR server that forgets everything, until it is asked to end. */
export async function simulateFhir(
  options: SimulateOptions<FhirFault> & { readonly open?: true },
  terminal: Terminal,
): Promise<ExitCode> {
  const open = options.open === true;
  if (open && options.fail?.some(({ where }) => where.party !== undefined)) {
    throw new Error('--fail with party=… never strikes with --open, which asks nobody who they are');
  }
  const { createFhirServer } = await import('../simulators/fhir/stand-in.ts');
  const folder = resolve(options.pki);
  const { server, ca } = await makeThrowAwayPki(folder, systemClock);
  const enter = openLedger(options.ledger, terminal);
  const key = createSecretKey(randomBytes(32));
  const fhir = createFhirServer({
    server,
    clientCa: open ? null : ca,
    clock: systemClock,
    random: Math.random,
    faults: (options.fail ?? []).map(({ where, ...order }) => ({
      ...order,
      caller: where.party ?? null,
      method: where.method ?? null,
    })),
    watch: (seen) => {
      const line = tellFhir(seen, PARTIES);
      if (line !== null) terminal.print(line);
      enter(rowOfFhir(seen, key));
    },
  });
  const asked = terminal.untilAskedToEnd();
  const url = await fhir.start(options.port);
  terminal.print(`The FHIR server listens on ${url}`);
  terminal.print('It keeps everything in memory, and forgets it. In sluss.yaml:\n');
  terminal.print(connectionYaml('fhir', url, folder) + (open ? '\n    auth: none' : ''));
  terminal.print('\nCtrl-C ends it. Each request is a line:');
  await asked;
  await fhir.stop();
  return 0;
}

/** `sluss simulate lis`: a laboratory system that takes what comes back to it, until it is asked to end. */
export async function simulateLis(
  { port, answer }: { readonly port: number; readonly answer: string },
  terminal: Terminal,
): Promise<ExitCode> {
  const { createLis, readCameBack } = await import('../simulators/lis.ts');
  const lis = createLis((frame) => terminal.print(tellCameBack(readCameBack(frame))));
  lis.answer = answer;
  const asked = terminal.untilAskedToEnd();
  const chosen = await lis.start(port);
  terminal.print(`The laboratory system listens on 127.0.0.1:${chosen}. In sluss.yaml:\n`);
  terminal.print(`targets:\n  lis: { kind: mllp, host: 127.0.0.1, port: ${chosen} }`);
  terminal.print('\nCtrl-C ends it. Each message that comes back is a line:');
  await asked;
  await lis.stop();
  return 0;
}

/** Opens the file at once, so that a wrong path is told before anything listens; rows are written as they come. */
function openLedger(file: string | undefined, terminal: Terminal): (row: object | null) => void {
  if (file === undefined) return () => {};
  const opened = openSync(file, 'a', 0o600);
  let isWhole = true;
  return (row) => {
    if (row === null) return;
    try {
      writeSync(opened, `${JSON.stringify(row)}\n`);
    } catch (error) {
      // Told once; a full disk here is no reason to fail towards the engine.
      if (isWhole) terminal.complain(`${nearPath(file)} lacks rows: ${(error as NodeJS.ErrnoException).code}`);
      isWhole = false;
    }
  };
}

/** Collects a `--fail` that may be given several times. */
function collect<Plain extends string, Where extends string>(terms: FaultTerms<Plain, Where>) {
  return (text: string, before: readonly FaultSpec<Plain, Where>[] | undefined) => [
    ...(before ?? []),
    readFaultSpec(text, terms),
  ];
}

function connectionYaml(kind: 'covidbevis' | 'fhir', url: string, folder: string): string {
  const lines = ['parties:'];
  for (const { id, name, organisationNumber } of SAMPLE_PROVIDERS) {
    lines.push(
      `  ${id}:`,
      `    name: ${name}`,
      `    organisationsnummer: '${organisationNumber}'`,
      '    certificate:',
      `      cert: ${join(folder, `${id}.crt`)}`,
      `      key: ${join(folder, `${id}.key`)}`,
    );
  }
  lines.push('targets:', `  ${kind}:`, `    kind: ${kind}`, `    url: ${url}`);
  lines.push(`    ca: ${join(folder, 'ca.crt')}`);
  return lines.join('\n');
}

function readPort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new InvalidArgumentError('It must be a port.');
  return port;
}

export function addSimulate(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  const simulate = program.command('simulate').description('run a stand-in of the outside world');
  simulate
    .command('covidbevis')
    .description('the covid certificate service, over HTTPS with client certificates')
    .option('--port <port>', 'port on the loopback address; 0 = any', readPort, 8543)
    .option('--pki <folder>', 'throw-away certificates; made if they are missing', './.sluss/pki')
    .option('--fail <what>', 'go wrong on order; may be given several times', collect(COVIDBEVIS_TERMS))
    .option('--ledger <file>', 'append each request to this file, a JSON object a line')
    .addHelpText(
      'after',
      `
Makes a throw-away authority, a server certificate and the client certificates
of two care providers in a folder, listens, and prints what to write into
sluss.yaml. Nothing of it is ever valid anywhere else.

--fail takes one fault and where it strikes, with commas between them. The
first order that applies to a request is the one it meets.
  status=503         this status in place of a certificate; retry-after=5s
  delay=2s           late, and then as usual
  drop               closes the connection, issues nothing
  lose-answer        issues, and closes the connection without answering
  stall              issues, and never answers
  truncate           issues, and closes after half of the answer
  wrong-json         issues, and answers JSON that is no certificate
  not-json           issues, and answers something else altogether
  refuse-tls         closes new connections
  times=3            only so many times; otherwise for good
  probability=0.05   only now and then; the same each time it is started
  operation=recovery test-certificate, recovery-certificate or ping alone
  party=region-nord  this care provider alone

The ledger has every accepted and every refused request, as it comes. Persons
and bodies are hashes in it, under a key that is forgotten at the end.

Examples:
  sluss simulate covidbevis
  sluss simulate covidbevis --port 0 --pki /tmp/pki
  sluss simulate covidbevis --fail status=503,times=3 --ledger seen.ndjson
  sluss simulate covidbevis --fail lose-answer,probability=0.05
  sluss simulate covidbevis --fail delay=2s,operation=recovery \\
                            --fail drop,party=region-nord`,
    )
    .action(async (options: SimulateOptions<CovidbevisFault>) => finish(await simulateCovidbevis(options, terminal)));
  simulate
    .command('fhir')
    .description('a FHIR R4 server in memory, over HTTPS with client certificates')
    .option('--port <port>', 'port on the loopback address; 0 = any', readPort, 8544)
    .option('--pki <folder>', 'throw-away certificates; made if they are missing', './.sluss/pki')
    .option('--open', 'ask nobody for a certificate')
    .option('--fail <what>', 'go wrong on order; may be given several times', collect(FHIR_TERMS))
    .option('--ledger <file>', 'append each request to this file, a JSON object a line')
    .addHelpText(
      'after',
      `
Takes transactions, batches, conditional writes and searches, and refuses what
a real server would refuse. It uses the certificates of simulate covidbevis.

--fail takes one fault (status=503, delay=2s, drop, lose-answer, stall,
truncate) and where it strikes (times=3, probability=0.05, retry-after=5s,
method=POST, party=region-nord), with commas between them. In the ledger,
identifiers and ids are hashes under a key that is forgotten at the end.

Examples:
  sluss simulate fhir
  sluss simulate fhir --fail status=503,times=3 --ledger seen.ndjson
  sluss simulate fhir --open

To see what it holds, as a care provider with its client certificate (with
--open the line without --cert and --key will do):
  curl --cacert .sluss/pki/ca.crt --cert .sluss/pki/region-nord.crt \\
       --key .sluss/pki/region-nord.key https://localhost:8544/fhir/Observation`,
    )
    .action(async (options: SimulateOptions<FhirFault> & { open?: true }) =>
      finish(await simulateFhir(options, terminal)),
    );
  simulate
    .command('lis')
    .description('a laboratory system that results and certificates come back to, over MLLP')
    .option('--port <port>', 'port on the loopback address; 0 = any', readPort, 2600)
    .addOption(new Option('--answer <code>', 'MSA-1 of its answers').choices(['AA', 'AE', 'AR']).default('AA'))
    .addHelpText(
      'after',
      `
Acknowledges every message, and prints of it the type, the order's number, the
certificate's identifier, how the person gets it, and how large its PDF is.

Examples:
  sluss simulate lis
  sluss simulate lis --port 2601 --answer AE`,
    )
    .action(async (options: { port: number; answer: string }) => finish(await simulateLis(options, terminal)));
}
