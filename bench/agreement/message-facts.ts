import { BatchSplitter } from '../../src/hl7/batch.ts';
import { decodeText, resolveCharset } from '../../src/hl7/charset.ts';
import { parseDateTime } from '../../src/hl7/datetime.ts';
import { unescapeText } from '../../src/hl7/escape.ts';
import { arrangeGroups, findGroups, type Group } from '../../src/hl7/group.ts';
import { readHeader } from '../../src/hl7/header.ts';
import { HL7_NULL, type Message, parseMessage, type Segment } from '../../src/hl7/message.ts';
import { readPart } from '../../src/hl7/path.ts';

/**
 * bench/agreement measures how far our bundles agree with those of other converters, fact by fact. What counts is
 * stated by the message itself and read here without the mapper, so that neither side's omissions change the sum.
 */

export type FactKind =
  | 'count'
  | 'codes'
  | 'value'
  | 'unit'
  | 'comparator'
  | 'status'
  | 'interpretation'
  | 'range'
  | 'time'
  | 'note'
  | 'identifier'
  | 'family'
  | 'given'
  | 'date'
  | 'gender'
  | 'place'
  | 'telecom'
  | 'event'
  | 'control-id';

/** One thing the message says that both bundles should say. */
export interface Fact {
  /** HL7 location, such as `OBX[3]-5`. */
  readonly at: string;
  readonly kind: FactKind;
  /** What it is said of. */
  readonly of: Subject;
  /** Unescaped texts of the message; what they mean depends on the kind. */
  readonly stated: readonly string[];
  /** OBX-2, for values. */
  readonly type: string;
}

export type Subject =
  | { readonly kind: 'message' | 'patient' }
  | { readonly kind: 'report' | 'observation' | 'specimen'; readonly index: number };

/** How a report, observation or specimen is found in a bundle. */
export interface Stated {
  readonly reports: readonly { readonly identifiers: readonly string[]; readonly codes: readonly string[] }[];
  readonly observations: readonly {
    /** Null = belongs to no report: asked at order, or of the specimen or the patient. */
    readonly report: number | null;
    readonly codes: readonly string[];
    readonly subId: string;
  }[];
  readonly specimens: readonly {
    readonly report: number;
    readonly codes: readonly string[];
    readonly identifiers: readonly string[];
  }[];
  readonly facts: readonly Fact[];
}

/** Reads what the first message of a file states. @throws Fault where it is no HL7 */
export function readStated(file: Uint8Array): { readonly bytes: Uint8Array; readonly stated: Stated } {
  const bytes = firstMessage(file);
  const header = readHeader(bytes);
  const charset = resolveCharset(header.charset, { default: 'UNICODE UTF-8', force: null });
  const decode = (part: Uint8Array) => decodeText(part, charset);
  const message = parseMessage(decode(bytes), header.delimiters);
  return { bytes, stated: new Reader(message, decode).read(arrangeGroups(message)) };
}

function firstMessage(file: Uint8Array): Uint8Array {
  const splitter = new BatchSplitter(64 << 20);
  for (const event of [...splitter.push(file), ...splitter.end()]) if (event.kind === 'message') return event.bytes;
  return file;
}

const MESSAGE: Subject = { kind: 'message' };
const PATIENT: Subject = { kind: 'patient' };

class Reader {
  readonly #message: Message;
  readonly #decode: (bytes: Uint8Array) => string;
  readonly #facts: Fact[] = [];
  readonly #reports: Stated['reports'][number][] = [];
  readonly #observations: Stated['observations'][number][] = [];
  readonly #specimens: Stated['specimens'][number][] = [];

  constructor(message: Message, decode: (bytes: Uint8Array) => string) {
    this.#message = message;
    this.#decode = decode;
  }

  read(root: Group): Stated {
    const header = this.#message.segments[0] as Segment;
    this.#state(header, 9, 'event', MESSAGE, [this.#text(header, 9, 1, 2)]);
    this.#state(header, 10, 'control-id', MESSAGE, [this.#text(header, 10, 1)]);
    const patient = this.#message.segments.find(({ name }) => name === 'PID');
    if (patient !== undefined) this.#readPatient(patient);
    for (const group of findGroups(root, 'PATIENT_OBSERVATION')) this.#readObservation(group, null);
    const orders = findGroups(root, 'ORDER_OBSERVATION');
    if (orders.length > 0) this.#fact('OBR', 'count', MESSAGE, [String(orders.length)]);
    for (const order of orders) this.#readOrder(order);
    return {
      reports: this.#reports,
      observations: this.#observations,
      specimens: this.#specimens,
      facts: this.#facts,
    };
  }

  #readPatient(pid: Segment): void {
    for (let n = 1; n <= pid.repetitions(3).length; n += 1) {
      this.#state(pid, 3, 'identifier', PATIENT, [this.#text(pid, 3, n, 1)], n);
    }
    for (let n = 1; n <= pid.repetitions(5).length; n += 1) {
      this.#state(pid, 5, 'family', PATIENT, [this.#text(pid, 5, n, 1, 1)], n);
      this.#state(pid, 5, 'given', PATIENT, [this.#text(pid, 5, n, 2), this.#text(pid, 5, n, 3)], n);
    }
    this.#state(pid, 7, 'date', PATIENT, [this.#text(pid, 7, 1, 1)]);
    this.#state(pid, 8, 'gender', PATIENT, [this.#text(pid, 8, 1, 1)]);
    for (let n = 1; n <= pid.repetitions(11).length; n += 1) {
      for (const component of [3, 4, 5]) this.#state(pid, 11, 'place', PATIENT, [this.#text(pid, 11, n, component)], n);
    }
    for (const field of [13, 14]) {
      for (let n = 1; n <= pid.repetitions(field).length; n += 1) {
        const parts = [12, 7, 1, 4].map((component) => this.#text(pid, field, n, component));
        this.#state(pid, field, 'telecom', PATIENT, parts.filter((part) => part !== '').slice(0, 1), n);
      }
    }
  }

  #readOrder(order: Group): void {
    const index = this.#reports.length;
    const of: Subject = { kind: 'report', index };
    const obr = order.segments.find(({ name }) => name === 'OBR');
    const orc = order.segments.find(({ name }) => name === 'ORC');
    const either = (field: number) =>
      [orc, obr].map((one) => (one === undefined ? '' : this.#text(one, field, 1, 1))).find((text) => text !== '') ??
      '';
    const identifiers = [either(2), either(3)].filter((text) => text !== '');
    const codes = obr === undefined ? [] : this.#codes(obr, 4);
    this.#reports.push({ identifiers, codes });
    for (const identifier of identifiers) {
      this.#fact(`OBR[${index + 1}]-2|3`, 'identifier', of, [identifier]);
    }
    if (obr !== undefined) {
      this.#state(obr, 4, 'codes', of, codes);
      this.#state(obr, 25, 'status', of, [this.#text(obr, 25, 1, 1)]);
    }
    let results = 0;
    for (const group of findGroups(order, 'OBSERVATION')) {
      const obx = group.segments.find(({ name }) => name === 'OBX') as Segment;
      const isQuestion = ['QST', 'SCI'].includes(this.#text(obx, 29, 1, 1));
      if (!isQuestion) results += 1;
      this.#readObservation(group, isQuestion ? null : index);
    }
    if (results > 0) this.#fact(`OBR[${index + 1}]`, 'count', of, [String(results)]);
    for (const group of findGroups(order, 'SPECIMEN')) this.#readSpecimen(group, index);
  }

  #readObservation(group: Group, report: number | null): void {
    const obx = group.segments.find(({ name }) => name === 'OBX') as Segment;
    const of: Subject = { kind: 'observation', index: this.#observations.length };
    const codes = this.#codes(obx, 3);
    this.#observations.push({ report, codes, subId: this.#text(obx, 4, 1) });
    this.#state(obx, 3, 'codes', of, codes);
    const type = this.#text(obx, 2, 1, 1).toUpperCase();
    this.#state(obx, 5, 'value', of, this.#repetitions(obx, 5), 1, type);
    const isNumber = ['NM', 'SN', 'NR', 'CQ'].includes(type);
    if (isNumber && this.#isValued(obx, 5)) {
      this.#state(obx, 6, 'unit', of, [this.#text(obx, 6, 1, 1), this.#text(obx, 6, 1, 2)]);
    }
    const comparator = type === 'SN' ? this.#text(obx, 5, 1, 1) : '';
    // FHIR has no more of them; the guide has "=" left out.
    if (['<', '<=', '>=', '>'].includes(comparator)) this.#state(obx, 5, 'comparator', of, [comparator]);
    this.#state(obx, 7, 'range', of, [this.#text(obx, 7, 1)]);
    const flags = obx.repetitions(8).map((_, index) => this.#text(obx, 8, index + 1, 1));
    this.#state(obx, 8, 'interpretation', of, flags);
    this.#state(obx, 11, 'status', of, [this.#text(obx, 11, 1, 1)]);
    this.#state(obx, 14, 'time', of, [this.#text(obx, 14, 1, 1)]);
    const notes = group.segments.filter(({ name }) => name === 'NTE').flatMap((nte) => this.#repetitions(nte, 3));
    if (notes.some((note) => note !== '')) this.#fact(`OBX[${obx.occurrence}]/NTE-3`, 'note', of, notes);
  }

  #readSpecimen(group: Group, report: number): void {
    const spm = group.segments.find(({ name }) => name === 'SPM') as Segment;
    const of: Subject = { kind: 'specimen', index: this.#specimens.length };
    const codes = this.#codes(spm, 4);
    const identifiers = [this.#text(spm, 2, 1, 1, 1), this.#text(spm, 2, 1, 2, 1)].filter((text) => text !== '');
    this.#specimens.push({ report, codes, identifiers });
    this.#state(spm, 4, 'codes', of, codes);
    this.#state(spm, 17, 'time', of, [this.#text(spm, 17, 1, 1, 1)]);
    for (const identifier of identifiers) this.#state(spm, 2, 'identifier', of, [identifier]);
    for (const child of findGroups(group, 'SPECIMEN_OBSERVATION')) this.#readObservation(child, null);
  }

  #codes(segment: Segment, field: number): string[] {
    const codes = [1, 4, 10].map((component) => this.#text(segment, field, 1, component));
    return codes.filter((code) => code !== '');
  }

  #repetitions(segment: Segment, field: number): string[] {
    return segment.repetitions(field).map((raw) => this.#unescape(raw));
  }

  #isValued(segment: Segment, field: number): boolean {
    return this.#repetitions(segment, field).some((text) => text !== '');
  }

  /** The meaning of a part; '' where it is empty, absent or HL7 null. */
  #text(segment: Segment, field: number, repetition: number, component?: number, subcomponent = 1): string {
    const raw = segment.repetitions(field)[repetition - 1] ?? '';
    const part = component === undefined ? raw : readPart(raw, component, subcomponent, this.#message);
    return this.#unescape(part);
  }

  #unescape(raw: string): string {
    return raw === HL7_NULL ? '' : unescapeText(raw, this.#message.delimiters, this.#decode).trim();
  }

  #state(
    segment: Segment,
    field: number,
    kind: FactKind,
    of: Subject,
    stated: readonly string[],
    repetition = 1,
    type = '',
  ): void {
    if (stated.every((text) => text === '')) return;
    // What is no time states none.
    if ((kind === 'time' || kind === 'date') && parseDateTime(stated[0] ?? '') === null) return;
    const nth = repetition > 1 ? `[${repetition}]` : '';
    this.#fact(`${segment.name}[${segment.occurrence}]-${field}${nth}`, kind, of, stated, type);
  }

  #fact(at: string, kind: FactKind, of: Subject, stated: readonly string[], type = ''): void {
    this.#facts.push({ at, kind, of, stated: stated.filter((text) => text !== ''), type });
  }
}
