import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Hl7Message } from '@medplum/core';
import { Hl7Client } from '@medplum/hl7';
import Database from 'better-sqlite3';
import { describe, expect, it, vi } from 'vitest';
import { frameMessage, MllpDecoder } from '../../src/hl7/mllp.ts';
import { parseAck } from '../../src/hl7/parse-ack.ts';
import { negativeTest } from '../installation.ts';
import { makeSite, type Site } from './site.ts';

/** A message that chooses enhanced mode. */
function wanting(accept: string, application: string, controlId: string): Buffer {
  const text = Buffer.from(negativeTest({ controlId })).toString();
  return Buffer.from(text.replace('|P|2.5.1\r', `|P|2.5.1|||${accept}|${application}\r`));
}

/** Sends one message and gives the first `count` answers, as `AA M1`. */
async function exchange(port: number, message: Uint8Array, count: number): Promise<string[]> {
  const socket = connect({ port, host: '127.0.0.1' });
  const decoder = new MllpDecoder(1 << 20);
  const said: string[] = [];
  try {
    socket.write(frameMessage(message));
    for await (const chunk of socket) {
      for (const event of decoder.push(chunk as Buffer)) {
        const ack = event.kind === 'message' ? parseAck(event.bytes) : null;
        said.push(ack === null ? event.kind : `${ack.code} ${ack.controlId}`);
      }
      if (said.length >= count) break;
    }
  } finally {
    socket.destroy();
  }
  return said;
}

/** The channel answers when all is done, and gives answers that have no connection to a target of the test's own. */
function answerSettled(site: Site, more = ''): void {
  const zod = pathToFileURL(createRequire(import.meta.url).resolve('zod')).href;
  const returned = JSON.stringify(join(site.folder, 'returned'));
  writeFileSync(
    join(site.folder, 'back.mjs'),
    `import { appendFileSync } from 'node:fs';
     import { z } from ${JSON.stringify(zod)};
     export default {
       kind: 'target', name: 'back', summary: 'Takes acknowledgements.', config: z.strictObject({}),
       create: () => ({
         operations: { acknowledgement: { summary: 'One.', inDoubt: 'repeat', onCorrection: 'update' } },
         async send({ body }) {
           appendFileSync(${returned}, Buffer.from(body).toString('latin1') + '\\n');
           return { ok: true, response: null };
         },
         async stop() {},
       }),
     };`,
  );
  site.configure((text) =>
    text
      .replace('targets:\n', 'plugins: [./back.mjs]\ntargets:\n  back: { kind: back }\n')
      .replace(/( {2}lab-nord:\n)/, `$1    acknowledge: settled\n${more}`),
  );
}

/** A listener as a LIS has one; `frame` is the first that comes. */
async function listenAsLis(): Promise<{ port: number; frame: Promise<Uint8Array>; close(): void }> {
  const first = Promise.withResolvers<Uint8Array>();
  const server = createServer((socket) => {
    const decoder = new MllpDecoder(1 << 20);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      for (const event of decoder.push(chunk)) if (event.kind === 'message') first.resolve(event.bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { port, frame: first.promise, close: () => server.close() };
}

function owedIn(site: Site): number {
  const db = new Database(site.journalFile, { readonly: true });
  try {
    return Number(db.prepare('select count(*) from owed_acks').pluck().get());
  } finally {
    db.close();
  }
}

const returnedTo = (site: Site) => readFileSync(join(site.folder, 'returned'), 'latin1');

describe('an engine that is killed between the accept and the application acknowledgement', () => {
  it('K1: returns what it owes once it has been started again', async () => {
    await using site = await makeSite();
    answerSettled(site, '    return: back\n');
    site.standIn.faults.add({ fault: { kind: 'status', status: 503 } });
    const first = await site.start();
    expect(await exchange(await site.port('lab-nord'), wanting('AL', 'AL', 'K1'), 1)).toEqual(['CA K1']);
    await first.kill();
    expect(owedIn(site)).toBe(1);
    site.standIn.faults.clear();
    const second = await site.start();
    await second.seen('ack-returned');
    await second.seen('delivery-delivered', (line) => line.operation === 'acknowledgement');
    expect(returnedTo(site)).toContain('MSA|AA|K1\r');
    expect(owedIn(site)).toBe(0);
    await second.stop();
  });

  it('K1: returns it by the mllp target to the listener of the LIS', async () => {
    const lis = await listenAsLis();
    await using site = await makeSite();
    answerSettled(site, '    return: acknowledged\n');
    site.configure((text) =>
      text.replace('targets:\n', `targets:\n  acknowledged: { kind: mllp, host: 127.0.0.1, port: ${lis.port} }\n`),
    );
    site.standIn.faults.add({ fault: { kind: 'status', status: 503 } });
    const first = await site.start();
    expect(await exchange(await site.port('lab-nord'), wanting('AL', 'AL', 'K1M'), 1)).toEqual(['CA K1M']);
    await first.kill();
    site.standIn.faults.clear();
    const second = await site.start();
    expect(Buffer.from(await lis.frame).toString('latin1')).toContain('MSA|AA|K1M\r');
    await second.seen('delivery-delivered', (line) => line.operation === 'acknowledgement');
    expect(owedIn(site)).toBe(0);
    await second.stop();
    lis.close();
  });

  it('K2: answers who sends the message again with what it has earned by then, and delivers once', async () => {
    await using site = await makeSite();
    answerSettled(site);
    site.standIn.faults.add({ fault: { kind: 'status', status: 503 } });
    const first = await site.start();
    const message = wanting('AL', 'AL', 'K2');
    expect(await exchange(await site.port('lab-nord'), message, 1)).toEqual(['CA K2']);
    await first.kill();
    site.standIn.faults.clear();
    const second = await site.start();
    expect(await exchange(await site.port('lab-nord'), message, 2)).toEqual(['CA K2', 'AA K2']);
    await vi.waitUntil(() => owedIn(site) === 0);
    await second.stop();
    expect([...site.standIn.ledger.countsByIdentifier().values()].length).toBe(1);
  });
});

describe('a foreign sender in enhanced mode', () => {
  it('such as @medplum/hl7 waits for the accept or the application acknowledgement, as it likes', async () => {
    await using site = await makeSite();
    answerSettled(site);
    const engine = await site.start();
    const client = new Hl7Client({ host: '127.0.0.1', port: await site.port('lab-nord') });
    // The client is typed with a copy of @medplum/core of its own.
    const parse = (bytes: Buffer) =>
      Hl7Message.parse(bytes.toString()) as unknown as Parameters<Hl7Client['sendAndWait']>[0];
    const codeOf = (answer: Awaited<ReturnType<Hl7Client['sendAndWait']>>) =>
      [1, 2].map((field) => answer.getSegment('MSA')?.getField(field)?.toString()).join(' ');
    try {
      const ids = Array.from({ length: 10 }, (_, index) => `F${index}`);
      const application = ids.map((id) =>
        client.sendAndWait(parse(wanting('AL', 'AL', id)), { returnAck: 'application', timeoutMs: 20_000 }),
      );
      expect((await Promise.all(application)).map(codeOf)).toEqual(ids.map((id) => `AA ${id}`));
      const accept = await client.sendAndWait(parse(wanting('AL', 'NE', 'G1')), { returnAck: 'first' });
      expect(codeOf(accept)).toBe('CA G1');
    } finally {
      await client.close();
    }
    await engine.stop();
  });
});

describe('a return target that takes no acknowledgements', () => {
  it('is a mistake in the configuration, at its line', async () => {
    await using site = await makeSite();
    answerSettled(site, '    return: covidbevis\n');
    const engine = site.launch();
    expect((await engine.ended).code).toBe(2);
    expect(site.said()).toMatch(/sluss\.yaml:\d+:\d+ “channels\.lab-nord\.return”: the target “covidbevis” takes no/);
  });
});
