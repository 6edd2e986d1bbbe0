import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The project whose engine is tested; the mutation script puts a planted one in its place. */
export const ROOT = process.env.SLUSS_UNDER_TEST ?? join(import.meta.dirname, '../..');
/** Characters of what an engine wrote that are kept. */
const MOST_OUTPUT = 200_000_000;
/** Longest wait for anything a process is to say or do: a bound for what hangs, not a measure of speed. */
const PATIENCE_MS = 60_000;

export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface Ended {
  /** null where a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
}

/** The real program as a process of its own, and what it says. */
export interface EngineProcess {
  readonly pid: number;
  /** Everything it wrote on standard output and on standard error. */
  readonly output: () => string;
  readonly errors: () => string;
  readonly lines: readonly LogLine[];
  readonly ended: Promise<Ended>;
  readonly hasEnded: () => boolean;
  /** The `count`-th log line that fits. @throws Error when the process ends without it */
  seen(event: string, fits?: (line: LogLine) => boolean, count?: number): Promise<LogLine>;
  /** `http://127.0.0.1:…` of the console. */
  consoleUrl(): Promise<string>;
  /** SIGKILL; resolves once it is gone. */
  kill(): Promise<Ended>;
  /** SIGTERM; resolves once it has ended by itself. */
  stop(): Promise<Ended>;
}

/** The options the program's own first line gives to Node. */
export function firstLineOptions(program: string): readonly string[] {
  const [firstLine = ''] = readFileSync(program, 'utf8').split('\n', 1);
  return firstLine.split(' ').filter((word) => word.startsWith('--'));
}

/**
 * Starts `sluss` with these arguments.
 * @param through a command that starts it in its own place, with its arguments
 * @param root folder of another version of the project
 */
export function spawnSluss(
  args: readonly string[],
  nodeOptions: readonly string[] = [],
  through: readonly string[] = [],
  root = ROOT,
): EngineProcess {
  const program = join(root, 'src/cli/sluss.ts');
  const [command = process.execPath, ...rest] = [...through, process.execPath];
  const child: ChildProcess = spawn(
    command,
    [...rest, ...firstLineOptions(program), ...nodeOptions, program, ...args],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    },
  );
  const lines: LogLine[] = [];
  let output = '';
  let errors = '';
  let unfinished = '';
  let waiters: (() => void)[] = [];
  const wake = () => {
    const woken = waiters;
    waiters = [];
    for (const one of woken) one();
  };
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    output += part;
    // No text may be longer than half a gigabyte, and a soak says more.
    if (output.length > MOST_OUTPUT) output = output.slice(-MOST_OUTPUT / 2);
    const whole = (unfinished + part).split('\n');
    unfinished = whole.pop() ?? '';
    for (const text of whole) {
      const line = readLine(text);
      if (line !== null) lines.push(line);
    }
    wake();
  });
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    errors += part;
  });
  let end: Ended | null = null;
  // 'close' rather than 'exit': all it wrote has been read by then.
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => {
      end = { code, signal };
      resolve(end);
      wake();
    });
  });
  const engine: EngineProcess = {
    pid: child.pid ?? 0,
    output: () => output,
    errors: () => errors,
    lines,
    ended,
    hasEnded: () => end !== null,
    async seen(event, fits = () => true, count = 1) {
      let from = 0;
      let found = 0;
      const look = async (): Promise<LogLine> => {
        for (;;) {
          for (; from < lines.length; from += 1) {
            const line = lines[from] as LogLine;
            if (line.event === event && fits(line)) found += 1;
            if (found === count) return line;
          }
          if (end !== null) throw new Error(`the engine ended before ${event}: ${errors}\n${tail(lines)}`);
          await new Promise<void>((resolve) => waiters.push(resolve));
        }
      };
      return within(PATIENCE_MS, look(), () => `the engine to log ${event}; last it said\n${tail(lines)}`);
    },
    async consoleUrl() {
      return String((await engine.seen('console-open')).address);
    },
    kill() {
      child.kill('SIGKILL');
      return within(PATIENCE_MS, ended, () => 'a killed engine to be gone');
    },
    stop() {
      child.kill('SIGTERM');
      return within(PATIENCE_MS, ended, () => `the engine to stop; last it said\n${tail(lines)}`);
    },
  };
  return engine;
}

/** Bounds a wait. @throws Error that says what was waited for */
export async function within<Value>(ms: number, promise: Promise<Value>, what: () => string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms in vain for ${what()}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function readLine(text: string): LogLine | null {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return null;
  }
}

function tail(lines: readonly LogLine[]): string {
  return lines
    .slice(-12)
    .map((line) => JSON.stringify(line))
    .join('\n');
}
