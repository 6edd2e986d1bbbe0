import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls, { type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { Fault } from '../../src/contracts/fault.ts';
import type { Target } from '../../src/contracts/target.ts';
import { frameMessage, MllpDecoder } from '../../src/hl7/mllp.ts';
import { createAuthority } from '../../src/simulators/pki.ts';
import { mllpTarget } from '../../src/targets/mllp.ts';
import {
  createManualClock,
  faultOf,
  hostOf,
  makeDelivery,
  NORTH,
  partiesOf,
  SOUTH,
  systemClock,
  untilDone,
} from './covid-world.ts';

type Answer = (frame: Buffer, socket: Socket) => void;

/** A LIS: its listener as a bare socket server. */
interface Lis {
  readonly port: number;
  readonly frames: Buffer[];
  readonly sockets: Socket[];
}

const servers: Server[] = [];
const targets: Target[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const one of targets.splice(0)) await one.stop();
  for (const one of servers.splice(0)) one.close();
  for (const one of folders.splice(0)) rmSync(one, { recursive: true });
});

async function listen(answer: Answer, secure?: tls.TlsOptions): Promise<Lis> {
  const frames: Buffer[] = [];
  const sockets: Socket[] = [];
  const serve = (socket: Socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    const decoder = new MllpDecoder(1 << 20);
    socket.on('data', (chunk: Buffer) => {
      for (const event of decoder.push(chunk)) {
        if (event.kind !== 'message') throw new Error(`the target sent ${event.kind}`);
        frames.push(Buffer.from(event.bytes));
        answer(frames.at(-1) as Buffer, socket);
      }
    });
  };
  const server = secure === undefined ? net.createServer(serve) : tls.createServer(secure, serve);
  server.on('tlsClientError', () => {});
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, frames, sockets };
}

function open(port: number, more: object = {}, host = hostOf(partiesOf({}), systemClock)): Target {
  const target = mllpTarget.create(mllpTarget.config.parse({ host: '127.0.0.1', port, ...more }), host);
  targets.push(target);
  return target;
}

const message = (controlId: string, text = 'Åsa') =>
  Buffer.from(`MSH|^~\\&|SLUSS||LIS||20261122||ORU^R01|${controlId}|P|2.3|||||||8859/1\rPID|1||1||${text}\r`, 'latin1');
const controlIdOf = (frame: Buffer) => frame.toString('latin1').split('|')[9] ?? '';
const ack = (code: string, controlId: string, more = '') =>
  frameMessage(Buffer.from(`MSH|^~\\&|LIS||SLUSS||20261122||ACK|1|P|2.5.1\rMSA|${code}|${controlId}\r${more}`));
const accept: Answer = (frame, socket) => void socket.write(ack('AA', controlIdOf(frame)));

const send = (target: Target, body: Buffer, operation = 'message', signal = untilDone(), party = 'north') =>
  target.send(makeDelivery(party, body, operation), signal);

describe('a message to a LIS', () => {
  it('leaves byte for byte, and is delivered when its own acknowledgement says so', async () => {
    const lis = await listen(accept);
    const verdict = await send(open(lis.port), message('A1'));
    expect(verdict).toMatchObject({ ok: true, response: { status: 0, contentType: 'x-application/hl7-v2+er7' } });
    expect(lis.frames).toEqual([message('A1')]);
    expect(verdict.ok && Buffer.from(verdict.response?.body ?? []).toString()).toContain('MSA|AA|A1');
  });

  it('goes one at a time over one connection, in the order of the calls', async () => {
    let open_ = 0;
    let most = 0;
    const lis = await listen((frame, socket) => {
      open_ += 1;
      most = Math.max(most, open_);
      setImmediate(() => {
        open_ -= 1;
        accept(frame, socket);
      });
    });
    const target = open(lis.port);
    const ids = Array.from({ length: 20 }, (_, index) => `B${index}`);
    const verdicts = await Promise.all(ids.map((id) => send(target, message(id))));
    expect(verdicts.every(({ ok }) => ok)).toBe(true);
    expect(lis.frames.map(controlIdOf)).toEqual(ids);
    expect(most).toBe(1);
    expect(lis.sockets).toHaveLength(1);
  });

  it('is not answered by the acknowledgement of another message, nor by half of one', async () => {
    const lis = await listen((frame, socket) => {
      socket.write(ack('AA', 'another'));
      const bytes = ack('AE', controlIdOf(frame), 'ERR||PID^1^5|101\r');
      socket.write(bytes.subarray(0, 60));
      setImmediate(() => socket.write(bytes.subarray(60)));
    });
    const verdict = await send(open(lis.port), message('C1'));
    expect(faultOf(verdict)).toMatchObject({ code: 'target-refused', detail: 'AE 101' });
  });

  it.each([
    ['AE', 'target-refused'],
    ['CE', 'target-refused'],
    ['AR', 'target-busy'],
    ['CR', 'target-busy'],
  ])('answered %s is %s, and the answer is kept', async (code, fault) => {
    const lis = await listen((frame, socket) => void socket.write(ack(code, controlIdOf(frame))));
    const verdict = await send(open(lis.port), message('D1'));
    expect(faultOf(verdict)?.code).toBe(fault);
    expect(Buffer.from(verdict.response?.body ?? []).toString()).toContain(`MSA|${code}|D1`);
  });

  it('that is not answered in time is in doubt; the next one goes over a new connection', async () => {
    const lis = await listen((frame, socket) => {
      if (controlIdOf(frame) !== 'E1') accept(frame, socket);
    });
    const target = open(lis.port);
    const deadline = new AbortController();
    const late = send(target, message('E1'), 'message', deadline.signal);
    const next = send(target, message('E2'));
    while (lis.frames.length === 0)
      await once(servers[0] as Server, 'connection').then(() => once(lis.sockets[0] as Socket, 'data'));
    deadline.abort(new Fault('target-timeout'));
    expect(faultOf(await late)?.code).toBe('target-timeout');
    expect(await next).toMatchObject({ ok: true });
    expect(lis.sockets).toHaveLength(2);
  });

  it('that is called off before its turn is not written, and costs nobody the line', async () => {
    const held = Promise.withResolvers<() => void>();
    const lis = await listen((frame, socket) => {
      if (controlIdOf(frame) === 'G1') held.resolve(() => accept(frame, socket));
      else accept(frame, socket);
    });
    const target = open(lis.port);
    const deadline = new AbortController();
    const first = send(target, message('G1'));
    const waiting = send(target, message('G2'), 'message', deadline.signal);
    const answer = await held.promise;
    deadline.abort(new Fault('target-timeout'));
    answer();
    expect(await first).toMatchObject({ ok: true });
    expect(faultOf(await waiting)?.code).toBe('target-timeout');
    expect(await send(target, message('G3'))).toMatchObject({ ok: true });
    expect(lis.frames.map(controlIdOf)).toEqual(['G1', 'G3']);
    expect(lis.sockets).toHaveLength(1);
  });

  it('finds a LIS that closed the connection, or is not there', async () => {
    const lis = await listen((_, socket) => socket.destroy());
    const target = open(lis.port);
    expect(faultOf(await send(target, message('F1')))?.code).toBe('target-unreachable');
    for (const server of servers.splice(0)) server.close();
    expect(faultOf(await send(target, message('F2')))?.code).toBe('target-unreachable');
  });

  it('without a control id could not be correlated, and is not sent', async () => {
    const lis = await listen(accept);
    expect(faultOf(await send(open(lis.port), message('')))).toMatchObject({ code: 'mapping-incomplete' });
    expect(lis.frames).toEqual([]);
  });

  it('closes a connection that nobody uses', async () => {
    const lis = await listen(accept);
    const clock = createManualClock(Date.now());
    const target = open(lis.port, { keepOpen: '30s' }, hostOf(partiesOf({}), clock));
    await send(target, message('G1'));
    const closed = once(lis.sockets[0] as Socket, 'close');
    clock.advance(29_999);
    expect(lis.sockets[0]?.closed).toBe(false);
    clock.advance(1);
    await closed;
    await send(target, message('G2'));
    expect(lis.sockets).toHaveLength(2);
  });
});

describe('an acknowledgement to a LIS', () => {
  it('is written, and waits for no answer', async () => {
    const lis = await listen(() => {});
    const bytes = Buffer.from('MSH|^~\\&|SLUSS||LIS||20261122||ACK|9|P|2.3\rMSA|AA|L1\r');
    const target = open(lis.port);
    expect(await send(target, bytes, 'acknowledgement')).toEqual({ ok: true, response: null });
    await target.stop();
    if (lis.frames.length === 0) await once(lis.sockets[0] as Socket, 'close');
    expect(lis.frames).toEqual([bytes]);
  });
});

describe('TLS to a LIS', () => {
  it('shows each party’s own certificate, on a connection of its own', async () => {
    const authority = await createAuthority({ name: 'LIS', now: Date.now() });
    const folder = mkdtempSync(join(tmpdir(), 'mllp-'));
    folders.push(folder);
    const ca = join(folder, 'ca.pem');
    writeFileSync(ca, authority.cert);
    const server = await authority.issueServer({ names: ['lis.example'] });
    const seen: string[] = [];
    const lis = await listen(
      (frame, socket) => {
        const { subject } = (socket as TLSSocket).getPeerCertificate();
        seen.push(`${controlIdOf(frame)} ${subject.O}`);
        accept(frame, socket);
      },
      { cert: server.cert, key: server.key, ca: authority.cert, requestCert: true, rejectUnauthorized: true },
    );
    const parties = partiesOf({
      north: {
        number: NORTH,
        issued: await authority.issueClient({ organisation: 'Nord AB', organisationNumber: NORTH }),
      },
      south: {
        number: SOUTH,
        issued: await authority.issueClient({ organisation: 'Syd AB', organisationNumber: SOUTH }),
      },
    });
    const settings = { ca, servername: 'lis.example', clientCertificate: 'party' };
    const target = open(lis.port, { tls: settings }, hostOf(parties));
    const parted = ['north', 'south', 'north', 'south'].map((party, index) =>
      send(target, message(`T${index}`), 'message', untilDone(), party),
    );
    expect((await Promise.all(parted)).every(({ ok }) => ok)).toBe(true);
    expect(seen.sort()).toEqual(['T0 Nord AB', 'T1 Syd AB', 'T2 Nord AB', 'T3 Syd AB']);
    expect(lis.sockets).toHaveLength(2);

    const uncertified = open(lis.port, { tls: { ca, servername: 'lis.example' } }, hostOf(parties));
    expect(faultOf(await send(uncertified, message('U1')))?.code).toMatch(/^(tls-refused|target-unreachable)$/);
    const strange = open(lis.port, { tls: { ...settings, servername: 'other.example' } }, hostOf(parties));
    expect(faultOf(await send(strange, message('U2')))?.code).toBe('tls-refused');
    expect(seen).toHaveLength(4);
  });
});
