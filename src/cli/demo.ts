import { mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { type Sluss, startSluss } from '../main.ts';
import { type Conversation, readConversations } from '../simulators/conversation.ts';
import type { Ledger } from '../simulators/covidbevis/ledger.ts';
import type { CameBack, Lis } from '../simulators/lis.ts';
import { systemClock } from '../system-clock.ts';
import { layOutLine } from './demo-line.ts';
import type { Played, Stage } from './demo-stage.ts';
import { tellCameBack } from './request-line.ts';
import { type ExitCode, paint, type Terminal } from './terminal.ts';
import { makeThrowAwayPki, SAMPLE_PROVIDERS } from './throw-away-pki.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/', import.meta.url));

export interface DemoOptions {
  /** Ends by itself; the exit code says whether every sample ended as its conversation says. */
  readonly once?: true;
  /** Folder with `sluss.yaml` and `conversations/`. */
  readonly fixtures: string;
}

/**
 * `sluss demo`: the real engine under `fixtures/sluss.yaml`, a stand-in of the certificate service over mutual TLS, a
 * sample laboratory that sends every conversation over MLLP or drops it as a file, and the inboxes of two LIS that
 * certificates come back to. The demo itself is nothing more.
 */
export async function demo(options: DemoOptions, terminal: Terminal): Promise<ExitCode> {
  // Loaded only here: a running engine needs neither a stand-in nor a laboratory.
  const { createCovidbevisStandIn } = await import('../simulators/covidbevis/stand-in.ts');
  const { createLis, readCameBack } = await import('../simulators/lis.ts');
  const home = mkdtempSync(join(tmpdir(), 'sluss-demo-'));
  const conversations = readConversations(join(options.fixtures, 'conversations'));
  mkdirSync(join(home, 'inbox'));
  const { server, ca } = await makeThrowAwayPki(join(home, 'pki'), systemClock);
  const organisations = SAMPLE_PROVIDERS;
  const standIn = createCovidbevisStandIn({ server, clientCa: ca, organisations, clock: systemClock });
  const asked = terminal.untilAskedToEnd();
  const url = await standIn.start(0);
  let isWatched = false;
  const inboxes = LIS_OF_PARTIES.map(({ name, party }): Inbox => {
    const came: CameBack[] = [];
    const lis = createLis((frame) => {
      const read = readCameBack(frame);
      came.push(read);
      if (isWatched) terminal.print(`  ${name.padEnd(14)} ${tellCameBack(read)}`);
    });
    return { name, party, came, lis };
  });
  const [nordPort, sydPort] = await Promise.all(inboxes.map(({ lis }) => lis.start(0)));
  const logFile = openSync(join(home, 'sluss.log'), 'a', 0o600);
  let sluss: Sluss | null = null;
  let isRight = false;
  try {
    sluss = await startSluss(join(options.fixtures, 'sluss.yaml'), {
      env: {
        ...terminal.env,
        SLUSS_HOME: home,
        SLUSS_COVIDBEVIS_URL: url,
        SLUSS_NORD_PORT: '0',
        SLUSS_SYD_PORT: '0',
        SLUSS_LIS_NORD_PORT: String(nordPort),
        SLUSS_LIS_SYD_PORT: String(sydPort),
        SLUSS_CONSOLE_PORT: '0',
      },
      logTo: { write: (line) => writeSync(logFile, line) },
      colours: false,
    });
    const stage: Stage = { sluss, inbox: join(home, 'inbox') };
    isRight = await playAll(conversations, stage, terminal, asked);
    showLedger(standIn.ledger, terminal);
    if (standIn.ledger.crossed().length > 0) isRight = false;
    if (!showWayBack(inboxes, standIn.ledger, terminal)) isRight = false;
    if (options.once === undefined) {
      isWatched = true;
      showWhatNext(sluss, url, home, terminal);
      await asked;
    }
  } finally {
    await sluss?.stop();
    await standIn.stop();
    await Promise.all(inboxes.map(({ lis }) => lis.stop()));
    rmSync(home, { recursive: true, force: true });
  }
  return isRight ? 0 : 1;
}

/** The LIS of `fixtures/sluss.yaml`, and whose certificates come back to them. */
const LIS_OF_PARTIES = [
  { name: 'lis-nord', party: 'region-nord' },
  { name: 'lis-syd', party: 'klinik-syd' },
] as const;

interface Inbox {
  readonly name: string;
  readonly party: string;
  readonly came: readonly CameBack[];
  readonly lis: Lis;
}

async function playAll(
  conversations: readonly Conversation[],
  stage: Stage,
  terminal: Terminal,
  asked: Promise<string>,
): Promise<boolean> {
  terminal.print(paint(terminal, 'bold', `${conversations.length} conversations; each line is what became of one`));
  const { playConversation } = await import('./demo-stage.ts');
  let isOver = false;
  void asked.then(() => {
    isOver = true;
  });
  const differing: Played[] = [];
  const startedAt = performance.now();
  for (const conversation of conversations) {
    if (isOver) return false;
    const played = await playConversation(conversation, stage);
    showPlayed(played, terminal);
    if (played.differences.length > 0) differing.push(played);
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  terminal.print('');
  if (differing.length === 0) {
    terminal.print(`${paint(terminal, 'green', 'All as written down')} in fixtures/conversations, in ${seconds} s.`);
  }
  for (const { name, differences } of differing) {
    terminal.complain(`${paint(terminal, 'red', 'Not as written down')}: ${name}`);
    for (const difference of differences) terminal.complain(`    ${difference}`);
  }
  return differing.length === 0;
}

function showPlayed(played: Played, terminal: Terminal): void {
  const mark = played.differences.length === 0 ? paint(terminal, 'green', '✓') : paint(terminal, 'red', '✗');
  for (const [index, line] of played.lines.entries()) {
    const { name, answer, state, took, detail } = layOutLine(index === 0 ? played.name : '', line, terminal.width);
    const painted = line.answer === 'AA' ? answer : paint(terminal, 'yellow', answer);
    const head = `${index === 0 ? mark : ' '} ${name} ${painted} ${state}`;
    terminal.print(`${head}${paint(terminal, 'dim', took)}  ${detail}`);
  }
}

function showLedger(ledger: Ledger, terminal: Terminal): void {
  const perParty = new Map<string, number>();
  for (const { organisation, repeat } of ledger.entries()) {
    if (repeat === 0) perParty.set(organisation, (perParty.get(organisation) ?? 0) + 1);
  }
  const parts = SAMPLE_PROVIDERS.map(
    ({ id, organisationNumber }) => `${perParty.get(organisationNumber) ?? 0} for ${id}`,
  );
  const crossed = ledger.crossed().length;
  terminal.print(`${ledger.certificates()} certificates issued: ${parts.join(', ')}.`);
  const verdict =
    crossed === 0
      ? 'No request came under another provider’s certificate.'
      : `${crossed} requests came under the WRONG certificate.`;
  terminal.print(paint(terminal, crossed === 0 ? 'green' : 'red', verdict));
}

/** Tells what came back to whom; true = each was an issued certificate of that LIS's care provider, with its document. */
function showWayBack(inboxes: readonly Inbox[], ledger: Ledger, terminal: Terminal): boolean {
  const issuedTo = new Map(ledger.entries().map(({ uvci, organisation }) => [uvci, organisation]));
  const isRight = (party: string, { uvci, document }: CameBack) => {
    const provider = SAMPLE_PROVIDERS.find(({ id }) => id === party);
    return issuedTo.get(uvci) === provider?.organisationNumber && document?.subarray(0, 5).toString() === '%PDF-';
  };
  const back = inboxes.flatMap(({ name, party, came }) =>
    came.map((read) => ({ name, isRight: isRight(party, read), handover: read.handover })),
  );
  const count = (wanted: (one: (typeof back)[number]) => boolean) => back.filter(wanted).length;
  const perLis = inboxes.map(({ name }) => `${count((one) => one.name === name)} to ${name}`).join(', ');
  terminal.print(`${back.length} of them came back as HL7 messages with their PDF: ${perLis}; all of them as files.`);
  const inMailbox = count(({ handover }) => handover === 'MAILBOX');
  terminal.print(`${inMailbox} of these are in a digital mailbox, ${back.length - inMailbox} have to be handed over.`);
  const wrong = count((one) => !one.isRight);
  if (wrong > 0) terminal.print(paint(terminal, 'red', `${wrong} came back to the WRONG LIS, or without a PDF.`));
  return wrong === 0;
}

function showWhatNext(sluss: Sluss, url: string, home: string, terminal: Terminal): void {
  const nord = sluss.sources.find(({ channel }) => channel === 'lab-nord')?.address.replace(/^\w+:\/\//, '') ?? '';
  const sample = 'fixtures/conversations/naat-negative-personnummer/in.hl7';
  const lines = [
    '',
    paint(terminal, 'bold', 'Running until Ctrl-C'),
    ...sluss.sources.map(({ channel, address }) => `  ${channel.padEnd(14)} ${address}`),
    `  ${'service'.padEnd(14)} ${url}`,
    `  ${'console'.padEnd(14)} ${sluss.console ?? 'off'}/metrics`,
    `  ${'certificates'.padEnd(14)} ${home}/certificates`,
    '  lis-nord, -syd print here what comes back to them',
    `  ${'log'.padEnd(14)} ${home}/sluss.log`,
    '',
    paint(terminal, 'bold', 'Try next, in another terminal'),
    `  npm run sluss -- send ${sample} --to ${nord}`,
    `  npm run sluss -- map ${sample} -c fixtures/sluss.yaml --explain`,
    `  cp fixtures/conversations/batch-one-bad/in.hl7 ${home}/inbox/mine.hl7`,
    `  curl -s ${sluss.console ?? ''}/metrics | grep ^sluss_`,
  ];
  for (const line of lines) terminal.print(line);
}

export function addDemo(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  program
    .command('demo')
    .description('engine, stand-in of the certificate service and sample laboratories: watch it work')
    .option('--once', 'end after the samples; exit code 0 only if each ended as its conversation says')
    .option('--fixtures <folder>', 'folder with sluss.yaml and conversations/', FIXTURES)
    .addHelpText(
      'after',
      `
Makes a throw-away authority and certificates, starts the stand-in on loopback
HTTPS and the engine, and sends the sample conversations over MLLP and as
files. What is issued comes back as files, and as HL7 messages to the inboxes
of two laboratory systems. Everything is made in a temporary folder, and gone afterwards.

Examples:
  sluss demo
  sluss demo --once`,
    )
    .action(async (options: DemoOptions) => finish(await demo(options, terminal)));
}
