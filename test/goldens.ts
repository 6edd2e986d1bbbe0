import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readConversations } from '../src/simulators/conversation.ts';
import { CONVERSATIONS, loadSetup, runConversation } from './conversation.ts';
import { makeGoldens } from './mappings/golden.ts';

// Rewrites what every conversation, and every message of fixtures/oru-r01, is expected to make; the diff is for people
// to judge. Names choose some.
const names = process.argv.slice(2);
const setup = await loadSetup();
for (const conversation of readConversations(CONVERSATIONS)) {
  if (names.length > 0 && !names.includes(conversation.name)) continue;
  for (const [file, bytes] of await runConversation(conversation, setup)) {
    writeFileSync(join(conversation.folder, file), bytes);
  }
}
for (const { name, path, made } of makeGoldens())
  if (names.length === 0 || names.includes(name)) writeFileSync(path, made);
