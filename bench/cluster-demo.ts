/**
 * `npm run cluster-demo [-- --once] [--nodes 3]`: several nodes on one PostgreSQL server, laboratories that send to all of
 * them, and a stand-in of the certificate service that keeps a ledger. Kill any of them, by key or from another terminal:
 * it is started again after a few seconds, and at the end the accounts are settled. `--once` kills one node by itself, and
 * exits with 0 only if nothing that was acknowledged is lost, doubled or out of order.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs, styleText } from 'node:util';
import { settleAccounts } from '../test/whole/accounts.ts';
import { readPostgresBooks } from '../test/whole/books.ts';
import { type Cluster, type ClusterNode, makeCluster } from '../test/whole/cluster.ts';
import { type Planned, planLoad } from '../test/whole/load.ts';
import { sendWithManners } from '../test/whole/mllp-sender.ts';

const { values } = parseArgs({
  options: { once: { type: 'boolean', default: false }, nodes: { type: 'string', default: '3' } },
});
const isOnce = values.once;
/** Sent one behind the other, before a laboratory pauses. */
const PORTION = 4;
const PAUSE_MS = isOnce ? 20 : 400;
/** A laboratory hangs up after so long without an answer; what is killed hangs up by itself. */
const SENDER_PATIENCE_MS = 10_000;
const START_AGAIN_MS = isOnce ? 500 : 5_000;
const SERVER_AGAIN_MS = 3_000;
const LEASE_MS = 3_000;
/** Of all laboratories, before `--once` kills a node. */
const BEFORE_KILL = 60;

const count = Number(values.nodes);
if (!Number.isInteger(count) || count < 1 || count > 9) {
  console.error('--nodes takes a number from 1 to 9');
  process.exit(2);
}
const bold = (text: string) => styleText('bold', text);
const gone = (text: string) => print(styleText('red', text));
const back = (text: string) => print(styleText('green', text));
/** The state stands below all that was printed, where the terminal can be written over. */
const drawn = { lines: 0 };
function print(text: string) {
  wipe();
  console.log(text);
}
function wipe() {
  if (drawn.lines > 0) process.stdout.write(`\x1b[${drawn.lines}A\x1b[J`);
  drawn.lines = 0;
}

print('Starting a PostgreSQL server and the nodes …');
// As long as nobody waits for it, to end means to leave nothing behind, no server and no folder.
let made: Cluster | null = null;
let isOver = false;
let isLeft = false;
let isServerUp = true;
async function leave() {
  if (isLeft) return;
  isLeft = true;
  print('Leaving …');
  await (await making)[Symbol.asyncDispose]();
  process.exit(130);
}
const ENDINGS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
for (const signal of ENDINGS) process.on(signal, leave);
listenToKeys();
const making = makeCluster({
  nodes: count,
  service: { faults: [{ fault: { kind: 'delay', delayMs: 15 }, probability: 0.5 }] },
  target: ['timeout: 5s'],
  journalKeys: `, lease: ${LEASE_MS}ms`,
});
await using cluster = await making;
made = cluster;
const { nodes, site, server } = cluster;
await Promise.all(nodes.map((node) => node.start())).catch(unlessLeft);
await showWho(cluster);

const seed = isOnce ? 20_261_122 : Date.now() % 1_000_000;
const plan = planLoad({ seed, senders: 6, messagesEach: isOnce ? 60 : 5_000, patientsEach: 8, filesEach: 0 });
const taken: Planned[][] = plan.map(() => []);
const figures = { taken: 0, resent: 0, wrong: [] as string[] };

const watches = nodes.map(keepAlive);
void keepServer();
const sending = Promise.all(
  plan.map((sender, index) => send(sender.channel, sender.messages, taken[index] as Planned[])),
);
if (isOnce) {
  while (figures.taken < BEFORE_KILL) await wait(20);
  const node = nodes[1] ?? (nodes[0] as ClusterNode);
  print(`${figures.taken} messages were taken; kill -9 ${node.name}`);
  await node.kill();
} else {
  const timer = setInterval(showState, 1_000);
  await untilAskedToEnd();
  clearInterval(timer);
}
await endSending();
process.exitCode = (await settle()) ? 0 : 1;
for (const signal of ENDINGS) process.off(signal, leave);

async function showWho({ site: { serviceUrl }, nodes: all }: Cluster) {
  print(bold(`\n${all.length} nodes on one journal`));
  const row = (name: string, text: string) => print(`  ${name.padEnd(9)} ${text}`);
  row('server', `pid ${server.pid() ?? 'of another'}, PostgreSQL at port ${new URL(server.url).port}`);
  for (const node of all) {
    const engine = node.engine();
    row(node.name, `pid ${engine.pid}, lab-nord at port ${node.port('lab-nord')}, ${await engine.consoleUrl()}`);
  }
  row('service', `${serviceUrl}, a stand-in that keeps a ledger`);
  row('commands', `npm run sluss -- nodes -c ${all[0]?.configFile}`);
  print(bold('\nSix laboratories send, each message to whichever node takes it'));
  if (isOnce) return;
  if (process.stdin.isTTY) print(`  keys: 1–${all.length} kills a node, s the server, q ends and settles the accounts`);
  print('  from another terminal: kill -9 and a pid; Ctrl-C here ends, too\n');
}

async function send(channel: string, messages: readonly Planned[], into: Planned[]) {
  for (let at = 0; at < messages.length && !isOver; at += PORTION) {
    const done = await sendWithManners(messages.slice(at, at + PORTION), {
      port: () => cluster.port(channel),
      window: PORTION,
      patienceMs: SENDER_PATIENCE_MS,
      onTaken(message) {
        into.push(message as Planned);
        figures.taken += 1;
      },
    });
    figures.resent += done.resent;
    figures.wrong.push(...done.wrong);
    await wait(PAUSE_MS);
  }
}

/** What fails because all is being cleared away is nobody's to hear of. */
function unlessLeft(error: unknown): Promise<never> {
  if (isLeft) return new Promise(() => {});
  throw error;
}

/** Starts a node again whoever killed it, and whenever: until all is over. */
async function keepAlive(node: ClusterNode) {
  for (;;) {
    const { signal, code } = await node.engine().ended;
    if (isLeft || (isOver && signal === null)) return;
    gone(`${node.name} is gone (${signal ?? `exit ${code}`}); started again in ${START_AGAIN_MS / 1_000} s`);
    await wait(START_AGAIN_MS);
    try {
      await node.start();
    } catch {
      // Killed again before it took anything, or without a server to start on: it has ended.
      continue;
    }
    back(`${node.name} is back, pid ${node.engine().pid}`);
    if (isOver) return;
  }
}

async function keepServer() {
  for (;;) {
    await server.ended();
    if (isOver || isLeft) return;
    isServerUp = false;
    gone(`the server is gone; started again in ${SERVER_AGAIN_MS / 1_000} s`);
    await wait(SERVER_AGAIN_MS);
    await server.start();
    isServerUp = true;
    back(`the server is back, pid ${server.pid()}`);
  }
}

/** Two lines, of 80 columns at most with three nodes. */
function showState() {
  const mark = (name: string, isUp: boolean) => styleText(isUp ? 'green' : 'red', `${name} ${isUp ? '✓' : '✗'}`);
  const { ledger } = site.standIn;
  const repeats = ledger.entries().length - ledger.certificates();
  const figure = (value: number) => String(value).padStart(5);
  const up = nodes.map((node) => mark(node.name, node.isUp() && node.port('lab-nord') !== null));
  wipe();
  console.log(
    `taken ${figure(figures.taken)}  certificates ${figure(ledger.certificates())}  sent again by labs ${figures.resent}, by nodes ${repeats}`,
  );
  console.log([...up, mark('server', isServerUp)].join('   '));
  if (process.stdout.isTTY) drawn.lines = 2;
}

function listenToKeys() {
  if (!process.stdin.isTTY) return;
  process.stdin.setRawMode(true).resume();
  // Keys that are struck fast come together.
  process.stdin.setEncoding('utf8').on('data', (keys: string) => {
    for (const key of keys) strike(key);
  });
}

function strike(key: string) {
  const node = made?.nodes[Number(key) - 1];
  if (node?.isUp() === true) void node.kill();
  if (key === 's' && isServerUp) void made?.server.kill();
  // In raw mode nobody else makes a signal of Ctrl-C.
  if (key === 'q' || key === '\x03') process.emit('SIGINT');
}

/** Asked a second time, it ends without accounts. */
function untilAskedToEnd(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ENDINGS) process.off(signal, leave);
    const end = () => {
      for (const signal of ENDINGS) process.off(signal, end).on(signal, leave);
      resolve();
    };
    for (const signal of ENDINGS) process.on(signal, end);
  });
}

async function endSending() {
  if (!isOnce) {
    isOver = true;
    print('\nLetting what is under way end …');
  }
  await sending;
  while (!isServerUp) await wait(100);
  await cluster.settled();
  isOver = true;
  if (process.stdin.isTTY) process.stdin.setRawMode(false).pause();
  // Whoever is being started again is waited for.
  while (!nodes.every((node) => node.isUp() && node.port('lab-nord') !== null)) await wait(100);
  await Promise.all(nodes.map((node) => node.stop()));
  await Promise.all(watches);
}

async function settle(): Promise<boolean> {
  const accounts = settleAccounts(taken, site.standIn.ledger, await readPostgresBooks(cluster.database.url));
  const { figures: found } = accounts;
  const violations = [...accounts.violations, ...figures.wrong];
  print(bold('\nThe ledger: what laboratories were told, what the journal says, what arrived'));
  const row = (value: number, text: string) => print(`  ${String(value).padStart(6)}  ${text}`);
  row(found.taken, `messages acknowledged with AA, by ${nodes.length} nodes on one journal`);
  row(figures.resent, 'sent again by laboratories: whoever was to answer was gone');
  row(found.results, 'results in them, each stated for the first time');
  row(found.certificates, 'certificates issued: one for each of those results');
  row(found.repeats, 'requests made again: nobody knew how the first ended. Each under');
  print('          the same identifier, so the service issued nothing twice');
  row(found.lateRepeats, 'of those behind a later request of their lane');
  row(found.lanes, 'lanes (a patient at a care provider), each served in its order');
  for (const violation of violations) print(`  ${styleText('red', violation)}`);
  print(
    violations.length === 0
      ? styleText('green', 'Nothing lost, nothing doubled, nothing out of order.')
      : styleText('red', 'NOT AS IT MUST BE.'),
  );
  return violations.length === 0;
}
