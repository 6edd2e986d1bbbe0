import type { ServerResponse } from 'node:http';
import type { Misbehaviour } from './fault-orders.ts';

/** Answers 200 with JSON, or as a fault on order has it. */
export function writeAnswer(response: ServerResponse, answer: Uint8Array, fault: Misbehaviour | null): void {
  const headers = { 'content-type': 'application/json', 'content-length': answer.byteLength };
  switch (fault?.kind) {
    case 'lose-answer':
      response.socket?.destroy();
      return;
    case 'stall':
      return;
    case 'truncate':
      response.writeHead(200, headers);
      response.write(answer.subarray(0, Math.floor(answer.byteLength / 2)), () => response.socket?.destroy());
      return;
    case 'wrong-json':
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"received"}');
      return;
    case 'not-json':
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html><body>OK</body></html>');
      return;
    default:
      response.writeHead(200, headers).end(answer);
  }
}
