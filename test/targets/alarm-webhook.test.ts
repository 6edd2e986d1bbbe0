import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ALARMS, type Alarm, type AlarmName } from '../../src/contracts/alarm.ts';
import { createAlarmWebhook } from '../../src/targets/alarm-webhook.ts';
import { createManualClock, createRecordedLog } from '../engine/kit.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A server that keeps what it is sent. */
async function listen(answer: (response: ServerResponse) => void) {
  const requests: { method: string; authorization: string; type: string; body: unknown }[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { authorization = '', 'content-type': type = '' } = request.headers;
    requests.push({ method: request.method ?? '', authorization, type, body: JSON.parse(text) });
    answer(response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { requests, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/sluss` };
}

const alarm = (name: AlarmName): Alarm => ({
  name,
  subject: { channel: 'lab', target: null, party: null, operation: null, address: null },
  severity: 'warning',
  since: Date.UTC(2021, 5, 1, 7),
  fields: { count: 3 },
});
const report = { raised: [alarm('messages-held')], cleared: [alarm('feed-quiet')], open: 1 };
const never = new AbortController().signal;

function createWebhook(url: string, token: string | null = 'secret-token') {
  const log = createRecordedLog();
  const bearer = { env: 'TOKEN' };
  const readVariable = () => token;
  const host = { log, clock: createManualClock(), version: '1.2.3', readVariable, resolvePath: (path: string) => path };
  return { webhook: createAlarmWebhook({ url, bearer: token === null ? null : bearer }, host), log };
}

describe('the alarms’ webhook', () => {
  it('posts what came to be and what ceased, with what it means and what to do', async () => {
    const { requests, url } = await listen((response) => response.writeHead(204).end());
    const { webhook } = createWebhook(url);
    expect(await webhook.tell(report, never)).toBe(true);
    expect(requests).toMatchObject([
      { method: 'POST', authorization: 'Bearer secret-token', type: 'application/json' },
    ]);
    const { means, toDo } = ALARMS['messages-held'];
    expect(requests[0]!.body).toEqual({
      product: 'sluss',
      version: '1.2.3',
      sentAt: '2021-06-01T08:00:00.000Z',
      raised: [
        {
          name: 'messages-held',
          severity: 'warning',
          since: '2021-06-01T07:00:00.000Z',
          about: { channel: 'lab' },
          count: 3,
          means,
          toDo,
        },
      ],
      cleared: [expect.objectContaining({ name: 'feed-quiet' })],
      open: 1,
    });
  });

  it.each([[302], [401], [500]])('takes an answer with %i for none, and follows nothing', async (status) => {
    const { requests, url } = await listen((response) =>
      response.writeHead(status, { location: '/elsewhere' }).end('no'),
    );
    const { webhook, log } = createWebhook(url, null);
    expect(await webhook.tell(report, never)).toBe(false);
    expect(requests).toMatchObject([{ authorization: '' }]);
    expect(log.lines).toMatchObject([{ event: 'alarms-not-told', status }]);
  });

  it('never rejects: not where nobody listens, not where it is cut short, not without its token', async () => {
    const { url } = await listen(() => {});
    servers.at(-1)!.close();
    const { url: silent, requests } = await listen(() => {});
    const abort = new AbortController();
    const telling = createWebhook(silent).webhook.tell(report, abort.signal);
    while (requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    expect(await telling).toBe(false);
    expect(await createWebhook(url).webhook.tell(report, never)).toBe(false);
    const { webhook, log } = createWebhook(url, '');
    expect(await webhook.tell(report, never)).toBe(false);
    expect(JSON.stringify(log.lines)).not.toContain('secret-token');
  });
});
