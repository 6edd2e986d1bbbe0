import { once } from 'node:events';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { createLaboratory, type Laboratory } from '../../src/simulators/laboratory.ts';
import { createAuthority } from '../../src/simulators/pki.ts';

const VT = 0x0b;
const END = Buffer.of(0x1c, 0x0d);

interface Listener {
  readonly port: number;
  /** Frames as they came, without envelope. */
  readonly frames: Buffer[];
  readonly sockets: Set<Socket>;
}

const open: Server[] = [];
const laboratories: Laboratory[] = [];

afterEach(async () => {
  for (const one of laboratories.splice(0)) await one.close();
  for (const one of open.splice(0)) one.close();
});

/** A bare socket server: what it sees is what left. */
async function listen(
  answer: (frame: Buffer, socket: Socket, count: number) => void,
  secure?: tls.TlsOptions,
): Promise<Listener> {
  const frames: Buffer[] = [];
  const sockets = new Set<Socket>();
  const serve = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf(END); end >= 0; end = rest.indexOf(END)) {
        expect(rest[0]).toBe(VT);
        frames.push(Buffer.from(rest.subarray(1, end)));
        rest = rest.subarray(end + 2);
        answer(frames.at(-1) as Buffer, socket, frames.length);
      }
    });
  };
  const server = secure ? tls.createServer(secure, serve) : net.createServer(serve);
  server.on('tlsClientError', () => {});
  open.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, frames, sockets };
}

function createSender(port: number, more: object = {}): Laboratory {
  const laboratory = createLaboratory({ host: '127.0.0.1', port, ...more });
  laboratories.push(laboratory);
  return laboratory;
}

const frame = (text: string): Buffer => Buffer.concat([Buffer.of(VT), Buffer.from(text, 'latin1'), END]);
const acknowledge = (id: string, code = 'AA', more = ''): Buffer =>
  frame(`MSH|^~\\&|SLUSS||LAB||20260115||ACK^R01|9|P|2.5.1\rMSA|${code}|${id}${more}\r`);
const message = (id: string, text = 'Anna'): string =>
  `MSH|^~\\&|LAB|N|SLUSS||20260115||ORU^R01|${id}|P|2.5.1\rPID|1||X||${text}\r`;

describe('laboratory', () => {
  it('gets the answer that bears its control id', async () => {
    const { port, frames } = await listen((_frame, socket) => socket.write(acknowledge('17', 'AE')));
    const answer = await createSender(port).send(message('17'));
    expect(answer).toMatchObject({ code: 'AE', understood: true, sentBy: 'library' });
    expect(answer.ackText).toContain('MSA|AE|17');
    expect(frames.map(String)).toEqual([message('17')]);
  });

  it.each([
    ['ISO 8859-1', 'library', Buffer.from(message('1', 'Åsa Öberg'), 'latin1')],
    ['UTF-8', 'library', Buffer.from(message('2', 'Åsa Öberg'), 'utf8')],
    ['no last CR', 'library', Buffer.from(message('3', 'Åsa').trimEnd(), 'latin1')],
    ['several last CRs', 'library', Buffer.from(`${message('4')}\r\r`, 'latin1')],
    ['every byte there is', 'library', Buffer.concat([Buffer.from(message('5'), 'latin1'), everyByte()])],
    ['other delimiters', 'library', Buffer.from(message('6').replaceAll('|', '#'), 'latin1')],
    ['line feeds', 'socket', Buffer.from(message('7').replaceAll('\r', '\n'), 'latin1')],
    ['CR LF', 'socket', Buffer.from(message('8').replaceAll('\r', '\r\n'), 'latin1')],
    ['a version with a country', 'library', Buffer.from(message('9').replace('2.5.1', '2.5.1^SWE'), 'latin1')],
    ['a version nobody knows', 'socket', Buffer.from(message('10').replace('2.5.1', '9.9'), 'latin1')],
    ['a batch', 'socket', Buffer.from(`FHS|^~\\&\rBHS|^~\\&\r${message('11')}BTS|1\rFTS|1\r`, 'latin1')],
    ['no HL7 at all', 'socket', Buffer.from('hello\r\nworld')],
    ['nothing', 'socket', Buffer.alloc(0)],
  ])('lets %s leave byte for byte, by the %s', async (_what, sentBy, bytes) => {
    const { port, frames } = await listen((_frame, socket) => socket.write(acknowledge('')));
    const answer = await createSender(port).send(bytes);
    expect(frames).toEqual([bytes]);
    expect(answer.sentBy).toBe(sentBy);
  });

  it('reads an answer byte for byte, however it is cut', async () => {
    const ack = acknowledge('5', 'AE', '|Fält saknas: å');
    const { port } = await listen((_frame, socket) => {
      for (const byte of ack) socket.write(Buffer.of(byte));
    });
    const answer = await createSender(port).send(message('5'));
    expect(answer.code).toBe('AE');
    expect(answer.ackText).toContain('Fält saknas: å');
    expect(Buffer.from(answer.ackBytes)).toEqual(ack.subarray(1, -2));
  });

  it('keeps one message in flight, and its connection', async () => {
    let underway = 0;
    let most = 0;
    const { port, sockets } = await listen((bytes, socket) => {
      most = Math.max(most, ++underway);
      setImmediate(() => {
        underway -= 1;
        socket.write(acknowledge(String(bytes).split('|')[9] ?? ''));
      });
    });
    const laboratory = createSender(port);
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => laboratory.send(message(`M${index}`))));
    expect(answers.map((answer) => answer.ackText.split('|').at(-1))).toEqual(
      Array.from({ length: 50 }, (_, index) => `M${index}\r`),
    );
    expect([most, sockets.size]).toEqual([1, 1]);
  });

  it('leaves answers to other messages aside', async () => {
    const { port } = await listen((_frame, socket) => {
      socket.write(acknowledge('OTHER'));
      socket.write(acknowledge('MINE'));
    });
    const laboratory = createSender(port);
    expect((await laboratory.send(message('MINE'))).ackText).toContain('MSA|AA|MINE');
    expect(laboratory.unasked).toHaveLength(1);
  });

  it('takes an answer that names no message, as one to a message without MSH does', async () => {
    const { port } = await listen((_frame, socket) => socket.write(acknowledge('', 'AR')));
    expect((await createSender(port).send('junk')).code).toBe('AR');
  });

  it('connects anew after a failure', async () => {
    const { port, sockets } = await listen((bytes, socket, count) => {
      if (count === 1) socket.destroy();
      else socket.write(acknowledge(String(bytes).split('|')[9] ?? ''));
    });
    const laboratory = createSender(port);
    await expect(laboratory.send(message('A'))).rejects.toThrow('closed');
    expect((await laboratory.send(message('B'))).code).toBe('AA');
    expect(sockets.size).toBe(2);
  });

  it('connects anew after its peer closed an idle connection', async () => {
    const { port, sockets } = await listen((bytes, socket) => {
      socket.write(acknowledge(String(bytes).split('|')[9] ?? ''));
    });
    const laboratory = createSender(port);
    await laboratory.send(message('A'));
    const [first] = sockets;
    const closed = once(first as Socket, 'close');
    first?.end();
    await closed;
    expect((await laboratory.send(message('B'))).code).toBe('AA');
  });

  it('waits no longer than its limit', async () => {
    const { port } = await listen(() => {});
    await expect(createSender(port, { timeoutMs: 50 }).send(message('A'))).rejects.toThrow('no answer within 50 ms');
  });

  it('says so when nobody listens', async () => {
    const { port } = await listen(() => {});
    await new Promise((resolve) => open.pop()?.close(resolve));
    await expect(createSender(port).send(message('A'))).rejects.toThrow('ECONNREFUSED');
  });

  it('speaks TLS with a client certificate', async () => {
    const authority = await createAuthority({ name: 'Laboratory CA', now: Date.now() });
    const server = await authority.issueServer({ names: ['localhost', '127.0.0.1'] });
    const client = await authority.issueClient({ organisation: 'Lab', organisationNumber: '2321000016' });
    const { port, sockets } = await listen((_frame, socket) => socket.write(acknowledge('T')), {
      cert: server.cert,
      key: server.key,
      ca: authority.cert,
      requestCert: true,
      rejectUnauthorized: true,
    });
    const trust = { ca: authority.cert, servername: 'localhost' };
    const laboratory = createSender(port, { tls: { ...trust, cert: client.cert, key: client.key } });
    expect((await laboratory.send(message('T'))).code).toBe('AA');
    const [socket] = sockets;
    expect((socket as tls.TLSSocket).getPeerCertificate().subject.O).toBe('Lab');
    await expect(createSender(port, { tls: trust }).send(message('T'))).rejects.toThrow();
  });
});

/** All of them but those that end a frame or a line. */
function everyByte(): Buffer {
  const kept = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => ![VT, 0x1c, 0x0a, 0x0d].includes(byte));
  return Buffer.from([...Buffer.from('NTE|1||'), ...kept, 0x0d]);
}
