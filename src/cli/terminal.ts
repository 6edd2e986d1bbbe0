/**
 * cli/ is how people start and ask Sluss: one file a command. Commands wire rooms and print; they decide nothing that a
 * room could decide, and nothing imports them.
 */
import { relative } from 'node:path';
import { styleText } from 'node:util';
import { type ConfigProblem, problemText } from '../config/configuration.ts';
import type { Environment } from '../config/load.ts';
import type { LogDestination } from '../log.ts';

/** What a command has of the outside world. */
export interface Terminal {
  /** One line of the answer. */
  print(line: string): void;
  /** One line about what went wrong, or for people only. */
  complain(line: string): void;
  readonly env: Environment;
  /** Lines may be coloured. */
  readonly colours: boolean;
  /** Columns of what is printed to; null = not a terminal. */
  readonly width: number | null;
  readonly logTo: LogDestination;
  /** Resolves when the process is asked to end; the signal's name. */
  untilAskedToEnd(): Promise<string>;
  /** Calls back each time the process is told to read its configuration again. */
  onReloadAsked(call: () => void): void;
}

/** What a command ends with: 0 = as it should be, 1 = it went wrong, 2 = the configuration has mistakes. */
export type ExitCode = 0 | 1 | 2;

/** The terminal of this process. */
export function createTerminal(): Terminal {
  // Whoever reads the output (head, less) may have seen enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const log = gatherLines((lines) => process.stdout.write(lines));
  process.once('exit', log.flush);
  return {
    print(line) {
      log.flush();
      process.stdout.write(`${line}\n`);
    },
    complain: (line) => process.stderr.write(`${line}\n`),
    env: process.env,
    colours: process.stdout.isTTY === true && !process.env.NO_COLOR,
    get width() {
      return process.stdout.isTTY === true ? process.stdout.columns : null;
    },
    logTo: log,
    untilAskedToEnd: () =>
      new Promise((resolve) => {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal));
      }),
    onReloadAsked(call) {
      // Where somebody sits at it, a terminal that is closed means the end, as ever.
      if (process.stdout.isTTY !== true) process.on('SIGHUP', call);
    },
  };
}

/** Lines of one turn of the event loop leave together: a write costs far more than the making of a line. */
function gatherLines(write: (lines: string) => void): LogDestination & { flush(): void } {
  let gathered = '';
  const flush = () => {
    const lines = gathered;
    gathered = '';
    if (lines !== '') write(lines);
  };
  return {
    write(line) {
      if (gathered === '') setImmediate(flush);
      gathered += line;
    },
    flush,
  };
}

type Style = 'red' | 'green' | 'yellow' | 'dim' | 'bold';

/** Paints a word where the terminal takes colours. */
export function paint(terminal: Pick<Terminal, 'colours'>, style: Style, text: string): string {
  return terminal.colours ? styleText(style, text, { validateStream: false }) : text;
}

/** A problem's line with its path as short as a person here would write it. */
export function showProblem(problem: ConfigProblem): string {
  return problemText({ ...problem, file: nearPath(problem.file) });
}

/** A path as short as a person here would write it. */
export function nearPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}
