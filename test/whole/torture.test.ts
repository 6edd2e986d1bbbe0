import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { Hl7Message } from '@medplum/core';
import { Hl7Client } from '@medplum/hl7';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { frameMessage } from '../../src/hl7/mllp.ts';
import { parseAck } from '../../src/hl7/parse-ack.ts';
import { createLaboratory } from '../../src/simulators/laboratory.ts';
import { settled } from './crash-run.ts';
import type { EngineProcess } from './engine-process.ts';
import { testMessage } from './message.ts';
import { connectPeer } from './mllp-peer.ts';
import { makeSite, type Site, type SiteOptions } from './site.ts';

/** Connections one after the other; `SLUSS_CONNECTIONS` for more or fewer. */
const CONNECTIONS = Number(process.env.SLUSS_CONNECTIONS ?? 2_000);

let site: Site;
async function start(options?: SiteOptions): Promise<EngineProcess> {
  site = await makeSite(options);
  return site.start();
}
afterEach(async () => {
  await site[Symbol.asyncDispose]();
});

const good = (controlId: string) => testMessage({ controlId, person: 95_000, results: [controlId] });

function handlesOf(engine: EngineProcess): number {
  return readdirSync(`/proc/${engine.pid}/fd`).length;
}

function residentMb(engine: EngineProcess): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${engine.pid}/status`, 'utf8'))?.[1]) / 1024;
}

describe('many senders that dribble', { timeout: 120_000 }, () => {
  it('keep nobody waiting, are answered when their time is over, and leave nothing open', async () => {
    const engine = await start({ mllp: ', frameTimeout: 2s, maxConnectionsPerAddress: 200' });
    const before = handlesOf(engine);
    const port = await site.port('lab-nord');
    const frame = frameMessage(good('LORIS'));
    const slow = await Promise.all(Array.from({ length: 120 }, () => connectPeer(port)));
    let isOver = false;
    const dribbling = slow.map(async (peer) => {
      for (let at = 0; !isOver && !peer.socket.destroyed; at = (at + 1) % (frame.length - 2)) {
        peer.socket.write(frame.subarray(at, at + 1));
        await wait(40);
      }
    });
    using quick = await connectPeer(port);
    for (let index = 0; index < 40; index += 1) {
      expect((await quick.exchange(good(`QUICK${index}`)))?.code).toBe('AA');
    }
    const answers = await Promise.all(slow.map((peer) => peer.answered(1)));
    isOver = true;
    for (const [answer] of answers) expect(parseAck(answer as Uint8Array)?.code).toBe('AR');
    await Promise.all([...dribbling, ...slow.map(({ closed }) => closed)]);
    expect((await quick.exchange(good('STILL')))?.code).toBe('AA');
    await vi.waitUntil(() => handlesOf(engine) <= before + 10, { timeout: 20_000 });
  });
});

describe('senders that close their side and stay', { timeout: 120_000 }, () => {
  it('get all their answers, and are not kept', async () => {
    const engine = await start();
    const port = await site.port('lab-nord');
    const before = handlesOf(engine);
    const peers = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
        const chunks: Buffer[] = [];
        socket.on('data', (chunk: Buffer) => chunks.push(chunk));
        socket.end(Buffer.concat([good(`HALF${index}a`), good(`HALF${index}b`)].map(frameMessage)));
        await once(socket, 'end');
        return { socket, said: Buffer.concat(chunks).toString('latin1') };
      }),
    );
    for (const [index, { said }] of peers.entries()) {
      const answered = [...said.matchAll(/MSA\|(\w+)\|(\w+)/g)].map(([, code, id]) => `${code} ${id}`);
      expect(answered).toEqual([`AA HALF${index}a`, `AA HALF${index}b`]);
    }
    // Their own side was closed long ago; ours is, too.
    await vi.waitUntil(() => handlesOf(engine) <= before + 10, { timeout: 20_000 });
    for (const { socket } of peers) socket.destroy();
  });
});

describe(`${CONNECTIONS} connections, one after the other`, { timeout: 300_000 }, () => {
  it('leave no handle and no memory behind, however they end', async () => {
    const engine = await start();
    const port = await site.port('lab-nord');
    const before = handlesOf(engine);
    const visit = async (number: number) => {
      const way = number % 20;
      if (way === 0) {
        using peer = await connectPeer(port);
        expect((await peer.exchange(good(`V${number}`)))?.code).toBe('AA');
        return;
      }
      const socket = connect({ port, host: '127.0.0.1' });
      socket.on('error', () => {});
      socket.resume();
      await once(socket, 'connect');
      const frame = frameMessage(good(`V${number}`));
      if (way < 4) socket.write(frame.subarray(0, frame.length >> 1));
      else if (way < 6) socket.write('GET / HTTP/1.1\r\n\r\n');
      if (way % 2 === 0) socket.resetAndDestroy();
      else socket.end();
      await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    };
    const visitMany = async (from: number, to: number) => {
      let next = from;
      const one = async () => {
        while (next < to) await visit(next++);
      };
      await Promise.all(Array.from({ length: 4 }, one));
      await settled(engine, site);
    };
    // As long as the first part lasts, code is compiled and buffers grow to their size.
    const half = Math.floor(CONNECTIONS / 2);
    await visitMany(0, half);
    const halfWay = residentMb(engine);
    await visitMany(half, CONNECTIONS);
    await vi.waitUntil(() => handlesOf(engine) <= before + 20, { timeout: 20_000 });
    expect(residentMb(engine)).toBeLessThan(halfWay * 1.2);
    using peer = await connectPeer(port);
    expect((await peer.exchange(good('LAST')))?.code).toBe('AA');
  });
});

describe('foreign senders with manners of their own', { timeout: 120_000 }, () => {
  it.each<[string, (text: string) => string]>([
    ['ends its lines with LF', (text) => text.replaceAll('\r', '\n')],
    ['ends its lines with CRLF', (text) => text.replaceAll('\r', '\r\n')],
    ['begins with a byte order mark', (text) => `\xef\xbb\xbf${text}`],
    ['leaves out the last CR', (text) => text.replace(/\r$/, '')],
    ['does all of that', (text) => `\xef\xbb\xbf${text.replaceAll('\r', '\n').trimEnd()}`],
  ])('node-hl7-client gets AA where it %s, alone and many in one packet', async (_, change) => {
    const engine = await start();
    const port = await site.port('lab-nord');
    const spoil = (controlId: string) => Buffer.from(change(good(controlId).toString('latin1')), 'latin1');
    const laboratory = createLaboratory({ host: '127.0.0.1', port });
    try {
      for (const id of ['F1', 'F2', 'F3']) expect((await laboratory.send(spoil(id))).code).toBe('AA');
    } finally {
      await laboratory.close();
    }
    using peer = await connectPeer(port);
    peer.socket.write(Buffer.concat(['F4', 'F5', 'F6'].map((id) => frameMessage(spoil(id)))));
    const answers = (await peer.answered(3)).map((answer) => parseAck(answer));
    expect(answers.map((ack) => `${ack?.code} ${ack?.controlId}`)).toEqual(['AA F4', 'AA F5', 'AA F6']);
    await settled(engine, site);
    expect(site.standIn.ledger.certificates()).toBe(6);
  });

  it('connect anew when the engine was killed, and go on where they were', async () => {
    site = await makeSite();
    const port = await freePort();
    site.configure((text) => text.replace('{ kind: mllp, port: 0 }', `{ kind: mllp, port: ${port} }`));
    const first = await site.start();
    const laboratory = createLaboratory({ host: '127.0.0.1', port });
    const medplum = () => new Hl7Client({ host: '127.0.0.1', port });
    let client = medplum();
    const sendByMedplum = async (controlId: string) => {
      const message = Hl7Message.parse(good(controlId).toString('latin1'));
      // The client is typed with a copy of @medplum/core of its own.
      const answer = await client.sendAndWait(message as unknown as Parameters<Hl7Client['sendAndWait']>[0]);
      return answer.getSegment('MSA')?.getField(1)?.toString();
    };
    try {
      expect((await laboratory.send(good('R1'))).code).toBe('AA');
      expect(await sendByMedplum('R2')).toBe('AA');
      await first.kill();
      await expect(laboratory.send(good('R3'))).rejects.toThrow();
      await client.close().catch(() => {});
      client = medplum();
      const second = await site.start();
      expect((await laboratory.send(good('R3'))).code).toBe('AA');
      expect(await sendByMedplum('R4')).toBe('AA');
      // What had its answer before the kill is known.
      expect((await laboratory.send(good('R1'))).code).toBe('AA');
      await settled(second, site);
      expect(site.standIn.ledger.certificates()).toBe(4);
    } finally {
      await laboratory.close();
      await client.close().catch(() => {});
    }
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
