import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { createCovidbevisStandIn } from '../simulators/covidbevis/stand-in.ts';
import { systemClock } from '../system-clock.ts';
import type { ExitCode, Terminal } from './terminal.ts';
import { makeThrowAwayPki, SAMPLE_PROVIDERS } from './throw-away-pki.ts';

/** `sluss simulate covidbevis`: the stand-in of the certificate service, until it is asked to end. */
export async function simulateCovidbevis(
  options: { port: number; pki: string },
  terminal: Terminal,
): Promise<ExitCode> {
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
  terminal.print(connectionYaml(url, folder));
  terminal.print('\nCtrl-C ends it.');
  await asked;
  await standIn.stop();
  return 0;
}

function connectionYaml(url: string, folder: string): string {
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
  lines.push('targets:', '  covidbevis:', '    kind: covidbevis', `    url: ${url}`);
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
}
