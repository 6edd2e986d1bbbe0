import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Draft, type FolderSync, lastTaken, reserveName } from './durable-file.ts';
import type { FileOutcome } from './file-messages.ts';

const ANSWERS = '.ack';
const REASONS = '.reasons.txt';
const COMPANIONS = [ANSWERS, REASONS];

export interface PutAwayFolders {
  readonly processing: string;
  readonly done: string;
  readonly failed: string;
  readonly sync: FolderSync;
}

export interface PutAwayDrafts {
  readonly answers: Draft;
  readonly refused: Draft;
  readonly reasons: Draft;
}

/**
 * Writes what belongs beside a file that was answered, and moves the file itself last: whatever ends the process before
 * that, the file is still in `processing` and is handed over again. Never writes over a file of another.
 */
export async function putAway(
  name: string,
  outcome: Extract<FileOutcome, { kind: 'answered' }>,
  folders: PutAwayFolders,
  drafts: PutAwayDrafts,
): Promise<void> {
  const { messages, refused, problems } = outcome;
  const { processing, done, failed, sync } = folders;
  const isRefused = refused > 0 && refused === messages;
  if (refused > 0) await drafts.reasons.append(Buffer.from(problems.map((problem) => `file: ${problem}\n`).join('')));
  if (refused > 0 && !isRefused) {
    const apart = await reserveName(failed, name, COMPANIONS);
    // Messages that were too large to be kept leave nothing but their reason.
    if (drafts.refused.isEmpty) await rm(join(failed, apart));
    else await drafts.refused.publish(join(failed, apart));
    await drafts.reasons.publish(join(failed, apart + REASONS));
  }
  const folder = isRefused ? failed : done;
  const kept = await reserveName(folder, name, COMPANIONS);
  if (isRefused) await drafts.reasons.publish(join(folder, kept + REASONS));
  await drafts.answers.publish(join(folder, kept + ANSWERS));
  await rename(join(processing, name), join(folder, kept));
  await sync.sync();
}

/**
 * Gives back the names that a killed process had reserved for a file before it could move the file there, with what it
 * had published beside them: the file is answered anew, and its answer stands where its sender looks for it.
 */
export async function releaseNames(
  name: string,
  { done, failed }: Pick<PutAwayFolders, 'done' | 'failed'>,
): Promise<void> {
  for (const folder of [done, failed]) {
    const last = await lastTaken(folder, name, COMPANIONS);
    if (last === null || last.size > 0) continue;
    // A file that came empty was refused, and has its answer beside it.
    if (folder === failed && (await lastTaken(folder, last.name + ANSWERS, [])) !== null) continue;
    for (const suffix of [...COMPANIONS, '']) await rm(join(folder, last.name + suffix), { force: true });
  }
}
