import type { IncomingMessage } from 'node:http';
import { Refused } from './refused.ts';

const MAX_BODY_BYTES = 1_048_576;

/** Reads a request's JSON body. @throws Refused 415, 413 or 400 */
export async function readBody(request: IncomingMessage): Promise<{ bytes: Buffer; json: unknown }> {
  const type = /^\s*([^;\s]*)/.exec(request.headers['content-type'] ?? '')?.[1]?.toLowerCase();
  if (type !== 'application/json') throw new Refused(415, 'Content-Type must be application/json');
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new Refused(413, `The body is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  return { bytes, json: parseJson(bytes) };
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new Refused(400, 'JSON parse error: the body is not valid JSON in UTF-8');
  }
}
