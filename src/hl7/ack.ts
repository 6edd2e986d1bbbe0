import { FAULTS, type FaultCode, type FaultRecord, faultText } from '../contracts/fault.ts';
import { type AckCode, type AckDialect, STANDARD_DIALECT } from '../contracts/source.ts';
import { ASCII, type Charset, encodeText } from './charset.ts';
import { type Delimiters, encodingCharacters, STANDARD_DELIMITERS } from './delimiters.ts';
import { escapeText } from './escape.ts';
import type { Header } from './header.ts';

/** What an acknowledgement is made of. */
export interface AckContent {
  /** The sender's header; null where the message has none that could be read. */
  readonly header: Header | null;
  readonly code: AckCode;
  /** Become ERR segments, the first `MAX_ERRORS` of them. Their `where` is not told to the sender. */
  readonly faults: readonly FaultRecord[];
  /** MSH-10 of the acknowledgement itself, at most 20 characters for old senders. */
  readonly controlId: string;
  /** MSH-7, ms since the epoch; written in UTC. */
  readonly sentAt: number;
  /** The sender's character set; null = not known, and ASCII is used. */
  readonly charset: Charset | null;
  /** How its sender wants it written; by default as the standard has it. */
  readonly dialect?: AckDialect;
  /** True = MSH-15 and MSH-16 say NE: an answer of enhanced mode asks for none itself. By default they are empty. */
  readonly asksForNone?: boolean;
}

/** Faults beyond these are left out of the acknowledgement: a laboratory mends the first ones first. */
const MAX_ERRORS = 50;
/** MSA-3 is ST of 80 characters up to v2.6. */
const MAX_MSA_TEXT = 80;

/** Table 0357 for the codes the fault table uses. */
const CONDITIONS: Readonly<Record<(typeof FAULTS)[FaultCode]['hl7'], string>> = {
  '100': 'Segment sequence error',
  '101': 'Required field missing',
  '102': 'Data type error',
  '103': 'Table value not found',
  '200': 'Unsupported message type',
  '201': 'Unsupported event code',
  '202': 'Unsupported processing id',
  '203': 'Unsupported version id',
  '207': 'Application internal error',
};

/**
 * Builds a complete acknowledgement in the sender's version, delimiters and character set, without frame. What it takes
 * from the message is MSH alone (MSA-2 is the sender's control id byte for byte); all other words are the fault table's.
 * From v2.5 on each fault is an ERR with ERR-2 to ERR-5 and ERR-8; before, all share one ERR in its old form. A dialect
 * changes what is written, and nothing of what is meant: a negative answer keeps its ERR under another code.
 * Never throws.
 * @see HL7 v2.5.1 §2.9.2, §2.15.5 (ERR), §2.15.8 (MSA); v2.3.1 §2.24.3 (ERR-1)
 */
export function buildAck(content: AckContent): Uint8Array {
  const charset = content.charset ?? ASCII;
  const dialect = content.dialect ?? STANDARD_DIALECT;
  const header = content.header ?? NO_HEADER;
  const { field, component } = header.delimiters;
  const age = ageOfVersion(header.version);
  // The header's texts hold a character a byte; ours are brought to the same form, so that one string holds both.
  const own = (text: string): string => {
    const escaped = escapeText(text.replaceAll('’', "'"), header.delimiters);
    return charset.form === 'utf16' ? escaped : Buffer.from(encodeText(escaped, charset)).toString('latin1');
  };
  const msh = [
    `MSH${field}${encodingCharacters(header.delimiters)}`,
    header.receivingApplication,
    header.receivingFacility,
    header.sendingApplication,
    header.sendingFacility,
    encodeTime(content.sentAt),
    '',
    nameType(header.triggerEvent, age, component),
    own(content.controlId),
    header.processingId || 'P',
    header.version || '2.5.1',
  ];
  if (content.asksForNone === true) msh.push('', '', 'NE', 'NE');
  if (header.charset !== '') msh.push(...Array<string>(16 - msh.length).fill(''), header.charset);

  const faults = content.faults.slice(0, MAX_ERRORS);
  const msa = ['MSA', dialect.codes[content.code] ?? content.code, header.controlId];
  const [first] = faults;
  if (dialect.msa3 && first !== undefined && !isPositive(content.code) && age < 270) {
    msa.push(own(FAULTS[first.code].text.slice(0, MAX_MSA_TEXT)));
  }
  const form = dialect.err === 'auto' ? (age >= 250 ? 'new' : 'old') : dialect.err;
  const segments = [msh, msa];
  if (form === 'new')
    for (const fault of faults) segments.push(errorSegment(fault, content.code, header.delimiters, own));
  if (form === 'old' && faults.length > 0) segments.push(['ERR', oldErrors(faults, header.delimiters, own)]);

  const text = segments.map((segment) => endSegment(segment.join(field), field)).join('');
  return charset.form === 'utf16' ? encodeText(text, charset) : Buffer.from(text, 'latin1');
}

/** With its CR. A sender's own FS at the end would end the frame there, so an empty field is put behind it. */
export function endSegment(segment: string, field: string): string {
  return segment.endsWith('\x1c') ? `${segment}${field}\r` : `${segment}\r`;
}

const NO_HEADER: Header = {
  delimiters: STANDARD_DELIMITERS,
  sendingApplication: '',
  sendingFacility: '',
  receivingApplication: '',
  receivingFacility: '',
  sentAt: '',
  messageCode: '',
  triggerEvent: '',
  structure: '',
  controlId: '',
  processingId: 'P',
  version: '2.5.1',
  acceptAck: '',
  applicationAck: '',
  charset: '',
};

function isPositive(code: AckCode): boolean {
  return code === 'AA' || code === 'CA';
}

/** 231 for 2.3.1, 250 for 2.5; what cannot be read counts as 2.5.1. */
export function ageOfVersion(version: string): number {
  const parts = /^2\.(\d)(?:\.(\d))?/.exec(version);
  return parts === null ? 251 : 200 + Number(parts[1]) * 10 + Number(parts[2] ?? 0);
}

/** MSH-9: the structure is known since v2.3.1, the trigger event of an acknowledgement since v2.3. */
function nameType(event: string, age: number, component: string): string {
  if (event === '' || age < 230) return 'ACK';
  return age < 231 ? `ACK${component}${event}` : `ACK${component}${event}${component}ACK`;
}

/** A time in UTC as HL7 writes it: `20210601101502+0000`. @param at ms since the epoch */
export function encodeTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace(/\D/g, '')}+0000`;
}

function errorSegment(
  fault: FaultRecord,
  code: AckCode,
  delimiters: Delimiters,
  own: (text: string) => string,
): string[] {
  const { component } = delimiters;
  const condition = FAULTS[fault.code].hl7;
  return [
    'ERR',
    '',
    locate(fault.at).join(component),
    [condition, own(CONDITIONS[condition]), 'HL70357'].join(component),
    isPositive(code) ? 'W' : 'E',
    [own(fault.code), '', 'L'].join(component),
    '',
    '',
    own(faultText({ ...fault, where: null })),
  ];
}

/** ERR-1 of v2.1 to v2.4: repetitions of segment, sequence, field, and a condition packed into subcomponents. */
function oldErrors(faults: readonly FaultRecord[], delimiters: Delimiters, own: (text: string) => string): string {
  const { component, subcomponent, repetition } = delimiters;
  const errors = faults.map((fault) => {
    const [segment = '', sequence = '', field = ''] = locate(fault.at);
    const condition = FAULTS[fault.code].hl7;
    const packed =
      subcomponent === null ? condition : [condition, own(CONDITIONS[condition]), 'HL70357'].join(subcomponent);
    return [segment, sequence, field, packed].join(component);
  });
  return errors.join(repetition);
}

/** `PID-3[2].1` → PID, 1, 3, 2, 1. A location that is not of this form gives nothing. */
function locate(at: string | null): string[] {
  const parts = /^([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+)(?:\.(\d+))?)?)?$/.exec(at ?? '');
  if (parts === null) return [];
  const [, segment = '', sequence = '1', field, repetition, component, subcomponent] = parts;
  const location = [segment, sequence];
  if (field === undefined) return location;
  location.push(field);
  if (repetition !== undefined || component !== undefined) location.push(repetition ?? '1');
  if (component !== undefined) location.push(component);
  if (subcomponent !== undefined) location.push(subcomponent);
  return location;
}
