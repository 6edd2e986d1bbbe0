import { connect } from 'node:net';
import { frameMessage } from '../../src/hl7/mllp.ts';
import { checkAnswer, checkLog } from './findings.ts';
import { type ExpectedAnswer, expectAnswer, expectFrames, isSameId, narrow } from './frame-oracle.ts';
import { mutateBytes, mutateMessage, type Random } from './mutate.ts';
import { MAPPINGS, type MappingName, type World } from './world.ts';

const PATIENCE_MS = 20_000;
const PROBE = 'PROBE';

export interface ListenerCase {
  readonly mapping: MappingName;
  /** What the sender writes. */
  readonly wire: Buffer;
  /** Lengths of the pieces it is cut into, over and over. */
  readonly cuts: readonly number[];
}

export function makeListenerCase(random: Random, { originals }: World, name: string): ListenerCase {
  const mapping = MAPPINGS[Math.floor(random() * MAPPINGS.length)] as MappingName;
  const all = [...originals.own, ...originals.foreign];
  const any = () => all[Math.floor(random() * all.length)] as Buffer;
  const count = 1 + Math.floor(random() * 5);
  const frames = Array.from({ length: count }, (_, index) => {
    const message = random() < 0.3 ? any() : mutateMessage(any(), random, any);
    return spoilFrame(nameMessage(message, `${name}-${index}`), random);
  });
  const wire = Buffer.concat(frames);
  const cuts = Array.from({ length: 1 + Math.floor(random() * 6) }, () => 1 + Math.floor(random() ** 3 * 3_000));
  return { mapping, wire: random() < 0.15 ? mutateBytes(wire, random) : wire, cuts };
}

/** Gives it a control id of its own, so that every answer shows to which message it belongs; most of the time. */
function nameMessage(message: Buffer, controlId: string): Buffer {
  const text = message.toString('latin1');
  const parts = /^((?:[^|\r\n]*\|){9})[^|\r\n]*/.exec(text);
  if (parts === null || !text.startsWith('MSH')) return message;
  return Buffer.from(`${parts[1]}${controlId}${text.slice(parts[0].length)}`, 'latin1');
}

function spoilFrame(message: Buffer, random: Random): Buffer {
  const frame = frameMessage(message);
  const dice = random();
  const text = (one: string) => Buffer.from(one, 'latin1');
  if (dice < 0.6) return frame;
  if (dice < 0.65) return frame.subarray(0, -1);
  if (dice < 0.7) return frame.subarray(0, -2);
  if (dice < 0.75) return Buffer.concat([text('\x0b'), frame]);
  if (dice < 0.8) return Buffer.concat([text('GET / HTTP/1.1\r\n\r\n'), frame, text('\r\n')]);
  if (dice < 0.85) return frame.subarray(1);
  if (dice < 0.9) return Buffer.concat([frame.subarray(0, Math.floor(random() * frame.length)), frame]);
  if (dice < 0.95) return Buffer.concat([frame, text('\x0b\x1c\r')]);
  return Buffer.concat([frame.subarray(0, -2), text('\x1c\x1c\r')]);
}

/** Sends the same over two connections, cut in different ways, and holds both against what was owed. */
export async function judgeListener({ mapping, wire, cuts }: ListenerCase, world: World): Promise<string[]> {
  const probe = frameMessage(Buffer.from(`MSH|^~\\&|FUZZ||||20221114||ORU^R01^ORU_R01|${PROBE}|P|2.5.1\rPID|1\r`));
  const whole = Buffer.concat([wire, probe]);
  const owed = expectFrames(whole.toString('latin1')).map(({ kind, text }) => expectAnswer(text, kind));
  const port = world.port(mapping);
  const found: string[] = [];
  const send = async (pieces: readonly number[]): Promise<string> => {
    const said = await converse(port, whole, pieces);
    if (typeof said === 'string') {
      found.push(said);
      return said;
    }
    found.push(...judgeAnswers(said, owed));
    return said.filter((answer) => !isOfEnhancedMode(answer)).join('\n');
  };
  const first = await send([whole.length]);
  const second = await send(cuts);
  // What was refused as incomplete and then came whole has earned another answer by now: that is compared with itself.
  if (first !== second && (await send([whole.length])) !== second)
    found.push('cut in another way it got other answers');
  return [...found, ...checkLog(world.takeLog())];
}

/** The answers, or what was wrong with the conversation. */
async function converse(port: number, wire: Buffer, pieces: readonly number[]): Promise<string[] | string> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let said = '';
  let isOver = false;
  const ended = new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1');
      // Enhanced mode may owe more behind it, which is written before the other side closes.
      if (said.includes(`|${PROBE}|`) || said.includes(`|${PROBE}\r`)) socket.end();
    });
    socket.on('end', () => {
      isOver = true;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve());
  });
  const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
  let at = 0;
  for (let piece = 0; at < wire.length; piece += 1) {
    const end = at + (pieces[piece % pieces.length] ?? 1);
    socket.write(wire.subarray(at, end));
    at = end;
    if (piece < 40) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await ended;
  clearTimeout(timer);
  if (!isOver) return `the conversation did not end; there were ${countFrames(said)} answers`;
  const answers = [...said.matchAll(/\x0b([\s\S]*?)\x1c\r/g)];
  const length = answers.reduce((sum, [frame]) => sum + frame.length, 0);
  if (length !== said.length) return 'what was answered is not a row of frames';
  return answers.map(([, text = '']) => text);
}

const countFrames = (said: string) => said.split('\x1c\r').length - 1;

/** Both answers of enhanced mode ask for none themselves; those of original mode leave MSH-15 and MSH-16 empty. */
function isOfEnhancedMode(answer: string): boolean {
  const fields = (narrow(answer).split('\r')[0] ?? '').split(narrow(answer)[3] ?? '|');
  return fields[14] === 'NE' && fields[15] === 'NE';
}

function judgeAnswers(said: readonly string[], owed: readonly ExpectedAnswer[]): string[] {
  const found = said.flatMap(checkAnswer);
  const chosen = owed.filter(({ answers }) => answers === 'chosen').map(({ controlId }) => controlId);
  const hasBatch = owed.some(({ answers }) => answers === 'batch');
  for (const answer of said.filter(isOfEnhancedMode)) {
    const { controlId } = readMsa(answer);
    // A batch in enhanced mode is answered by its envelope, and by what its messages ask for beside.
    if (!chosen.some((id) => isSameId(controlId, id)) && !hasBatch)
      found.push('an answer of enhanced mode belongs to no such message');
  }
  const single = said.filter((answer) => !isOfEnhancedMode(answer));
  const due = owed.filter(({ answers }) => answers === 'one' || answers === 'batch');
  if (single.length !== due.length) return [...found, `${due.length} answers were owed, ${single.length} came`];
  for (const [index, { answers, controlId }] of due.entries()) {
    const answer = single[index] ?? '';
    const isBatch = /^(BHS|FHS)/.test(answer) || answer === '';
    if (answers === 'batch') {
      if (!isBatch) found.push(`answer ${index + 1} is not that of a batch`);
      continue;
    }
    const msa = readMsa(answer);
    if (!/^A[AER]$/.test(msa.code)) found.push(`answer ${index + 1} says ${msa.code}`);
    if (!isSameId(msa.controlId, controlId)) {
      found.push(`answer ${index + 1} is to ${JSON.stringify(msa.controlId)}, not to ${JSON.stringify(controlId)}`);
    }
  }
  return found;
}

function readMsa(answer: string): { code: string; controlId: string } {
  const line = narrow(answer)
    .split('\r')
    .find((segment) => segment.startsWith('MSA'));
  const [, code = '', controlId = ''] = line?.split(line[3] ?? '|') ?? [];
  return { code, controlId };
}
