import type { X509Certificate } from 'node:crypto';
import type { Command } from 'commander';
import { type Assembly, assemble } from '../assembly.ts';
import { faultText } from '../contracts/fault.ts';
import type { PartyStatus } from '../contracts/party.ts';
import { organisationNumbersOf } from '../targets/organisation-number.ts';
import { type ExitCode, paint, type Terminal } from './terminal.ts';

const DAY_MS = 86_400_000;
/** Certificates that end sooner have to be ordered anew now. */
const SOON_DAYS = 60;
/** The operation by which a target tries a connection and changes nothing. */
const PING = 'ping';

interface PartyCheckOptions {
  readonly config: string;
  readonly json?: true;
  /** Only look at the files. */
  readonly offline?: true;
}

/** What was found about one care provider. */
interface PartyReport {
  readonly party: string;
  readonly name: string;
  readonly organisationNumber: string;
  /** Why it is stopped; null = its certificate can be used. */
  readonly problem: string | null;
  /** null = none could be read. */
  readonly certificate: {
    readonly subject: string;
    readonly issuer: string;
    readonly serialNumber: string;
    /** Stated in the subject. */
    readonly organisationNumbers: readonly string[];
    /** ISO times. */
    readonly validFrom: string;
    readonly validTo: string;
    readonly daysLeft: number;
    readonly key: string;
  } | null;
  readonly tried: readonly Tried[];
}

interface Tried {
  readonly target: string;
  /** `answered 200`, or the fault in words. */
  readonly outcome: string;
  readonly ok: boolean;
}

/**
 * `sluss party check`: certificate, key, dates and organisationsnummer of each care provider, then a connection under
 * that certificate to every target that can be tried without sending anything.
 */
export async function checkParties(
  ids: readonly string[],
  options: PartyCheckOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const around = { env: terminal.env, colours: false, logTo: { write: () => {} } };
  const assembly = await assemble(options.config, around, false);
  try {
    const known = assembly.parties.list();
    const strange = ids.find((id) => !known.some(({ party }) => party.id === id));
    if (strange !== undefined) {
      throw new Error(`there is no party ${strange}; there are ${known.map(({ party }) => party.id).join(', ')}`);
    }
    const chosen = known.filter(({ party }) => ids.length === 0 || ids.includes(party.id));
    const reports = await Promise.all(chosen.map((one) => examine(one, assembly, options.offline === true)));
    if (options.json) terminal.print(JSON.stringify(reports, null, 2));
    else for (const report of reports) show(report, terminal);
    return reports.every((report) => report.problem === null && report.tried.every(({ ok }) => ok)) ? 0 : 1;
  } finally {
    await assembly.dispose();
  }
}

async function examine({ party, fault }: PartyStatus, assembly: Assembly, offline: boolean): Promise<PartyReport> {
  const leaf = assembly.parties.certificate(party.id);
  const tried = offline || fault !== null ? [] : await tryTargets(party.id, assembly);
  return {
    party: party.id,
    name: party.name,
    organisationNumber: party.organisationNumber,
    problem: fault === null ? null : faultText(fault.record),
    certificate: leaf === null ? null : describe(leaf, assembly.clock.now()),
    tried,
  };
}

function describe(leaf: X509Certificate, now: number): NonNullable<PartyReport['certificate']> {
  const { asymmetricKeyType, asymmetricKeyDetails } = leaf.publicKey;
  const size = asymmetricKeyDetails?.modulusLength ?? asymmetricKeyDetails?.namedCurve ?? '';
  return {
    subject: leaf.subject.replaceAll('\n', ', '),
    issuer: leaf.issuer.replaceAll('\n', ', '),
    serialNumber: leaf.serialNumber,
    organisationNumbers: organisationNumbersOf(leaf),
    validFrom: leaf.validFromDate.toISOString(),
    validTo: leaf.validToDate.toISOString(),
    daysLeft: Math.floor((leaf.validToDate.getTime() - now) / DAY_MS),
    key: `${asymmetricKeyType ?? 'unknown'} ${size}`.trim(),
  };
}

function tryTargets(party: string, { targets, clock }: Assembly): Promise<Tried[]> {
  const able = targets.filter(({ target }) => Object.hasOwn(target.operations, PING));
  return Promise.all(
    able.map(async ({ name, target, limits }): Promise<Tried> => {
      const verdict = await target.send(
        {
          id: 0,
          attempt: 1,
          messageId: 0,
          channel: '',
          resultKey: PING,
          target: name,
          operation: PING,
          party,
          laneKey: PING,
          body: new Uint8Array(0),
          admittedAt: clock.now(),
        },
        AbortSignal.timeout(limits.timeoutMs),
      );
      if (!verdict.ok) return { target: name, outcome: faultText(verdict.fault.record), ok: false };
      return { target: name, outcome: `answered ${verdict.response?.status ?? 'well'}`, ok: true };
    }),
  );
}

function show({ party, name, organisationNumber, problem, certificate, tried }: PartyReport, terminal: Terminal): void {
  const say = (ok: boolean | 'soon', what: string, text: string) => {
    const [style, word] =
      ok === 'soon' ? (['yellow', 'soon'] as const) : ok ? (['green', 'ok'] as const) : (['red', 'no'] as const);
    terminal.print(`  ${paint(terminal, style, word.padEnd(5))} ${what.padEnd(14)} ${text}`);
  };
  terminal.print(`${paint(terminal, 'bold', party)}  ${name}, ${organisationNumber}`);
  if (problem !== null) say(false, 'certificate', problem);
  if (certificate !== null) {
    const { subject, issuer, organisationNumbers, validTo, daysLeft, key, serialNumber } = certificate;
    if (problem === null) say(true, 'certificate', `${key}, serial ${serialNumber}`);
    say(
      organisationNumbers.includes(organisationNumber),
      'organisation',
      `${organisationNumbers.join(', ') || 'none stated'}, in ${subject}`,
    );
    say(
      daysLeft < 0 ? false : daysLeft <= SOON_DAYS ? 'soon' : true,
      'valid',
      `until ${validTo.slice(0, 10)}, ${daysLeft} days left`,
    );
    terminal.print(paint(terminal, 'dim', `        issued by      ${issuer}`));
  }
  for (const { target, outcome, ok } of tried) say(ok, target, outcome);
}

export function addParty(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  program
    .command('party')
    .description('the care providers: whether their certificates are good for something')
    .command('check', { isDefault: true })
    .description('look at certificates, and try a connection under each')
    .argument('[parties...]', 'only these (default: all)')
    .requiredOption('-c, --config <file>', 'configuration file', 'sluss.yaml')
    .option('--offline', 'only look at the files; connect to nobody')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
For each care provider: certificate and key read and belonging together, the
chain in order, the dates, the organisationsnummer in the subject; then a TLS
handshake and a ping under that certificate, to every target that has one.
Nothing of a patient is sent. Exit code 1 if any of it fails.

Examples:
  sluss party check
  sluss party check region-nord -c /etc/sluss/sluss.yaml
  sluss party check --offline --json | jq '.[].certificate.daysLeft'`,
    )
    .action(async (ids: string[], options: PartyCheckOptions) => finish(await checkParties(ids, options, terminal)));
}
