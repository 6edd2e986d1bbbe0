import { join } from 'node:path';
import type { Intake } from '../contracts/source.ts';
import { Draft } from './durable-file.ts';
import { takeMessages } from './file-messages.ts';
import { type PutAwayFolders, putAway } from './put-away.ts';
import { statOrNull } from './stable-files.ts';

/** Answers and reasons hold no patient data, and their reader often has another account than the engine. */
const OPEN_MODE = 0o644;

interface TakeParts {
  readonly intake: Intake;
  readonly folders: PutAwayFolders;
  readonly limits: {
    readonly maxMessage: number;
    readonly maxFile: number;
    readonly maxMessages: number;
    readonly readAhead: number;
  };
  readonly now: () => number;
  readonly isStopping: () => boolean;
  readonly log: (level: 'info' | 'warn' | 'error', event: string, fields?: object) => void;
}

/** Puts a file away that was answered; true = it has left `processing`. Never rejects. */
type PutFileAway = () => Promise<boolean>;

/**
 * Hands a file in `processing` over and awaits its answers. What waits for the disk alone is left to what is returned, so
 * that the next file need not wait for it. Null = the file has to be handed over again. Never rejects.
 */
export async function takeFile(name: string, parts: TakeParts): Promise<PutFileAway | null> {
  const { intake, folders, limits, now, isStopping, log } = parts;
  const { processing } = folders;
  const path = join(processing, name);
  const answers = new Draft(processing, OPEN_MODE);
  const drafts = { answers, refused: new Draft(processing), reasons: new Draft(processing, OPEN_MODE) };
  const discard = () => Promise.allSettled(Object.values(drafts).map((draft) => draft.discard()));
  /** True where there is nothing left to be handed over again. */
  const fail = async (error: unknown) => {
    log('error', 'file-failed', { error: codeOf(error) });
    await discard();
    // What somebody took away need not be tried again.
    return (await statOrNull(path)) === null;
  };
  try {
    const { maxMessage: maxMessageBytes, maxFile: maxFileBytes, maxMessages, readAhead } = limits;
    const most = { maxMessageBytes, maxFileBytes, maxMessages, readAhead };
    const outcome = await takeMessages(path, { intake, ...most, now, isStopping, ...drafts });
    if (outcome.kind === 'again') {
      if (!isStopping()) log('warn', 'file-again');
      await discard();
      return null;
    }
    return async () => {
      try {
        await putAway(name, outcome, folders, drafts);
      } catch (error) {
        return await fail(error);
      }
      await discard();
      for (const problem of outcome.problems) log('warn', 'file-flawed', { detail: problem });
      if (outcome.refused > 0) log('warn', 'messages-refused', { count: outcome.refused });
      log('info', 'file-done', { count: outcome.messages });
      return true;
    };
  } catch (error) {
    return (await fail(error)) ? async () => true : null;
  }
}

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.name : 'unknown');
}
