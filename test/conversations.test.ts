import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Conversation, readConversations } from '../src/simulators/conversation.ts';
import { readSubmission } from '../src/simulators/covidbevis/submission.ts';
import { recoveryCertificateRequest, testCertificateRequest } from '../src/targets/covidbevis-request.ts';
import { CONVERSATIONS, type ConversationSetup, loadSetup, runConversation } from './conversation.ts';

const conversations = readConversations(CONVERSATIONS);
let setup: ConversationSetup;

beforeAll(async () => {
  setup = await loadSetup();
});

describe('every conversation gives its goldens, byte for byte', () => {
  test.concurrent.each(conversations)('$name: $about', async (conversation) => {
    const made = await runConversation(conversation, setup);
    const files = ['about.txt', ...conversation.inputs.map(({ file }) => file), ...made.keys()];
    expect(readdirSync(conversation.folder).sort(), conversation.name).toEqual(files.sort());
    for (const [file, bytes] of made) {
      const golden = readGolden(conversation, file);
      const at = `${conversation.name}/${file} (if this is right: npm run goldens ${conversation.name})`;
      expect(show(bytes), at).toBe(show(golden));
      // What looks the same may still differ in its bytes.
      expect(bytes.equals(golden), at).toBe(true);
    }
  });
});

describe('the conversations together', () => {
  test('are at least thirty, each with a line that says what it shows', () => {
    expect(conversations.length).toBeGreaterThanOrEqual(30);
    for (const { about } of conversations) expect(about).toMatch(/^[\p{Lu}].{15,}\.$/u);
  });

  test('have no control id in common, so that one engine can take them all', async () => {
    const seen = new Map<string, string>();
    for (const { name, channel, inputs } of conversations) {
      for (const id of new Set(inputs.flatMap(({ bytes }) => findControlIds(bytes)))) {
        expect(seen.get(`${channel} ${id}`), `${name}: ${id}`).toBeUndefined();
        seen.set(`${channel} ${id}`, name);
      }
    }
    expect(seen.size).toBeGreaterThan(conversations.length / 2);
  });

  test('hold no identifier of a delivery twice', () => {
    const identifiers = conversations.flatMap(({ folder }) =>
      (
        JSON.parse(readFileSync(join(folder, 'sent.json'), 'utf8')) as {
          // Null of what is not to be sent.
          body: { identifier: [{ value: string }] } | null;
        }[]
      ).flatMap(({ body }) => body?.identifier[0].value ?? []),
    );
    expect(new Set(identifiers).size).toBe(identifiers.length);
    for (const identifier of identifiers) expect(identifier).toMatch(/^[0-9A-Z]{1,30}$/);
  });

  test('send nothing that the target or the certificate service would refuse', () => {
    const sent = conversations.flatMap(({ name, folder }) =>
      (JSON.parse(readFileSync(join(folder, 'sent.json'), 'utf8')) as { operation: string; body: unknown }[]).map(
        (delivery) => ({ name, ...delivery }),
      ),
    );
    expect(sent.length).toBeGreaterThan(30);
    for (const { name, operation, body } of sent) {
      if (body === null) continue;
      const isTest = operation === 'test-certificate';
      const schema = isTest ? testCertificateRequest : recoveryCertificateRequest;
      expect(schema.safeParse(body).error?.issues ?? [], name).toEqual([]);
      const read = readSubmission(body, isTest ? 'observation' : 'recovery', { devices: null, today: null });
      expect('violations' in read ? read.violations : [], name).toEqual([]);
    }
  });

  test('say the same of a person whether the letters came in 8859/1 or in UTF-8', () => {
    const [inLatin1, inUtf8] = ['letters-8859-1', 'letters-utf-8'].map((name) => {
      const sent = readFileSync(join(CONVERSATIONS, name, 'sent.json'), 'utf8');
      return sent.replace(/"value": "[0-9A-Z]{25}"/, '');
    });
    expect(inLatin1).toContain('Åkerlöf');
    expect(inUtf8).toBe(inLatin1);
  });

  test('give nothing of a person away in an answer', () => {
    for (const { name, folder, inputs } of conversations) {
      const words = inputs.flatMap(({ bytes }) => findPersonalWords(bytes));
      for (const { file } of inputs) {
        const ack = readFileSync(join(folder, file.replace(/^in/, 'ack')), 'latin1');
        for (const word of words) expect(ack.includes(word), `${name}: ${word}`).toBe(false);
      }
    }
  });
});

function readGolden({ name, folder }: Conversation, file: string): Buffer {
  try {
    return readFileSync(join(folder, file));
  } catch {
    throw new Error(`${name}/${file} is missing: npm run goldens ${name}`);
  }
}

/** One line a segment, every byte visible. */
function show(bytes: Buffer): string {
  return bytes.toString('latin1').replaceAll('\r', '␍\n');
}

function findControlIds(bytes: Uint8Array): string[] {
  const lines = Buffer.from(bytes)
    .toString('latin1')
    .split(/[\r\n]+/);
  return lines.flatMap((line) => (line.startsWith('MSH') ? (line.split('|')[9] ?? '') : [])).filter((id) => id !== '');
}

/** Numbers and names of PID-3 and PID-5, as they stand there. */
function findPersonalWords(bytes: Uint8Array): string[] {
  const lines = Buffer.from(bytes)
    .toString('latin1')
    .split(/[\r\n]+/);
  const fields = lines.flatMap((line) =>
    line.startsWith('PID') ? [line.split('|')[3] ?? '', line.split('|')[5] ?? ''] : [],
  );
  return fields
    .flatMap((field) => (field.split(/[~-]/)[0] ?? '').split('^').slice(0, 2))
    .filter((word) => word.length > 3);
}
