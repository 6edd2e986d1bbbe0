import { runProgram } from '../../src/cli/program.ts';
import type { Terminal } from '../../src/cli/terminal.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line as a process would, without being one. `ask` ends commands that run until they are asked to. */
export function runCommand(
  args: readonly string[],
  env: Record<string, string> = {},
): { done: Promise<Ran>; ask: () => void; out: () => string; err: () => string } {
  const out: string[] = [];
  const err: string[] = [];
  let ask = () => {};
  const terminal: Terminal = {
    print: (line) => out.push(line),
    complain: (line) => err.push(line),
    env,
    colours: false,
    width: null,
    logTo: { write: (line) => out.push(line) },
    onReloadAsked: () => {},
    untilAskedToEnd: () =>
      new Promise((resolve) => {
        ask = () => resolve('SIGTERM');
      }),
  };
  const done = runProgram(['node', 'sluss', ...args], terminal).then(() => {
    const code = Number(process.exitCode ?? 0);
    process.exitCode = 0;
    return { code, out: out.join('\n'), err: err.join('\n') };
  });
  return { done, ask: () => ask(), out: () => out.join('\n'), err: () => err.join('\n') };
}
