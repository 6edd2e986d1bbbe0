import { connect, type Socket } from 'node:net';
import type { Clock } from '../../src/contracts/clock.ts';
import type { Fault } from '../../src/contracts/fault.ts';
import type { LogFields } from '../../src/contracts/log.ts';
import type { Host } from '../../src/contracts/plugin.ts';
import type { Ack, AckCode, Inbound, Intake } from '../../src/contracts/source.ts';
import { buildAck } from '../../src/hl7/ack.ts';
import { type Header, readHeader } from '../../src/hl7/header.ts';
import { frameMessage, MllpDecoder, type MllpEvent } from '../../src/hl7/mllp.ts';

/** A clock that stands still until it is moved. */
interface ManualClock extends Clock {
  /** Moves on and calls what is due, in the order of the times it asked for. */
  advance(ms: number): void;
  /** Resolves once something asked to be woken at or before `now + ms`. */
  armed(ms: number): Promise<void>;
}

function createManualClock(start: number): ManualClock {
  let now = start;
  const alarms = new Set<{ at: number; call: () => void }>();
  const watchers = new Set<() => void>();
  return {
    now: () => now,
    wakeAt(atMs, call) {
      const alarm = { at: atMs, call };
      alarms.add(alarm);
      for (const watcher of watchers) watcher();
      return () => alarms.delete(alarm);
    },
    advance(ms) {
      const until = now + ms;
      for (;;) {
        const due = [...alarms].filter((alarm) => alarm.at <= until).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        now = Math.max(now, due.at);
        alarms.delete(due);
        due.call();
      }
      now = until;
    },
    armed(ms) {
      return new Promise((resolve) => {
        const look = (): void => {
          if (![...alarms].some((alarm) => alarm.at <= now + ms)) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      });
    },
  };
}

/** The real time, for what waits for a file system. */
export const systemClock: Clock = {
  now: () => Date.now(),
  wakeAt(atMs, call) {
    const timer = setTimeout(call, Math.max(0, atMs - Date.now()));
    return () => clearTimeout(timer);
  },
};

interface LogLine extends LogFields {
  readonly event: string;
  readonly level: string;
}

export interface TestHost<Time extends Clock = ManualClock> extends Host {
  readonly clock: Time;
  readonly lines: LogLine[];
  /** Whether the disk has room; a test may say that it has none. */
  room: boolean;
  /** Whether another process watches. */
  isHeldByAnother: boolean;
  /** Resolves once a source has asked so many times more. */
  askedForRoom(times: number): Promise<void>;
  /** Resolves with the last of the first `count` lines of this event. */
  logged(event: string, count?: number): Promise<LogLine>;
}

export function createTestHost(folder = '/'): TestHost {
  return createHost(folder, createManualClock(Date.UTC(2021, 5, 1, 10)));
}

export function createHost<Time extends Clock>(folder: string, clock: Time): TestHost<Time> {
  const lines: LogLine[] = [];
  const watchers = new Set<() => void>();
  let asked = 0;
  const write =
    (level: string) =>
    (event: string, fields: LogFields = {}): void => {
      lines.push({ ...fields, event, level });
      for (const watcher of watchers) watcher();
    };
  const host: TestHost<Time> = {
    name: 'lab',
    room: true,
    isHeldByAnother: false,
    hold: async () => !host.isHeldByAnother,
    letGo: async () => {},
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    clock,
    parties: {
      list: () => [],
      get: () => null,
      credentials() {
        throw new Error('a source has no business with parties');
      },
    },
    hasRoom() {
      asked += 1;
      for (const watcher of watchers) watcher();
      return host.room;
    },
    askedForRoom(times) {
      const enough = asked + times;
      return new Promise((resolve) => {
        const look = (): void => {
          if (asked < enough) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
      });
    },
    readVariable: (name) => (name === 'SLUSS_TEST_PASSPHRASE' ? 'hemligt' : null),
    resolvePath: (path) => (path.startsWith('/') ? path : `${folder}/${path}`),
    lines,
    logged(event, count = 1) {
      return new Promise((resolve) => {
        const look = (): void => {
          const line = lines.filter((candidate) => candidate.event === event)[count - 1];
          if (line === undefined) return;
          watchers.delete(look);
          resolve(line);
        };
        watchers.add(look);
        look();
      });
    },
  };
  return host;
}

/** One call of the intake, as a test sees and answers it. */
interface Call {
  readonly inbound: Inbound;
  readonly text: string;
  readonly fault: Fault | null;
  answer(code?: AckCode): void;
  silence(): void;
}

export interface FakeIntake {
  readonly intake: Intake;
  readonly calls: Call[];
  /** Resolves with the first `count` calls. */
  called(count: number): Promise<Call[]>;
}

/** An intake that refuses what is not HL7, takes the rest, and answers at once unless told to wait for the test. */
export function createFakeIntake(
  options: { byHand?: boolean; decide?: (inbound: Inbound) => Decision } = {},
): FakeIntake {
  const calls: Call[] = [];
  const watchers = new Set<() => void>();
  let nextId = 0;
  return {
    calls,
    intake(inbound) {
      nextId += 1;
      const messageId = nextId;
      return new Promise((resolve) => {
        const { bytes } = inbound;
        const decision = options.decide?.(inbound) ?? decide(inbound);
        const call: Call = {
          inbound,
          text: Buffer.from(bytes).toString('latin1'),
          fault: inbound.fault,
          answer: (code = decision.code) => resolve(makeAck(bytes, { ...decision, code }, messageId)),
          silence: () => resolve(null),
        };
        calls.push(call);
        for (const watcher of watchers) watcher();
        if (options.byHand !== true) call.answer();
      });
    },
    called(count) {
      return new Promise((resolve) => {
        const look = (): void => {
          if (calls.length < count) return;
          watchers.delete(look);
          resolve(calls.slice(0, count));
        };
        watchers.add(look);
        look();
      });
    },
  };
}

export interface Decision {
  readonly code: AckCode;
  readonly fault?: Fault;
  readonly isStored?: boolean;
}

function decide(inbound: Inbound): Decision {
  if (inbound.fault !== null) return { code: 'AR', fault: inbound.fault };
  return headerOf(inbound.bytes) === null ? { code: 'AR' } : { code: 'AA' };
}

function headerOf(bytes: Uint8Array): Header | null {
  try {
    return readHeader(bytes);
  } catch {
    return null;
  }
}

function makeAck(bytes: Uint8Array, decision: Decision, messageId: number): Ack {
  const { code, fault, isStored = true } = decision;
  const faults = fault === undefined ? [] : [fault.record];
  const made = buildAck({
    header: headerOf(bytes),
    code,
    faults,
    controlId: `S${messageId}`,
    sentAt: Date.UTC(2021, 5, 1, 10),
    charset: null,
  });
  const passes = fault !== undefined && ['world', 'engine'].includes(fault.blame);
  return { code, bytes: made, messageId: isStored ? messageId : null, isFinal: isStored && !passes };
}

/** A peer that writes bytes as the test says and collects the frames it gets. */
export class Peer {
  readonly socket: Socket;
  readonly #decoder = new MllpDecoder(64 * 1024 * 1024);
  readonly #answers: string[] = [];
  readonly #watchers = new Set<() => void>();
  readonly closed: Promise<void>;
  /** The other side sends nothing more. */
  readonly ended: Promise<void>;
  isEnded = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(this.#decoder.push(chunk)));
    socket.on('end', () => {
      this.isEnded = true;
      for (const watcher of this.#watchers) watcher();
    });
    socket.on('error', () => {});
    this.ended = new Promise((resolve) => {
      socket.once('end', () => resolve());
      socket.once('close', () => resolve());
    });
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  #take(events: readonly MllpEvent[]): void {
    for (const event of events) {
      this.#answers.push(event.kind === 'message' ? Buffer.from(event.bytes).toString('latin1') : event.kind);
    }
    for (const watcher of this.#watchers) watcher();
  }

  write(...pieces: (string | Uint8Array)[]): void {
    for (const piece of pieces) this.socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
  }

  /** Resolves once these bytes are on their way as a packet of their own. */
  writeApart(piece: string): Promise<void> {
    return new Promise((resolve) => {
      this.socket.write(Buffer.from(piece, 'latin1'), () => setImmediate(resolve));
    });
  }

  /** Resolves with all answers so far once there are `count`, or once the other side has ended. */
  answers(count: number): Promise<string[]> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#answers.length < count && !this.isEnded) return;
        this.#watchers.delete(look);
        resolve([...this.#answers]);
      };
      this.#watchers.add(look);
      look();
    });
  }

  /** `AA 7` for each answer: code and MSA-2. */
  async codes(count: number): Promise<string[]> {
    return (await this.answers(count)).map(codeOf);
  }
}

/** `AA 7` of a plain answer; of a batch its lines, `BHS AA 1 AE 2 BTS`. */
export function codeOf(answer: string): string {
  const lines = answer.split('\r').filter((line) => !line.startsWith('MSH') && !line.startsWith('ERR') && line !== '');
  return lines
    .map((line) => {
      const [name, first = '', second = ''] = line.split('|');
      return name === 'MSA' ? `${first} ${second}` : name;
    })
    .join(' ');
}

export function connectTo(address: string): Promise<Peer> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true, allowHalfOpen: true });
    socket.once('error', reject);
    socket.once('connect', () => resolve(new Peer(socket)));
  });
}

/** A message with this control id. */
export function oru(controlId: string, more = ''): string {
  return `MSH|^~\\&|LAB|F|SLUSS|VC|20210601||ORU^R01^ORU_R01|${controlId}|P|2.5.1\rPID|1||X\r${more}`;
}

export function framed(text: string): string {
  return frameMessage(Buffer.from(text, 'latin1')).toString('latin1');
}
