import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../system-clock.ts';
import type { ExitCode, Terminal } from './terminal.ts';
import { makeThrowAwayPki, SAMPLE_PROVIDERS } from './throw-away-pki.ts';

/** `sluss simulate covidbevis`: the stand-in of the certificate service, until it is asked to end. */
export async function simulateCovidbevis(
  options: { port: number; pki: string },
  terminal: Terminal,
): Promise<ExitCode> {
  // Stand-ins are loaded where they are used: an engine that runs needs none.
  const { createCovidbevisStandIn } = await import('../simulators/covidbevis/stand-in.ts');
  const folder = resolve(options.pki);
  const { server, ca } = await makeThrowAwayPki(folder, systemClock);
  const standIn = createCovidbevisStandIn({
    server,
    clientCa: ca,
    organisations: SAMPLE_PROVIDERS,
    clock: systemClock,
  });
  const asked = terminal.untilAskedToEnd();
  const url = await standIn.start(options.port);
  terminal.print(`The stand-in of the certificate service listens on ${url}`);
  terminal.print('It issues certificates that say they are not valid. In sluss.yaml:\n');
  terminal.print(connectionYaml('covidbevis', url, folder));
  terminal.print('\nCtrl-C ends it.');
  await asked;
  await standIn.stop();
  return 0;
}

/** `sluss simulate fhir`: a FHIR server that forgets everything, until it is asked to end. */
export async function simulateFhir(
  options: { port: number; pki: string; open?: true },
  terminal: Terminal,
): Promise<ExitCode> {
  const { createFhirServer } = await import('../simulators/fhir/stand-in.ts');
  const folder = resolve(options.pki);
  const { server, ca } = await makeThrowAwayPki(folder, systemClock);
  const open = options.open === true;
  const fhir = createFhirServer({ server, clientCa: open ? null : ca, clock: systemClock });
  const asked = terminal.untilAskedToEnd();
  const url = await fhir.start(options.port);
  terminal.print(`The FHIR server listens on ${url}`);
  terminal.print('It keeps everything in memory, and forgets it. In sluss.yaml:\n');
  terminal.print(connectionYaml('fhir', url, folder) + (open ? '\n    auth: none' : ''));
  terminal.print('\nCtrl-C ends it.');
  await asked;
  await fhir.stop();
  return 0;
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
    .addHelpText(
      'after',
      `
Makes a throw-away authority, a server certificate and the client certificates
of two care providers in a folder, listens, and prints what to write into
sluss.yaml. Nothing of it is ever valid anywhere else.

Examples:
  sluss simulate covidbevis
  sluss simulate covidbevis --port 0 --pki /tmp/pki`,
    )
    .action(async (options: { port: number; pki: string }) => finish(await simulateCovidbevis(options, terminal)));
  simulate
    .command('fhir')
    .description('a FHIR R4 server in memory, over HTTPS with client certificates')
    .option('--port <port>', 'port on the loopback address; 0 = any', readPort, 8544)
    .option('--pki <folder>', 'throw-away certificates; made if they are missing', './.sluss/pki')
    .option('--open', 'ask nobody for a certificate')
    .addHelpText(
      'after',
      `
Takes transactions, batches, conditional writes and searches, and refuses what
a real server would refuse. It uses the certificates of simulate covidbevis.

Examples:
  sluss simulate fhir
  sluss simulate fhir --open
  curl --cacert .sluss/pki/ca.crt https://localhost:8544/fhir/Observation   (with --open)`,
    )
    .action(async (options: { port: number; pki: string; open?: true }) =>
      finish(await simulateFhir(options, terminal)),
    );
}
