import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FAULTS } from '../src/contracts/fault.ts';
import type { StoredMessage } from '../src/contracts/journal.ts';
import { readHeader } from '../src/hl7/header.ts';
import { parseAck } from '../src/hl7/parse-ack.ts';
import { recoveryCertificateRequest, testCertificateRequest } from '../src/targets/covidbevis-request.ts';
import { type ConversationSetup, cutInput, loadSetup, openChannel } from './conversation.ts';

// Public messages that nobody of us wrote. They are not part of the project, so the test does without them.
const CORPUS = resolve(import.meta.dirname, '../../shared/corpus');
const files = existsSync(CORPUS) ? globSync('**/*.hl7', { cwd: CORPUS }).sort() : [];
if (files.length === 0) console.warn(`corpus.test.ts: nothing to do, there is no ${relative(process.cwd(), CORPUS)}`);

describe.runIf(files.length > 0)('public messages', () => {
  test.each(['lab-nord', 'lab-syd', 'folder-nord'])(
    'get exactly one answer each from %s, and a record that says why',
    async (name) => {
      const setup = await loadSetup();
      await using channel = await openChannel(name, setup);
      const counts = new Map<string, number>();
      const count = (line: string) => counts.set(line, (counts.get(line) ?? 0) + 1);
      let messages = 0;
      for (const file of files) {
        for (const { origin, bytes } of cutFile(file, channel.takesFiles)) {
          messages += 1;
          const { ack, admitted } = await channel.takeIn(bytes, origin);
          const message = await channel.journal.readMessage(admitted.messageId);
          const reasons = message === null ? [] : listReasons(message);
          // The state an incoming acknowledgement gets, and nothing but that, stays unanswered.
          const isAcknowledgement = isAck(bytes);
          expect(ack === null, origin).toBe(isAcknowledgement);
          if (ack !== null) {
            const parsed = parseAck(ack.bytes);
            expect(parsed?.code, origin).toBe(ack.code);
            if (ack.code === 'AA') expect(['mapped', 'skipped', 'held'], origin).toContain(admitted.state);
            else expect(parsed?.errors.length, origin).toBeGreaterThan(0);
          }
          if (admitted.state !== 'mapped') expect(reasons, origin).not.toEqual([]);
          count(`${ack?.code ?? '--'} ${admitted.state.padEnd(8)} ${reasons[0] ?? ''}`);
        }
      }
      expect(messages).toBeGreaterThanOrEqual(files.length);
      const lines = [...counts]
        .sort((a, b) => b[1] - a[1])
        .map(([line, times]) => `${String(times).padStart(5)} ${line}`);
      console.info([`${name}: ${files.length} files, ${messages} messages`, ...lines].join('\n'));
    },
  );

  test('become certificates where the channel knows the care provider and the request', async () => {
    await using channel = await openChannel('anybody', await loadAnybody());
    let certificates = 0;
    for (const file of files) {
      for (const { origin, bytes } of cutFile(file, true)) {
        const { admitted } = await channel.takeIn(bytes, origin);
        for (const { operation, body } of await channel.journal.readDeliveries(admitted.messageId)) {
          certificates += 1;
          const schema = operation === 'test-certificate' ? testCertificateRequest : recoveryCertificateRequest;
          expect(schema.safeParse(JSON.parse(Buffer.from(body).toString())).error?.issues ?? [], origin).toEqual([]);
        }
      }
    }
    console.info(`anybody: ${certificates} certificates asked for`);
    expect(certificates).toBeGreaterThan(0);
  });
});

/** A channel for any laboratory: one care provider, and everybody asks for both certificates. */
async function loadAnybody(): Promise<ConversationSetup> {
  const folder = mkdtempSync(join(tmpdir(), 'sluss-anybody-'));
  try {
    const file = join(folder, 'sluss.yaml');
    const fixtures = resolve(import.meta.dirname, '../fixtures');
    const text = readFileSync(join(fixtures, 'sluss.yaml'), 'utf8').replace(
      '../mappings',
      join(fixtures, '../mappings'),
    );
    writeFileSync(file, `${text}${ANYBODY}`);
    return await loadSetup(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const ANYBODY = `
  anybody:
    source: { kind: mllp, port: 0 }
    mappings: [se-covid-certificates]
    parties: [region-nord]
    charset: { default: UNICODE UTF-8 }
    with:
      party: { value: region-nord }
      requested: { value: [both] }
`;

/** A file's messages as a folder takes them, or the whole file as one frame. A file without any is handed over as it is. */
function cutFile(file: string, isFile: boolean) {
  const bytes = readFileSync(join(CORPUS, file));
  const cut = cutInput({ file, bytes }, isFile);
  return cut.length > 0 ? cut : [{ origin: file, bytes }];
}

/** Why a message ended as it did, what refuses it first. */
function listReasons({ faults, skipped }: StoredMessage): string[] {
  const theirs = faults.filter(({ code }) => FAULTS[code].blame === 'message');
  const others = faults.filter(({ code }) => FAULTS[code].blame !== 'message');
  const named = [...theirs, ...others].map(({ code, at }) =>
    at === null ? code : `${code} at ${at.replaceAll(/\[\d+\]/g, '')}`,
  );
  return [...named, ...skipped.map(({ reason }) => reason)];
}

function isAck(bytes: Uint8Array): boolean {
  try {
    return readHeader(bytes).messageCode === 'ACK';
  } catch {
    return false;
  }
}
