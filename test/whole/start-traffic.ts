import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Planned, PlannedSender } from './load.ts';
import { type SenderFigures, sendWithManners } from './mllp-sender.ts';

/** What the laboratories of a plan send, and how far they are. */
export interface Traffic {
  taken(): number;
  /** Resolves once so many more messages were taken. */
  takenMore(count: number): Promise<void>;
  readonly done: Promise<SenderFigures>;
  /** What was taken, in the order of sending; a file is a sender of its own. */
  takenBySender(): Planned[][];
  /** What is still waited for, for people. */
  missing(): string;
}

/** Where they send to. */
export interface Reception {
  /** Where to connect now, for a channel; waits until there is somewhere. */
  port(channel: string): Promise<number>;
  /** The folder that files are dropped into. */
  readonly inbox: string;
  /** As of `SenderOptions`. */
  readonly patienceMs?: number;
}

/** Lets all senders of a plan send. */
export function startTraffic(plan: readonly PlannedSender[], to: Reception): Traffic {
  const { inbox } = to;
  const patience = to.patienceMs === undefined ? {} : { patienceMs: to.patienceMs };
  let count = 0;
  let waiting: { at: number; wake: () => void }[] = [];
  const files: { name: string; messages: readonly Planned[] }[] = [];
  const takenBySender: Planned[][] = plan.map(() => []);
  const sending = plan.map(async (sender, index) => {
    const taken = takenBySender[index] as Planned[];
    return sendWithManners(sender.messages, {
      port: () => to.port(sender.channel),
      ...patience,
      window: sender.window,
      onTaken: (message) => {
        taken.push(message as Planned);
        count += 1;
        for (const { at, wake } of waiting) if (count >= at) wake();
        waiting = waiting.filter(({ at }) => count < at);
        for (const file of sender.files) if (file.after === taken.length) files.push(drop(file, inbox));
      },
    });
  });
  const done = (async () => {
    const figures = await Promise.all(sending);
    for (const { name, messages } of files) takenBySender.push(await takeUpAnswers(name, messages, inbox));
    return {
      connections: figures.reduce((sum, { connections }) => sum + connections, 0),
      resent: figures.reduce((sum, { resent }) => sum + resent, 0),
      wrong: figures.flatMap(({ wrong }) => wrong),
    };
  })();
  done.catch(() => {});
  return {
    taken: () => count,
    takenMore: (more) => new Promise((wake) => waiting.push({ at: count + more, wake })),
    done,
    takenBySender: () => takenBySender,
    missing: () => {
      const unanswered = files.filter(({ name }) => readIfThere(join(inbox, 'done', `${name}.ack`)) === null);
      const places = ['', 'processing', 'done', 'failed'].map(
        (place) => `${place}/: ${readdirSync(join(inbox, place)).join(' ')}`,
      );
      const names = unanswered.map(({ name }) => name).join(' ');
      return `the senders: ${count} messages were taken; files without answer: ${names}\n${places.join('\n')}`;
    },
  };
}

/** Writes the file as a careful sender does: whole, under another name, then renamed. */
function drop<File extends { name: string; messages: readonly Planned[] }>(file: File, inbox: string): File {
  const draft = join(inbox, `${file.name}.part`);
  writeFileSync(draft, Buffer.concat(file.messages.map(({ bytes }) => bytes)));
  renameSync(draft, join(inbox, file.name));
  return file;
}

/** Waits for the answers beside a file; those of its messages that were taken. */
async function takeUpAnswers(name: string, messages: readonly Planned[], inbox: string): Promise<Planned[]> {
  for (;;) {
    const text = readIfThere(join(inbox, 'done', `${name}.ack`));
    if (text === null) {
      await wait(20);
      continue;
    }
    const taken = [...text.matchAll(/^MSA\|AA\|([^|\r]*)/gm)].map(([, controlId]) => controlId);
    return messages.filter(({ controlId }, index) => taken[index] === controlId);
  }
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}
