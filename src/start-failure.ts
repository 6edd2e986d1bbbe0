import type { Source } from './contracts/source.ts';

/**
 * The same source, whose start fails in words for people.
 * @param describe makes a whole message of what went wrong
 */
export function withStartFailure(source: Source, describe: (why: string) => string): Source {
  return {
    get address() {
      return source.address;
    },
    async start(intake) {
      try {
        await source.start(intake);
      } catch (error) {
        throw new Error(describe(startFailureText(error)), { cause: error });
      }
    },
    stop: () => source.stop(),
  };
}

/** Why something could not start. What the system says of ports and paths is put in words; the code stays for a search. */
export function startFailureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, port, address, path } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  if (code === 'EADDRINUSE') return `port ${port} is taken by another program (EADDRINUSE)`;
  if (code === 'EACCES' && port !== undefined) return `port ${port} may not be opened by this account (EACCES)`;
  if (code === 'EADDRNOTAVAIL') return `${address} is no address of this machine (EADDRNOTAVAIL)`;
  if (code === 'ENOENT' && path !== undefined) return `there is no ${path} (ENOENT)`;
  return error.message;
}
