import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { systemClock } from '../../src/system-clock.ts';
import { type Installation, install, negativeTest, sendAll } from '../installation.ts';
import { runCommand } from './kit.ts';

const SLUSS = join(import.meta.dirname, '../../src/cli/sluss.ts');

let home: Installation;
beforeEach(async () => {
  home = await install();
});
afterEach(() => home.tearDown());

/** The real thing: a process of its own. */
function spawnRun() {
  const child = spawn(process.execPath, [SLUSS, 'run', '-c', home.configFile], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  let wake = () => {};
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      wake();
    });
  }
  const ended = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => {
      resolve(code ?? signal ?? 'gone');
      wake();
    });
  });
  return {
    child,
    ended,
    text: () => text,
    async seen(pattern: RegExp): Promise<RegExpExecArray> {
      for (;;) {
        const found = pattern.exec(text);
        if (found !== null) return found;
        if (child.exitCode !== null) throw new Error(`ended before ${pattern}: ${text}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

/** Identifiers of the requests to the service, in the order in which their messages were admitted. */
async function readIdentifiers(path: string, count: number): Promise<string[]> {
  const journal = await openSqliteJournal({ path, now: systemClock.now() });
  const deliveries = await Promise.all(Array.from({ length: count }, (_, index) => journal.readDeliveries(index + 1)));
  await journal.close();
  const requests = deliveries.flat().filter(({ target }) => target === 'covidbevis');
  return requests.map(({ body }) => JSON.parse(Buffer.from(body).toString()).identifier[0].value);
}

describe('sluss run', () => {
  it('runs until it is asked to end, and ends with 0', async () => {
    const running = spawnRun();
    const [, port] = await running.seen(/"channel":"lab-nord","address":"mllp:\/\/127.0.0.1:(\d+)"/);
    await running.seen(/engine-started/);
    const [ack] = await sendAll(Number(port), [negativeTest({ controlId: 'M1' })]);
    expect(ack?.code).toBe('AA');
    await running.seen(/delivery-delivered/);
    running.child.kill('SIGTERM');
    expect(await running.ended).toBe(0);
    expect(running.text()).toContain('engine-stopped');
  });

  it('delivers exactly once, and in order, what it had accepted when it was killed', async () => {
    home.standIn.faults.add({ fault: { kind: 'delay', delayMs: 5 } });
    const messages = Array.from({ length: 40 }, (_, index) => negativeTest({ controlId: `M${index}` }));
    const accepted = new Set<string>();
    for (const killAfter of [3, 15]) {
      const running = spawnRun();
      const [, port] = await running.seen(/"channel":"lab-nord","address":"mllp:\/\/127.0.0.1:(\d+)"/);
      await running.seen(/engine-started/);
      const sending = sendAll(Number(port), messages).catch(() => []);
      await home.standIn.ledger.waitFor(killAfter);
      running.child.kill('SIGKILL');
      expect(await running.ended).toBe('SIGKILL');
      for (const ack of await sending) if (ack?.code === 'AA') accepted.add(ack.controlId);
    }
    const last = spawnRun();
    const [, port] = await last.seen(/"channel":"lab-nord","address":"mllp:\/\/127.0.0.1:(\d+)"/);
    const answers = await sendAll(Number(port), messages);
    for (const ack of answers) if (ack?.code === 'AA') accepted.add(ack.controlId);
    expect(accepted.size).toBe(messages.length);
    while (home.standIn.ledger.certificates() < messages.length) {
      await home.standIn.ledger.waitFor(home.standIn.ledger.entries().length + 1);
    }
    last.child.kill('SIGTERM');
    expect(await last.ended).toBe(0);
    // A repeated request has the identifier of the first, so each result has one certificate, in the order they came in.
    expect(home.standIn.ledger.certificates()).toBe(messages.length);
    expect(home.standIn.ledger.order()).toEqual(
      await readIdentifiers(join(home.folder, 'journal.db'), messages.length),
    );
  }, 120_000);

  it('refuses a configuration with mistakes before it starts anything', async () => {
    home.configure((text) => text.replace('journal:', 'jornal:'));
    const { code, err } = await runCommand(['run', '-c', home.configFile]).done;
    expect(code).toBe(2);
    expect(err).toContain(':1:1 Unknown key “jornal”. Did you mean “journal”?');
    expect(err).toContain('Nothing was started.');
  });
});
