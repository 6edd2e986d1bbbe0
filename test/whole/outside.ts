import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { within } from './engine-process.ts';

/** A small file system of its own, in memory. */
export interface SmallDisk extends Disposable {
  readonly folder: string;
  /** Fills it to the last byte; returns a way to empty it again. */
  fill(): () => void;
  setReadOnly(isReadOnly: boolean): void;
}

/** Null, with the reason printed, where this account may not mount one. */
export function mountSmallDisk(megabytes: number): SmallDisk | null {
  const folder = mkdtempSync(join(tmpdir(), 'sluss-disk-'));
  const mount = (...args: string[]) => execFileSync('mount', [...args, folder], { stdio: 'pipe' });
  try {
    mount('-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs');
  } catch (error) {
    rmSync(folder, { recursive: true });
    console.warn(`outside: no small disk can be mounted here: ${(error as Error).message.split('\n')[0]}`);
    return null;
  }
  const ballast = join(folder, 'ballast');
  return {
    folder,
    fill() {
      const file = openSync(ballast, 'w');
      try {
        for (let size = 1 << 20; size >= 1; ) {
          try {
            if (writeSync(file, Buffer.alloc(size)) < size) size >>= 1;
          } catch {
            size >>= 1;
          }
        }
      } finally {
        closeSync(file);
      }
      return () => rmSync(ballast);
    },
    setReadOnly: (isReadOnly) => void mount('-o', `remount,${isReadOnly ? 'ro' : 'rw'}`),
    [Symbol.dispose]() {
      execFileSync('umount', [folder], { stdio: 'pipe' });
      rmSync(folder, { recursive: true });
    },
  };
}

/** System calls of a running process that fail, or take their time. */
export interface Meddling extends AsyncDisposable {
  /** How many were meddled with so far. */
  count(): number;
}

/**
 * Meddles with system calls of a process and all its threads, as a broken or slow disk does: `fsync,fdatasync` and
 * `error=EIO` or `delay_enter=300000` (µs). Null, with the reason printed, where that cannot be done here.
 */
export async function meddle(pid: number, calls: string, what: string): Promise<Meddling | null> {
  if (spawnSync('strace', ['-V'], { stdio: 'ignore' }).status !== 0) {
    console.warn('outside: there is no strace here, so no system call can be made to fail');
    return null;
  }
  const folder = mkdtempSync(join(tmpdir(), 'sluss-strace-'));
  const record = join(folder, 'calls');
  const inject = [`trace=${calls}`, `inject=${calls}:${what}`].flatMap((one) => ['-e', one]);
  const tracer = spawn('strace', ['-f', '-p', String(pid), ...inject, '-o', record], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  const ended = new Promise<void>((resolve) => tracer.once('close', () => resolve()));
  const attached = new Promise<boolean>((resolve) => {
    tracer.stderr.on('data', (part) => {
      said += String(part);
      if (/attached/.test(said)) resolve(true);
    });
    void ended.then(() => resolve(false));
  });
  if (!(await within(20_000, attached, () => `strace to attach: ${said}`))) {
    rmSync(folder, { recursive: true });
    console.warn(`outside: strace may not attach here: ${said.trim()}`);
    return null;
  }
  return {
    count: () => readFileSync(record, 'utf8').match(/\((INJECTED|DELAYED)\)/g)?.length ?? 0,
    async [Symbol.asyncDispose]() {
      tracer.kill('SIGINT');
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

/** Names that a process can find, and cannot. */
export interface Hosts extends Disposable {
  /** Command to start it through. */
  readonly through: readonly string[];
  hide(): void;
  show(): void;
}

/**
 * Gives a process a list of hosts of its own and no name server. Null, with the reason printed, where this account may
 * not do that.
 */
export function hideHosts(): Hosts | null {
  const folder = mkdtempSync(join(tmpdir(), 'sluss-hosts-'));
  const hosts = join(folder, 'hosts');
  const servers = join(folder, 'resolv.conf');
  const show = () => writeFileSync(hosts, '127.0.0.1 localhost\n');
  show();
  writeFileSync(servers, 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
  const script = `mount --bind ${hosts} /etc/hosts && mount --bind ${servers} /etc/resolv.conf && exec "$@"`;
  const through = ['unshare', '--mount', 'sh', '-c', script, 'sh'];
  const tried = spawnSync(through[0] as string, [...through.slice(1), 'true'], { encoding: 'utf8' });
  if (tried.status !== 0) {
    rmSync(folder, { recursive: true });
    console.warn(`outside: no process can be given hosts of its own here: ${tried.stderr}`);
    return null;
  }
  return {
    through,
    hide: () => writeFileSync(hosts, '\n'),
    show,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}
