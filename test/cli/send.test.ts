import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Installation, install, negativeTest, portOf } from '../installation.ts';
import { runCommand } from './kit.ts';

let home: Installation;
let to = '';
beforeEach(async () => {
  home = await install();
  to = `localhost:${portOf(await home.start(), 'lab-nord')}`;
});
afterEach(() => home.tearDown());

function file(name: string, ...messages: Uint8Array[]): string {
  const path = join(home.folder, name);
  writeFileSync(path, Buffer.concat(messages));
  return path;
}

describe('sluss send', () => {
  it('sends every message of its files and prints the answers', async () => {
    const two = file('two.hl7', negativeTest({ controlId: 'M1' }), negativeTest({ controlId: 'M2' }));
    const one = file('one.hl7', negativeTest({ controlId: 'M3' }));
    const { code, out } = await runCommand(['send', two, one, '--to', to]).done;
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      'AA  two.hl7 #1  M1',
      'AA  two.hl7 #2  M2',
      'AA  one.hl7 #1  M3',
      '3 of 3 accepted',
    ]);
  });

  it('shows what was wrong, and ends with 1', async () => {
    const bad = file(
      'bad.hl7',
      negativeTest({ controlId: 'M1', number: '199708062387' }),
      negativeTest({ controlId: 'M2' }),
    );
    const { code, out } = await runCommand(['send', bad, '--to', to]).done;
    expect(code).toBe(1);
    expect(out).toMatch(/^AE {2}bad.hl7 #1 {2}M1\n {6}102 PID\^1\^3.*check digit/);
    expect(out).toContain('1 of 2 accepted');
  });

  it('gives the answers as JSON', async () => {
    const bad = file('bad.hl7', Buffer.from('nothing'));
    const { code, out } = await runCommand(['send', bad, '--to', to, '--json']).done;
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject([{ number: 1, code: 'AR', errors: [{ condition: '207' }], problem: null }]);
  });

  it('says so where nobody listens, or nobody answers', async () => {
    const good = file('good.hl7', negativeTest({ controlId: 'M1' }));
    const silent = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as AddressInfo;
    const unanswered = await runCommand(['send', good, '--to', `127.0.0.1:${port}`, '--timeout', '0.05']).done;
    expect(unanswered.code).toBe(1);
    expect(unanswered.out).toContain('no answer within 0.05 s');
    await new Promise((resolve) => silent.close(resolve));
    const refused = await runCommand(['send', good, '--to', `127.0.0.1:${port}`]).done;
    expect(refused).toMatchObject({
      code: 1,
      err: expect.stringContaining(`cannot connect to 127.0.0.1:${port}: ECONNREFUSED`),
    });
  });

  it('speaks TLS with a client certificate', async () => {
    const pki = join(home.folder, 'pki');
    home.configure((text) =>
      text
        .replace('journal.db', 'tls.db')
        .replace(
          '{ kind: mllp, port: 0 }',
          '{ kind: mllp, port: 0, tls: { cert: pki/server.crt, key: pki/server.key, ca: pki/ca.crt } }',
        ),
    );
    const port = portOf(await home.start(), 'lab-nord');
    const good = file('good.hl7', negativeTest({ controlId: 'M1' }));
    const material = ['--ca', `${pki}/ca.crt`, '--cert', `${pki}/region-nord.crt`, '--key', `${pki}/region-nord.key`];
    const args = ['send', good, '--to', `localhost:${port}`, '--tls'];
    expect(await runCommand([...args, ...material]).done).toMatchObject({ code: 0 });
    expect(await runCommand([...args, '--ca', `${pki}/ca.crt`]).done).toMatchObject({ code: 1 });
    expect(await runCommand(args).done).toMatchObject({ code: 1, err: expect.stringContaining('cannot connect') });
  });
});
