import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Source } from '../../src/contracts/source.ts';
import { frameMessage } from '../../src/hl7/mllp.ts';
import { mllpSource } from '../../src/sources/mllp.ts';
import { connectTo, createFakeIntake, createTestHost, type Peer } from './harness.ts';

const corpus = join(import.meta.dirname, '../../../shared/corpus');
const files = existsSync(corpus) ? globSync('**/*.hl7', { cwd: corpus }).sort() : [];
if (files.length === 0) console.warn('no corpus beside the repository: nothing of it goes through the listener');

describe.runIf(files.length > 0)('every file of the corpus', () => {
  const host = createTestHost();
  const fake = createFakeIntake();
  let source: Source;
  let peer: Peer;
  let sent = 0;

  beforeAll(async () => {
    source = mllpSource.create(mllpSource.config.parse({ port: 0 }), host);
    await source.start(fake.intake);
    peer = await connectTo(source.address);
  });
  afterAll(async () => {
    peer.socket.destroy();
    await source.stop();
  });

  it.each(files)('%s is answered once a frame, and handed over byte for byte', async (file) => {
    const bytes = readFileSync(join(corpus, file));
    const before = fake.calls.length;
    peer.write(frameMessage(bytes));
    // One file is a recording of the wire, frames and all.
    sent += 1 + bytes.filter((byte) => byte === 0x0b).length;
    const answers = await peer.answers(sent);
    expect(answers).toHaveLength(sent);
    const handedOver = Buffer.concat(fake.calls.slice(before).map((call) => call.inbound.bytes));
    // Envelopes of batches and what precedes the first message are no part of any message.
    expect(handedOver.length).toBeGreaterThan(bytes.length - 500);
    if (fake.calls.length === before + 1 && !answers.at(-1)?.startsWith('BHS') && !answers.at(-1)?.startsWith('FHS')) {
      expect(handedOver.equals(bytes)).toBe(true);
    }
  });
});
