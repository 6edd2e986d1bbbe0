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
const LEASE_MS = 3_000;
/** Of all laboratories, before `--once` kills a node. */
const BEFORE_KILL = 60;

const bold = (text: string) => styleText('bold', text);
const print = (text: string) => console.log(text);

print('Starting a PostgreSQL server and the nodes …');
await using cluster = await makeCluster({
  nodes: Number(values.nodes),
  service: { faults: [{ fault: { kind: 'delay', delayMs: 15 }, probability: 0.5 }] },
  target: ['timeout: 5s'],
  journalKeys: `, lease: ${LEASE_MS}ms`,
});
const { nodes, site, server } = cluster;
await Promise.all(nodes.map((node) => node.start()));
await showWho(cluster);

const seed = isOnce ? 20_261_122 : Date.now() % 1_000_000;
const plan = planLoad({ seed, senders: 6, messagesEach: isOnce ? 60 : 5_000, patientsEach: 8, filesEach: 0 });
const taken: Planned[][] = plan.map(() => []);
const figures = { taken: 0, resent: 0, wrong: [] as string[] };
let isOver = false;
let isServerUp = true;

const watches = nodes.map(keepAlive);
const sending = Promise.all(
  plan.map((sender, index) => send(sender.channel, sender.messages, taken[index] as Planned[])),
);
if (isOnce) {
  while (figures.taken < BEFORE_KILL) await wait(20);
  const node = nodes[1] ?? (nodes[0] as ClusterNode);
  print(`${figures.taken} messages were taken; kill -9 ${node.name}`);
  await node.kill();
} else {
  listenToKeys();
  const timer = setInterval(showState, 1_000);
  await untilAskedToEnd();
  clearInterval(timer);
}
await endSending();
process.exitCode = (await settle()) ? 0 : 1;

async function showWho({ site: { serviceUrl }, nodes: all }: Cluster) {
  print(bold(`\n${all.length} nodes on one journal`));
  print(`  ${'server'.padEnd(9)} PostgreSQL, port ${new URL(server.url).port}`);
  for (const node of all) {
    const engine = node.engine();
    print(
      `  ${node.name.padEnd(9)} pid ${engine.pid}, lab-nord at port ${node.port('lab-nord')}, ${await engine.consoleUrl()}/ready`,
    );
  }
  print(`  ${'service'.padEnd(9)} ${serviceUrl}, a stand-in behind mutual TLS that keeps a ledger`);
  print(`  ${'commands'.padEnd(9)} npm run sluss -- nodes -c ${all[0]?.configFile}`);
  print(bold('\nSix laboratories send, each message to whichever node takes it'));
  if (isOnce) return;
  print(`  keys: 1–${all.length} kill a node · s kills the server · q ends and settles the accounts`);
  print('  or from another terminal: kill -9 with a pid from above');
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

/** Starts a node again whoever killed it, until all is over. */
async function keepAlive(node: ClusterNode) {
  for (;;) {
    const { signal, code } = await node.engine().ended;
    if (isOver && signal === null) return;
    print(
      `${styleText('red', `${node.name} is gone`)} (${signal ?? `exit ${code}`}); started again in ${START_AGAIN_MS / 1_000} s`,
    );
    await wait(START_AGAIN_MS);
    await node.start();
    print(styleText('green', `${node.name} is back, pid ${node.engine().pid}`));
    if (isOver) return;
  }
}

function showState() {
  const up = nodes.map((node) =>
    node.isUp() ? styleText('green', `${node.name} ✓`) : styleText('red', `${node.name} ✗`),
  );
  const database = isServerUp ? styleText('green', 'server ✓') : styleText('red', 'server ✗');
  const { ledger } = site.standIn;
  const repeats = ledger.entries().length - ledger.certificates();
  print(
    `taken ${String(figures.taken).padStart(6)}  certificates ${String(ledger.certificates()).padStart(6)}  sent again by laboratories ${figures.resent}, by nodes ${repeats}   ${up.join('  ')}  ${database}`,
  );
}

function listenToKeys() {
  if (!process.stdin.isTTY) return;
  process.stdin.setRawMode(true).resume();
  process.stdin.on('data', (key) => {
    const node = nodes[Number(key.toString()) - 1];
    if (node?.isUp() === true) void node.kill();
    if (key.toString() === 's' && isServerUp) void killServer();
    // In raw mode nobody else makes a signal of it.
    if (key.toString() === 'q' || key[0] === 3) process.emit('SIGINT');
  });
}

async function killServer() {
  isServerUp = false;
  print(styleText('red', 'the server is gone (SIGKILL); started again in 3 s'));
  await server.kill();
  await wait(3_000);
  await server.start();
  isServerUp = true;
  print(styleText('green', 'the server is back'));
}

function untilAskedToEnd(): Promise<unknown> {
  return new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
}

async function endSending() {
  if (!isOnce) {
    isOver = true;
    if (process.stdin.isTTY) process.stdin.setRawMode(false).pause();
    print('\nLetting what is under way end …');
  }
  await sending;
  while (!isServerUp) await wait(100);
  await cluster.settled();
  isOver = true;
  // Whoever is being started again is waited for.
  while (!nodes.every((node) => node.isUp() && node.port('lab-nord') !== null)) await wait(100);
  await Promise.all(nodes.map((node) => node.stop()));
  await Promise.all(watches);
}

async function settle(): Promise<boolean> {
  const accounts = settleAccounts(taken, site.standIn.ledger, await readPostgresBooks(cluster.database.url));
  const { figures: found } = accounts;
  const violations = [...accounts.violations, ...figures.wrong];
  print(bold('\nThe ledger'));
  print(
    `  ${found.taken} messages were acknowledged with AA, by ${nodes.length} nodes; ${figures.resent} had to be sent again`,
  );
  print(`  ${found.results} results were in them, ${found.certificates} certificates were issued`);
  print(`  ${found.repeats} requests were repeated, each under its identifier; ${found.lateRepeats} of them late`);
  print(`  ${found.lanes} lanes were served in their order`);
  for (const violation of violations) print(`  ${styleText('red', violation)}`);
  print(
    violations.length === 0
      ? styleText('green', 'Nothing lost, nothing doubled, nothing out of order.')
      : styleText('red', 'NOT AS IT MUST BE.'),
  );
  return violations.length === 0;
}
