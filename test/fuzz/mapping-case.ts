import { FAULTS } from '../../src/contracts/fault.ts';
import type { Draft, Mapped } from '../../src/contracts/mapper.ts';
import { checkResource } from '../../src/fhir/check-resource.ts';
import { parseExactJson } from '../../src/fhir/exact-json.ts';
import { readSubmission } from '../../src/simulators/covidbevis/submission.ts';
import { recoveryCertificateRequest, testCertificateRequest } from '../../src/targets/covidbevis-request.ts';
import { checkAnswer, checkLog, isMarked } from './findings.ts';
import { expectAnswer, narrow } from './frame-oracle.ts';
import { mutateMessage, type Random } from './mutate.ts';
import { MAPPINGS, type MappingName, type World } from './world.ts';

/** A message that nothing may be wrong with for long: a bound for what hangs, not a measure of speed. */
const PATIENCE_MS = 10_000;

export interface MappingCase {
  readonly mapping: MappingName;
  readonly message: Buffer;
}

export function makeMappingCase(random: Random, { originals }: World): MappingCase {
  const mapping = MAPPINGS[Math.floor(random() * MAPPINGS.length)] as MappingName;
  const { own, foreign } = originals;
  const isForeign = foreign.length > 0 && random() < (mapping === 'oru-r01' ? 0.6 : 0.2);
  const pool = isForeign ? foreign : own;
  const any = () => pool[Math.floor(random() * pool.length)] as Buffer;
  return { mapping, message: mutateMessage(any(), random, any) };
}

/** Maps a message and takes it in; what is not as it must be. */
export async function judgeMapping({ mapping, message }: MappingCase, world: World): Promise<string[]> {
  const found: string[] = [];
  const before = Buffer.from(message);
  const startedAt = performance.now();
  let mapped: Mapped;
  try {
    mapped = world.map(mapping, message);
    if (JSON.stringify(told(world.map(mapping, message))) !== JSON.stringify(told(mapped))) {
      found.push('the same message was mapped to something else');
    }
  } catch (error) {
    return [`the mapper threw: ${(error as Error).stack?.split('\n').slice(0, 3).join(' ')}`];
  }
  if (!before.equals(message)) found.push('the message was written to');
  found.push(...judgeMapped(mapped, narrow(message.toString('latin1'))));
  for (const draft of mapped.drafts) found.push(...judgeBody(draft));

  const ack = await world.intake(mapping)({ bytes: message, origin: 'fuzz', sender: null, fault: null, reply: null });
  found.push(...judgeAnswer(message, ack?.bytes ?? null, ack?.code ?? null));
  found.push(...checkLog(world.takeLog()));
  const tookMs = performance.now() - startedAt;
  if (tookMs > PATIENCE_MS) found.push(`it took ${Math.round(tookMs)} ms`);
  return found;
}

const told = ({ drafts, ...rest }: Mapped) => ({
  ...rest,
  drafts: drafts.map(({ body, ...more }) => ({ ...more, body: Buffer.from(body).toString('latin1') })),
});

function judgeMapped({ drafts, faults, warnings, skipped, statements }: Mapped, text: string): string[] {
  const found: string[] = [];
  for (const fault of [...faults, ...warnings]) {
    if (!Object.hasOwn(FAULTS, fault.code)) found.push(`there is no fault ${fault.code}`);
    if (fault.code === 'internal') found.push(`an internal fault at ${fault.where}: ${fault.detail}`);
    // What the mapping makes must fit whatever comes: a fault of the sender's, or kept as it came.
    if (fault.code === 'mapping-incomplete')
      found.push(`a body does not fit its target: ${fault.where} ${fault.detail}`);
    if (isMarked(JSON.stringify(fault))) found.push(`the fault ${fault.code} holds patient data`);
  }
  if (isMarked(JSON.stringify([skipped, statements]))) found.push('a reason or a statement holds patient data');
  for (const { body, ...more } of drafts) {
    if (isMarked(JSON.stringify(more))) found.push('a draft holds patient data outside its body');
  }
  const isNothing = drafts.length + faults.length + skipped.length + statements.length === 0;
  if (isNothing && holdsResult(text)) found.push('nothing was made of its results, and nothing says why');
  return found;
}

/** An OBX with anything in it. */
function holdsResult(text: string): boolean {
  const separator = text[text.indexOf('MSH') + 3] ?? '|';
  return text.split(/[\r\n]+/).some((line) => line.startsWith(`OBX${separator}`) && line.length > 6);
}

function judgeBody({ target, operation, body }: Draft): string[] {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  const json: unknown = JSON.parse(text);
  // A number of more digits than a double holds is still the number that was sent.
  const issues = checkResource(parseExactJson(text)).map(({ rule, path }) => `R4: ${rule} at ${path}`);
  if (target !== 'covidbevis') return issues;
  const isTest = operation === 'test-certificate';
  const schema = isTest ? testCertificateRequest : recoveryCertificateRequest;
  issues.push(
    ...(schema.safeParse(json).error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`),
  );
  const read = readSubmission(json, isTest ? 'observation' : 'recovery', { devices: null, today: null });
  if ('violations' in read) issues.push(...read.violations);
  return issues;
}

function judgeAnswer(message: Buffer, answer: Uint8Array | null, code: string | null): string[] {
  // Taken in directly, there is no way back but one: it is answered once, as in original mode.
  const text = message.toString('latin1');
  const isAck = expectAnswer(text, 'incomplete').answers === 'none';
  if (isAck) return answer === null || answer.length === 0 ? [] : ['an acknowledgement was answered'];
  if (answer === null || answer.length === 0) return ['there was no answer'];
  if (!/^A[AER]$/.test(code ?? '')) return [`the answer was ${code}`];
  return checkAnswer(Buffer.from(answer).toString('latin1'));
}
