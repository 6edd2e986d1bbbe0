import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type FSWatcher, watch } from 'chokidar';
import { z } from 'zod';
import { byteSize } from '../contracts/byte-size.ts';
import { duration, durationOrZero } from '../contracts/duration.ts';
import type { Host, SourcePlugin } from '../contracts/plugin.ts';
import type { Intake, Source } from '../contracts/source.ts';
import { FolderSync, isDraftName, reserveName } from './durable-file.ts';
import { type PutAwayFolders, releaseNames } from './put-away.ts';
import { byAge, StableFileFinder } from './stable-files.ts';
import { codeOf, takeFile } from './take-file.ts';

/** How long after a change the folder is looked at, so that a burst of files is one look. */
const GATHER_MS = 100;
/** Files in a row without a final answer after which the rest waits too: it is not the file then. */
const MAX_AGAIN_IN_A_ROW = 3;
/** Whether the process that watches the folder still does is asked this often by those that would. */
const HOLD_AGAIN_MS = 5_000;
/** Files moved about side by side: each move waits for the disk several times. */
const MOVED_AT_ONCE = 16;

const folderName = z.string().regex(/^[^/\\.][^/\\]*$/, 'the name of a folder inside `path`');

const config = z.strictObject({
  path: z
    .string()
    .min(1)
    .describe(
      'Folder to watch. One engine a folder; of nodes that share a journal one at a time does, and another goes on when it is gone.',
    ),
  patterns: z
    .array(z.string().min(1))
    .min(1)
    .default(['*.hl7', '*.txt', '*.dat'])
    .describe('Names of the files to take, without regard to case; `*` and `?` stand for any characters and any one.'),
  poll: z.boolean().default(false).describe('Look for changes instead of being told of them: for network shares.'),
  pollInterval: duration('How often, if `poll` is set.', '1s', '1d'),
  stable: durationOrZero(
    'A file is taken once its size and time have not changed for this long; 0 = as soon as it is seen.',
    '2s',
  ),
  rescan: duration('The whole folder is looked at this often, told or not.', '1m'),
  retry: duration('Pause before a file whose messages could not be taken is tried again.', '10s'),
  processing: folderName.default('processing').describe('Folder for files that are being taken.'),
  done: folderName.default('done').describe('Folder for files that were taken, each with its `.ack` beside it.'),
  failed: folderName.default('failed').describe('Folder for refused messages, with `.reasons.txt` beside them.'),
  maxMessage: byteSize('A larger message is refused.', '16 MB', { least: '1 kB', most: '1 GB' }),
  maxFile: byteSize('A larger file is refused whole.', '1 GB', { least: '1 kB' }),
  maxMessages: z.int().min(1).default(1_000_000).describe('A file of more messages than these is refused whole.'),
  readAhead: z.int().min(1).max(1_024).default(32).describe('Messages of a file that may wait for their answer.'),
});

type FolderSourceConfig = z.output<typeof config>;

/**
 * Takes messages from files in a folder. A file is claimed by moving it into `processing`, and leaves it when every
 * message has a final answer: into `done`, or into `failed` if all were refused; of a file that was refused in part, the
 * refused messages go into `failed` as a file of their own. Files found in `processing` at start are handed over again
 * from their beginning: the same bytes are the same message, so that repeats nothing.
 */
export const folderSource: SourcePlugin<typeof config> = {
  kind: 'source',
  name: 'folder',
  summary: 'Watches a folder for files of HL7 v2 messages or batches and writes their answers beside them.',
  config,
  create: (settings, host) => new FolderSource(settings, host),
};

class FolderSource implements Source {
  readonly address: string;
  readonly #settings: FolderSourceConfig;
  readonly #host: Host;
  readonly #folder: string;
  readonly #folders: PutAwayFolders;
  readonly #finder: StableFileFinder;
  /** Names in `processing`, in the order in which they are handed over. */
  #claimed: string[] = [];
  #retryAt = 0;
  #watcher: FSWatcher | null = null;
  #intake: Intake | null = null;
  #isStopping = false;
  /** It is this process that watches the folder, among those that share the journal. */
  #isHolder = false;
  /** The folder is to be looked at. */
  #isDue = false;
  #working: Promise<void> | null = null;
  #wake: { at: number; cancel: () => void } | null = null;

  constructor(settings: FolderSourceConfig, host: Host) {
    this.#settings = settings;
    this.#host = host;
    this.#folder = host.resolvePath(settings.path);
    const [processing, done, failed] = [settings.processing, settings.done, settings.failed].map((name) =>
      join(this.#folder, name),
    ) as [string, string, string];
    this.#folders = { processing, done, failed, sync: new FolderSync([done, failed, processing]) };
    this.#finder = new StableFileFinder(this.#folder, settings.patterns, settings.stable);
    this.address = pathToFileURL(this.#folder).href.replace(/^file:/, 'folder:');
  }

  async start(intake: Intake): Promise<void> {
    // The folder itself is not made: a share that is not mounted must be noticed.
    if (!(await stat(this.#folder)).isDirectory()) throw new Error(`${this.#folder} is not a folder`);
    for (const made of this.#own()) await mkdir(made, { recursive: true });
    this.#intake = intake;
    await this.#takeHold();
    this.#watcher = await this.#watch();
    this.#host.log.info('source-started', { channel: this.#host.name, address: this.address });
    this.#wakeIn(0);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake?.cancel();
    this.#wake = null;
    const watcher = this.#watcher;
    this.#watcher = null;
    await watcher?.close();
    await this.#working;
    if (this.#isHolder) await this.#host.letGo();
    this.#isHolder = false;
  }

  /** Whoever begins to watch goes on with what another had begun; what it does once more was done by the same bytes. */
  async #takeHold(): Promise<boolean> {
    const isHolder = await this.#host.hold();
    if (isHolder !== this.#isHolder) this.#claimed = isHolder ? await this.#takeUpLeftovers() : [];
    this.#isHolder = isHolder;
    return isHolder;
  }

  #own(): string[] {
    const { processing, done, failed } = this.#folders;
    return [processing, done, failed];
  }

  async #takeUpLeftovers(): Promise<string[]> {
    const files: { name: string; mtimeMs: number }[] = [];
    for (const entry of await readdir(this.#folders.processing, { withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(this.#folders.processing, entry.name);
      const { size, mtimeMs } = await stat(path);
      // A draft, or a name that was reserved for a file that never got there: no message is in either.
      if (isDraftName(entry.name) || size === 0) await rm(path);
      else files.push({ name: entry.name, mtimeMs });
    }
    for (const { name } of files) await releaseNames(name, this.#folders);
    if (files.length > 0) this.#log('info', 'files-taken-up', { count: files.length });
    return files.sort(byAge).map((file) => file.name);
  }

  #watch(): Promise<FSWatcher> {
    const { poll, pollInterval } = this.#settings;
    const own = new Set(this.#own());
    const watcher = watch(this.#folder, {
      depth: 0,
      ignoreInitial: true,
      usePolling: poll,
      interval: pollInterval,
      ignored: (path) => own.has(path),
    });
    watcher.on('all', () => {
      if (this.#isHolder) this.#wakeIn(GATHER_MS);
    });
    // Without its messages the folder is still looked at every `rescan`.
    watcher.on('error', (error) => this.#log('warn', 'watch-failed', { error: codeOf(error) }));
    return new Promise((resolve) => watcher.once('ready', () => resolve(watcher)));
  }

  #wakeIn(delayMs: number): void {
    const { clock } = this.#host;
    const at = clock.now() + delayMs;
    if (this.#isStopping || (this.#wake !== null && this.#wake.at <= at)) return;
    this.#wake?.cancel();
    const cancel = clock.wakeAt(at, () => {
      this.#wake = null;
      this.#isDue = true;
      this.#working ??= this.#work().finally(() => {
        this.#working = null;
      });
    });
    this.#wake = { at, cancel };
  }

  async #work(): Promise<void> {
    const { clock } = this.#host;
    const { rescan, retry } = this.#settings;
    let nextAt: number | null = null;
    while (this.#isDue && !this.#isStopping) {
      // Set again by what happens while files are taken.
      this.#isDue = false;
      try {
        if (!(await this.#takeHold())) break;
        if (this.#hasRoom()) nextAt = await this.#claimStable();
        if (this.#hasRoom()) await this.#takeClaimed();
      } catch (error) {
        this.#log('error', 'folder-failed', { error: codeOf(error) });
      }
    }
    if (!this.#isHolder) return this.#wakeIn(HOLD_AGAIN_MS);
    const retryAt = this.#claimed.length > 0 ? this.#retryAt : null;
    const now = clock.now();
    const dueAt = this.#hasRoom() ? [nextAt, retryAt].filter((at) => at !== null) : [now + retry];
    this.#wakeIn(Math.max(0, Math.min(...dueAt, now + rescan) - now));
  }

  /** False = files stay where they lie: nothing that is in them would be taken. */
  #hasRoom(): boolean {
    return this.#host.hasRoom();
  }

  /** Tells when the next file will be stable; null = none waits. */
  async #claimStable(): Promise<number | null> {
    const { ready, nextAt } = await this.#finder.look(this.#host.clock.now());
    for (let first = 0; first < ready.length; first += MOVED_AT_ONCE) {
      const claims = ready.slice(first, first + MOVED_AT_ONCE).map((name) => this.#claim(name));
      // Whatever one of them runs into: those that were moved are ours.
      const settled = await Promise.allSettled(claims);
      this.#claimed.push(...settled.flatMap((one) => (one.status === 'fulfilled' ? (one.value ?? []) : [])));
      await Promise.all(claims);
    }
    return nextAt;
  }

  /** The name it has in `processing` now; null = it stays where it is. */
  async #claim(name: string): Promise<string | null> {
    if (this.#isStopping || !this.#hasRoom()) return null;
    const reserved = await reserveName(this.#folders.processing, name, []);
    try {
      await rename(join(this.#folder, name), join(this.#folders.processing, reserved));
      return reserved;
    } catch (error) {
      await rm(join(this.#folders.processing, reserved));
      // Somebody took it away again, or may not be moved: it is looked at anew.
      this.#log('warn', 'claim-failed', { error: codeOf(error) });
      return null;
    } finally {
      this.#finder.forget(name);
    }
  }

  /** One file after the other is handed over and answered; those that were answered are put away side by side. */
  async #takeClaimed(): Promise<void> {
    if (this.#host.clock.now() < this.#retryAt) return;
    const waiting = new Set<string>();
    const leaving = new Set<Promise<void>>();
    let againInARow = 0;
    const taken = [...this.#claimed];
    while (this.#claimed.length > 0 && againInARow < MAX_AGAIN_IN_A_ROW && !this.#isStopping && this.#hasRoom()) {
      const name = this.#claimed.shift() as string;
      const note = (isFinal: boolean) => {
        againInARow = isFinal ? 0 : againInARow + 1;
        if (!isFinal) waiting.add(name);
      };
      const leave = await takeFile(name, {
        intake: this.#intake as Intake,
        folders: this.#folders,
        limits: this.#settings,
        now: () => this.#host.clock.now(),
        isStopping: () => this.#isStopping,
        log: (level, event, fields) => this.#log(level, event, fields),
      });
      if (leave === null) {
        note(false);
        continue;
      }
      const left = leave()
        .then(note)
        .finally(() => leaving.delete(left));
      leaving.add(left);
      if (leaving.size >= MOVED_AT_ONCE) await Promise.race(leaving);
    }
    await Promise.all(leaving);
    if (waiting.size > 0) this.#retryAt = this.#host.clock.now() + this.#settings.retry;
    this.#claimed = [...taken.filter((name) => waiting.has(name)), ...this.#claimed];
  }

  #log(level: 'info' | 'warn' | 'error', event: string, fields = {}): void {
    // Names of files may hold what must not be in a log; the journal has them.
    this.#host.log[level](event, { channel: this.#host.name, ...fields });
  }
}
