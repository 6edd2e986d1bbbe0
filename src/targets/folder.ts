import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Fault } from '../contracts/fault.ts';
import type { Host, TargetPlugin } from '../contracts/plugin.ts';
import type { Target, Verdict } from '../contracts/target.ts';

const config = z.strictObject({
  path: z.string().min(1).describe('Folder that the files go to; it is made where it is missing.'),
});

const request = z.strictObject({
  name: z.string().min(1).max(200),
  content: z.string(),
  encoding: z.enum(['utf8', 'base64']),
});

/** A name is tried with numbers up to this one; more versions of one file are a mistake, not a need. */
const MAX_NUMBER = 1000;
/** Tells drafts of one process apart. */
let drafts = 0;
const DRAFT_NAME = /^\.[0-9a-f]{16}\.\d+\.\d+\.part$/;
/** Folders in which this process has looked for the drafts of one that was killed. */
const swept = new Map<string, Promise<void>>();

const operations = {
  write: {
    summary: 'Writes a file: JSON with name, content, and encoding utf8 or base64.',
    inDoubt: 'repeat',
    onCorrection: 'update',
  },
} as const;

/** Writes files into a folder, each complete or not at all, and never over another. */
export const folderTarget: TargetPlugin<typeof config> = {
  kind: 'target',
  name: 'folder',
  summary: 'A folder: files appear there complete, under a name of their own, and none is ever overwritten.',
  config,
  create: createFolderTarget,
};

function createFolderTarget(settings: z.output<typeof config>, host: Host): Target {
  const folder = host.resolvePath(settings.path);
  const underway = new Set<Promise<unknown>>();
  return {
    operations,
    async send(delivery) {
      const written = writeDelivery(folder, delivery.operation, delivery.body);
      underway.add(written);
      try {
        return await written;
      } finally {
        underway.delete(written);
      }
    },
    async stop() {
      await Promise.allSettled(underway);
    },
  };
}

async function writeDelivery(folder: string, operation: string, body: Uint8Array): Promise<Verdict> {
  try {
    if (operation !== 'write') throw new Fault('mapping-incomplete', { detail: `no operation ${operation}` });
    const { name, content } = readRequest(body);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await sweepOnce(folder);
    await writeNew(folder, name, content);
    return { ok: true, response: null };
  } catch (error) {
    const fault =
      error instanceof Fault
        ? error
        : new Fault('target-failing', { detail: (error as NodeJS.ErrnoException).code ?? null, cause: error });
    return { ok: false, fault, retryAfterMs: null, response: null };
  }
}

function readRequest(body: Uint8Array): { name: string; content: Buffer } {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new Fault('mapping-incomplete', { detail: 'not JSON in UTF-8' });
  }
  const read = request.safeParse(json);
  if (!read.success) throw new Fault('mapping-incomplete', { detail: String(read.error.issues[0]?.path[0] ?? 'body') });
  const { content, encoding } = read.data;
  const bytes = Buffer.from(content, encoding);
  if (encoding === 'base64' && bytes.toString('base64').replace(/=+$/, '') !== content.replace(/[\s=]+/g, '')) {
    throw new Fault('mapping-incomplete', { detail: 'content' });
  }
  return { name: cleanName(read.data.name), content: bytes };
}

/**
 * A file name without path parts, control characters or anything a file system could take for more than a name; a name
 * that is nothing but such characters is a mapping fault.
 */
function cleanName(name: string): string {
  const clean = name
    .normalize('NFC')
    .replace(/[^\p{L}\p{N}._ -]+/gu, '_')
    .replace(/^[. ]+|[. ]+$/g, '')
    .slice(0, 150);
  if (!/[\p{L}\p{N}]/u.test(clean)) throw new Fault('mapping-incomplete', { detail: 'name' });
  return clean;
}

/**
 * Removes, before the first draft of our own, what a killed process left: they hold people's data, and nobody would
 * ever look for them. What they were drafts of is written again.
 */
function sweepOnce(folder: string): Promise<void> {
  const known = swept.get(folder);
  if (known !== undefined) return known;
  const sweeping = sweep(folder);
  swept.set(folder, sweeping);
  sweeping.catch(() => swept.delete(folder));
  return sweeping;
}

async function sweep(folder: string): Promise<void> {
  const names = await readdir(folder);
  for (const name of names) if (DRAFT_NAME.test(name)) await rm(join(folder, name), { force: true });
}

/** Writes beside the place, makes it durable, then links it in: what appears under the name is whole from the start. */
async function writeNew(folder: string, name: string, content: Buffer): Promise<void> {
  const digest = createHash('sha256').update(name).update('\0').update(content).digest('hex').slice(0, 16);
  drafts += 1;
  const draft = join(folder, `.${digest}.${process.pid}.${drafts}.part`);
  try {
    const handle = await open(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    await writeAndClose(handle, content);
    for (let number = 1; number <= MAX_NUMBER; number++) {
      const path = join(folder, numbered(name, number));
      if (await linkNew(draft, path)) return await syncFolder(folder);
      if (await holds(path, content)) return;
    }
    throw new Fault('target-unexpected', { detail: `more than ${MAX_NUMBER} files of one name` });
  } finally {
    await rm(draft, { force: true });
  }
}

async function writeAndClose(handle: FileHandle, content: Buffer): Promise<void> {
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** `name.pdf`, `name-2.pdf`, `name-3.pdf` … */
function numbered(name: string, number: number): string {
  if (number === 1) return name;
  const dot = name.lastIndexOf('.');
  return dot > 0 ? `${name.slice(0, dot)}-${number}${name.slice(dot)}` : `${name}-${number}`;
}

/** A hard link, because a rename would replace a file that came to be there meanwhile. False = the name is taken. */
async function linkNew(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function holds(path: string, content: Buffer): Promise<boolean> {
  try {
    return content.equals(await readFile(path));
  } catch {
    return false;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
