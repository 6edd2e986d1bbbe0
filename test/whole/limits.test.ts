import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Installation, install, negativeTest, portOf, sendAll } from '../installation.ts';

let home: Installation;
beforeEach(async () => {
  home = await install();
});
afterEach(() => home.tearDown());

const journalWith = (limits: string) => home.configure((text) => text.replace(/^journal:.*$/m, `journal: ${limits}`));

/** Only root may mount; elsewhere the disk is one of the test's telling (intake.test.ts). */
function mountSmallDisk(folder: string, megabytes: number): boolean {
  mkdirSync(folder);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'sluss-test', folder], { stdio: 'pipe' });
    return true;
  } catch (error) {
    console.warn(`a small disk cannot be mounted, so none is filled: ${(error as Error).message.split('\n')[0]}`);
    return false;
  }
}

describe('the queue of the journal', () => {
  it('answers what is beyond it AR, stores nothing of that, and takes it when it comes again', async () => {
    journalWith('{ file: journal.db, queue: 1 }');
    const sluss = await home.start();
    const port = portOf(sluss, 'lab-nord');
    const messages = Array.from({ length: 20 }, (_, index) => negativeTest({ controlId: `M${index}` }));
    const answers = await sendAll(port, messages);
    const refused = messages.filter((_, index) => answers[index]?.code === 'AR');
    expect(answers[0]?.code).toBe('AA');
    expect(refused.length).toBeGreaterThan(0);
    const told = answers.filter((ack) => ack?.code === 'AR').map((ack) => ack?.errors[0]?.text ?? '');
    expect(new Set(told)).toEqual(new Set([expect.stringContaining('The journal cannot take more just now')]));
    const { messages: stored } = await sluss.status.overview();
    expect(stored.reduce((sum, { count }) => sum + count, 0)).toBe(20 - refused.length);
    // The engine is not ill: it only has its hands full.
    expect(sluss.status.problem()).toBe(null);
    for (const message of refused) expect((await sendAll(port, [message]))[0]?.code).toBe('AA');
    await home.standIn.ledger.waitFor(20);
    expect([...home.standIn.ledger.countsByIdentifier().values()]).toEqual(Array.from({ length: 20 }, () => 1));
  });
});

describe('a disk that is nearly full', () => {
  it('stops messages and files from being taken, not deliveries, and everything goes on by itself when it has room', async () => {
    const disk = join(home.folder, 'disk');
    if (!mountSmallDisk(disk, 40)) return;
    try {
      journalWith('{ file: disk/journal.db, reserve: 20 MB }');
      home.configure((text) =>
        text.replace(/(lab-syd:\n\s+source: ){[^}]*}/, '$1{ kind: folder, path: inbox, stable: 0, retry: 50ms }'),
      );
      mkdirSync(join(home.folder, 'inbox'));
      const sluss = await home.start();
      const port = portOf(sluss, 'lab-nord');
      expect((await sendAll(port, [negativeTest({ controlId: 'M1' })]))[0]?.code).toBe('AA');

      const filler = join(disk, 'filler');
      writeFileSync(filler, Buffer.alloc(25_000_000));
      await home.seen('disk-low');
      const [refused] = await sendAll(port, [negativeTest({ controlId: 'M2' })]);
      expect(refused).toMatchObject({ code: 'AR', controlId: 'M2' });
      expect(refused?.errors[0]?.text).toContain('nearly full');
      const file = join(home.folder, 'inbox/one.hl7');
      writeFileSync(file, negativeTest({ controlId: 'F1', organisation: '5599999991' }));
      const ready = await fetch(`${sluss.console}/ready`);
      expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('nearly full')]);
      expect((await fetch(`${sluss.console}/health`)).status).toBe(200);
      // What was taken before is delivered all the same.
      await home.standIn.ledger.waitFor(1);
      expect(existsSync(file)).toBe(true);

      rmSync(filler);
      await home.seen('disk-has-room');
      expect((await sendAll(port, [negativeTest({ controlId: 'M2' })]))[0]?.code).toBe('AA');
      await home.standIn.ledger.waitFor(3);
      await vi.waitUntil(() => readdirSync(join(home.folder, 'inbox/done')).includes('one.hl7.ack'));
      expect(home.log.filter((line) => line.includes('"event":"disk-low"'))).toHaveLength(1);
      await sluss.stop();
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
  });
});
