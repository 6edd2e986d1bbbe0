import { type FileHandle, lstat, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A name is tried with numbers up to this one. */
const MAX_NUMBER = 10_000;
const DRAFT_PREFIX = '.sluss-';
/** As much is gathered before it is written. */
const WRITE_BYTES = 64 * 1024;
/** Tells the drafts of one process apart. */
let drafts = 0;

/** True for what a draft is called: such a file was left by a process that ended in the middle of it. */
export function isDraftName(name: string): boolean {
  return name.startsWith(DRAFT_PREFIX);
}

/** A file that is written under a hidden name and appears under its own once it is whole and on disk. */
export class Draft {
  readonly #path: string;
  readonly #mode: number;
  #handle: FileHandle | null = null;
  /** Not written yet: many small pieces are one write. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  #isEmpty = true;

  /**
   * `folder` must be on the file system where the file shall appear. Unless told otherwise it is for its owner alone,
   * for it may hold patient data.
   */
  constructor(folder: string, mode = 0o600) {
    this.#mode = mode;
    drafts += 1;
    this.#path = join(folder, `${DRAFT_PREFIX}${process.pid}-${drafts}.part`);
  }

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#isEmpty = false;
    this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
    if (this.#pieceBytes >= WRITE_BYTES) await this.#write();
  }

  /** Makes it durable and lets it appear as `path`. An empty draft appears nowhere. */
  async publish(path: string): Promise<void> {
    if (this.#isEmpty) return;
    const handle = await this.#write();
    await handle.sync();
    this.#handle = null;
    await handle.close();
    await rename(this.#path, path);
  }

  /** Forgets it; what was published stays. */
  async discard(): Promise<void> {
    const handle = this.#handle;
    if (handle === null) return;
    this.#handle = null;
    await handle.close();
    await rm(this.#path, { force: true });
  }

  async #write(): Promise<FileHandle> {
    this.#handle ??= await open(this.#path, 'wx', this.#mode);
    const bytes = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#pieceBytes = 0;
    if (bytes.length > 0) await this.#handle.appendFile(bytes);
    return this.#handle;
  }
}

/**
 * Finds a name in `folder` that nothing has, neither alone nor with one of the `companions` behind it, and takes it by an
 * empty file, which is then written over by a rename: so two files of one name never meet. `name.hl7`, `name-2.hl7` …
 */
export async function reserveName(folder: string, name: string, companions: readonly string[]): Promise<string> {
  for (let number = 1; number <= MAX_NUMBER; number++) {
    const candidate = numbered(name, number);
    if (!(await reserve(join(folder, candidate)))) continue;
    const taken = await Promise.all(companions.map((companion) => exists(join(folder, candidate + companion))));
    if (!taken.includes(true)) return candidate;
    await rm(join(folder, candidate));
  }
  throw new Error(`more than ${MAX_NUMBER} files of one name in ${folder}`);
}

/** The name that was last taken for `name` in `folder`, and its size; null = none is. */
export async function lastTaken(
  folder: string,
  name: string,
  companions: readonly string[],
): Promise<{ name: string; size: number } | null> {
  let last: { name: string; size: number } | null = null;
  for (let number = 1; number <= MAX_NUMBER; number++) {
    const candidate = numbered(name, number);
    const size = await sizeOf(join(folder, candidate));
    const beside = await Promise.all(companions.map((companion) => exists(join(folder, candidate + companion))));
    if (size === null && !beside.includes(true)) break;
    last = size === null ? null : { name: candidate, size };
  }
  return last;
}

/** Makes renames in some folders durable; whoever asks while the disk is busy with it shares the next turn with others. */
export class FolderSync {
  readonly #folders: readonly string[];
  #last: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;

  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  /** Resolves once what was renamed before the call is on disk. @throws Error of the file system */
  sync(): Promise<void> {
    // The one that runs may have begun before the caller's rename.
    this.#next ??= this.#last
      .catch(() => {})
      .then(async () => {
        this.#last = this.#next ?? this.#last;
        this.#next = null;
        await Promise.all(this.#folders.map(syncFolder));
      });
    return this.#next;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems cannot; there a rename is as durable as their server makes it.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EINVAL' && code !== 'ENOTSUP' && code !== 'EPERM') throw error;
  } finally {
    await handle.close();
  }
}

function numbered(name: string, number: number): string {
  if (number === 1) return name;
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? `${name}-${number}` : `${name.slice(0, dot)}-${number}${name.slice(dot)}`;
}

async function reserve(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return (await sizeOf(path)) !== null;
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
