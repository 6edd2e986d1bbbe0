import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';

/** An answer other than a certificate. */
export class Refused extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** Answers with Spring's error body, whose shape is public; that the service uses it is our assumption. */
export function writeRefusal(request: IncomingMessage, response: ServerResponse, refused: Refused, now: number): void {
  const { status, message } = refused;
  const path = (request.url ?? '/').split('?')[0];
  const timestamp = new Date(now).toISOString();
  // What is left of the request is read away, so that the connection can go on.
  request.resume();
  response.writeHead(status, { 'content-type': 'application/json', ...refused.headers });
  response.end(JSON.stringify({ timestamp, status, error: STATUS_CODES[status] ?? 'Error', message, path }));
}
