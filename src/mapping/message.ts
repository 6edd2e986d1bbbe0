import { Fault } from '../contracts/fault.ts';
import { ageOfVersion } from '../hl7/ack.ts';
import { type Charset, findCharset } from '../hl7/charset.ts';
import { writeDateTime } from '../hl7/datetime.ts';
import { type Delimiters, STANDARD_DELIMITERS } from '../hl7/delimiters.ts';
import { DraftSegment } from '../hl7/draft-segment.ts';
import type { Segment } from '../hl7/message.ts';
import { locate } from '../hl7/path.ts';
import { type FieldPlace, type Wire, writeFound } from './field-text.ts';
import { compileFields, type FieldRule } from './message-field.ts';
import { compileSegment, fillSegment, type OutgoingSegments } from './message-segment.ts';
import { OutgoingMessage } from './outgoing-message.ts';
import { keepProblem, suggest } from './problem.ts';
import { Found, type Run, type Scope } from './scope.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import type { YamlNode } from './yaml-node.ts';

/** Keys of a message, written out or in a file of its own. */
const CONTENT = ['type', 'version', 'charset', 'header', 'segments', 'because'] as const;
const MESSAGE_FILE_KEYS = ['message', 'summary', ...CONTENT] as const;

/** Fields of MSH that are not a rule's to fill, and what fills them. */
const NOT_OF_HEADER: Readonly<Record<number, string>> = {
  1: 'the delimiters are those of the message',
  2: 'the delimiters are those of the message',
  9: 'type: says it',
  10: 'the control id is derived, so that a repeated message bears the same',
  12: 'version: says it',
  18: 'charset: says it',
};

/**
 * Compiles `message:` of a delivery: the name of a message file, or a message written out. What it makes is an
 * `OutgoingMessage`, or nothing where none of its segments is made.
 * @throws ProblemError
 */
export function compileMessage(node: YamlNode, around: Surroundings): Evaluate {
  if (node.isMap) return compileContent(node.keys(CONTENT), node, around);
  const name = node.text('a message file’s name, or type: and segments:');
  const file =
    around.outgoing.get(name) ?? node.fail(`There is no message "${name}"`, suggest(name, around.outgoing.keys()));
  const keys = file.keys(MESSAGE_FILE_KEYS);
  return compileContent(keys as ReadonlyMap<(typeof CONTENT)[number], YamlNode>, file, around);
}

function compileContent(
  keys: ReadonlyMap<(typeof CONTENT)[number], YamlNode>,
  node: YamlNode,
  around: Surroundings,
): Evaluate {
  const type = readType(keys.get('type') ?? node.fail('A message needs type: ORU^R01^ORU_R01'));
  const version = keys.get('version')?.text('a version, such as 2.5.1') ?? null;
  if (version !== null && !/^2\.\d(\.\d)?$/.test(version))
    keys.get('version')?.fail(`There is no HL7 version ${version}`, 'such as 2.5.1');
  const charset = readCharset(keys.get('charset') ?? null);
  const headerNode = keys.get('header') ?? null;
  const header = headerNode === null ? [] : compileHeader(headerNode, around);
  const list = keys.get('segments') ?? node.fail('A message needs segments: …');
  const segments = list
    .items()
    .flatMap((item) => keepProblem(around.problems, () => [compileSegment(item, around)], []));
  if (list.items().length === 0) list.fail('A message needs at least one segment');

  return (scope) => {
    const { run } = scope;
    const original = run.message.segments[0] as Segment;
    const wire = wireOf(run, charset);
    const out: OutgoingSegments = { wire, made: [] };
    for (const write of segments) write(scope, out);
    if (out.made.length === 0) return null;
    const msh = new DraftSegment('MSH', wire.delimiters);
    const putText = (field: number, text: string) => msh.put({ field, component: null, subcomponent: null }, text);
    const isTold = (field: number) => header.some(({ place }) => place.field === field);
    for (const [field, of] of TURNED_ROUND) if (!isTold(field)) putText(field, copyField(original, of, wire, scope));
    putText(7, run.answeredAt === null ? copyField(original, 7, wire, scope) : timeOf(run.answeredAt, run.zone));
    if (version === null) putText(12, copyField(original, 12, wire, scope));
    else putText(12, version);
    const versionParts = type.slice(0, ageOfVersion(msh.field(12)) < 231 ? 2 : 3);
    putText(9, versionParts.join(wire.delimiters.component));
    putText(18, charset === null ? copyField(original, 18, wire, scope) : charset.name);
    fillSegment(msh, header, 'MSH', scope, wire);
    for (const evn of out.made.filter(({ name }) => name === 'EVN')) fillEvent(evn, type[1] ?? '', msh.field(7));
    return Found.made(new OutgoingMessage(msh, out.made, wire.delimiters, wire.charset));
  };
}

/** The message goes back to who sent the one it was made of, with the same processing id. */
const TURNED_ROUND: readonly (readonly [field: number, of: number])[] = [
  [3, 5],
  [4, 6],
  [5, 3],
  [6, 4],
  [11, 11],
];

function copyField(original: Segment, number: number, wire: Wire, { run }: Scope): string {
  const raw = original.firstRepetition(number) ?? '';
  if (raw === '') return '';
  const cell = { raw, segment: original, field: number, repetition: 1, component: null, subcomponent: null };
  run.trail?.read(locate(cell));
  const place: FieldPlace = { field: number, component: null, subcomponent: null, name: `MSH-${number}`, type: null };
  return writeFound([Found.inCell(cell)], place, wire, run, '');
}

/** MSH-7 of what follows an answer: when that came. Old systems take no fractions. */
function timeOf(answeredAt: number, zone: string): string {
  return writeDateTime(Math.floor(answeredAt / 1000) * 1000, zone);
}

/** EVN says again which event, and when. */
function fillEvent(evn: DraftSegment, event: string, time: string): void {
  if (evn.field(1) === '') evn.put({ field: 1, component: null, subcomponent: null }, event);
  if (evn.field(2) === '') evn.put({ field: 2, component: null, subcomponent: null }, time);
}

/** In the sender's delimiters where it declares all of them, and in its character set unless another is named. */
function wireOf(run: Run, charset: Charset | null): Wire {
  const own = run.message.delimiters;
  const delimiters: Delimiters = own.escape === null || own.subcomponent === null ? STANDARD_DELIMITERS : own;
  const isAsItCame = delimiters === own && (charset === null || charset.name === run.charset.name);
  return { delimiters, charset: charset ?? run.charset, isAsItCame };
}

function readType(node: YamlNode): string[] {
  const parts = node.text('a message type, such as ORU^R01^ORU_R01').split('^');
  if (!/^[A-Z0-9]{3}\^[A-Z0-9]{3}(\^[A-Z0-9_]+)?$/.test(parts.join('^')))
    node.fail('Expected code, event and structure, such as ORU^R01^ORU_R01');
  return parts;
}

function readCharset(node: YamlNode | null): Charset | null {
  if (node === null) return null;
  const name = node.text('a character set, such as 8859/1');
  return findCharset(name) ?? node.fail(`The character set ${name} is not supported`, '8859/1, UNICODE UTF-8');
}

function compileHeader(node: YamlNode, around: Surroundings): FieldRule[] {
  for (const [key, { keyNode }] of node.entries()) {
    const field = Number(/^MSH-(\d+)/.exec(key)?.[1] ?? 0);
    const why = NOT_OF_HEADER[field];
    if (why !== undefined) keyNode.fail(`MSH-${field} is not set here: ${why}`);
  }
  return compileFields(node, 'MSH', around, true);
}

/** @throws Fault where its character set lacks one of its characters */
export function writeMessage(message: OutgoingMessage, controlId: string, where: string): Uint8Array {
  const bytes = message.write(controlId);
  if (bytes === null) throw new Fault('value-unmapped', { where, detail: 'a character that the character set lacks' });
  return bytes;
}
