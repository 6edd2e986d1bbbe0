import { request } from 'node:http';

/** Nobody at the other end: no engine runs, or it has no such socket. */
export class NobodyThere extends Error {}

/** An act on many messages takes its time; an engine that says nothing at all for this long is not well. */
const PATIENCE_MS = 120_000;

/**
 * Calls an operation of the engine that listens on a control socket.
 * @throws NobodyThere · Error with what the engine says against it
 */
export function callEngine<Result>(path: string, call: string, body: object): Promise<Result> {
  const sent = JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) };
    const asked = request(
      { socketPath: path, path: `/v1/${call}`, method: 'POST', headers, timeout: PATIENCE_MS },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          const answer = JSON.parse(Buffer.concat(parts).toString()) as { result?: Result; error?: string };
          if (response.statusCode === 200) resolve(answer.result as Result);
          else reject(new Error(`the engine says: ${answer.error ?? response.statusCode}`));
        });
      },
    );
    asked.on('timeout', () => asked.destroy(new Error('the engine does not answer')));
    asked.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EACCES') reject(new Error(`${path} is another user’s: act as whoever runs the engine`));
      else if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') reject(new NobodyThere());
      else reject(error);
    });
    asked.end(sent);
  });
}
