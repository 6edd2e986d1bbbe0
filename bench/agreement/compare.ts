import { createHash } from 'node:crypto';
import { parseDateTime } from '../../src/hl7/datetime.ts';
import { type BundleView, codesOf, identifiersOf, type Json, objectsIn, textOf } from './bundle-view.ts';
import type { Fact, Stated } from './message-facts.ts';

export interface Comparison {
  readonly fact: Fact;
  readonly verdict: 'agreed' | 'by-policy' | 'differs';
  /** The class of differences that is taken as agreement; '' = none was needed. */
  readonly policy: string;
  /** As each side says it, normalised; '' = nothing. */
  readonly ours: string;
  readonly theirs: string;
  /** Which side says what the message says, where that can be told without a mapping. */
  readonly fits: 'both' | 'ours' | 'theirs' | 'neither' | 'unknown';
}

/** Compares what two bundles make of one fact of the message. */
export function compareFact(fact: Fact, ours: BundleView, theirs: BundleView, stated: Stated): Comparison {
  const [left, right] = [read(fact, ours, stated), read(fact, theirs, stated)];
  const policy = left.text === right.text ? '' : excuse(fact, left, right);
  const isSilent = left.text === '' && right.text === '';
  const verdict = isSilent || policy === null ? 'differs' : policy === '' ? 'agreed' : 'by-policy';
  return { fact, verdict, policy: policy ?? '', ours: left.text, theirs: right.text, fits: judge(fact, left, right) };
}

/** What one side says. */
interface Reading {
  /** Normalised: equal texts agree. */
  readonly text: string;
  /** Other forms that mean the same under a policy of the comparison, by the policy's name. */
  readonly also: Readonly<Record<string, string>>;
}

const says = (text: string, also: Record<string, string> = {}): Reading => ({ text, also });
const plain = (text: string) => text.normalize('NFC').replaceAll(/\s+/g, ' ').trim();
const sorted = (texts: readonly string[]) =>
  [...new Set(texts.map(plain))]
    .filter((text) => text !== '')
    .sort()
    .join(' | ');

function read(fact: Fact, view: BundleView, stated: Stated): Reading {
  const found = view.find(fact.of);
  const [one] = found;
  switch (fact.kind) {
    case 'event':
      return says(textOf(objectsIn(one?.eventCoding)[0]?.code));
    case 'control-id':
      return says(textOf(objectsIn(view.bundle.identifier)[0]?.value));
    case 'count':
      if (fact.of.kind === 'message') return says(String(view.all('DiagnosticReport').length));
      return says(one === undefined ? '' : String(new Set(view.resolve(one.result)).size));
    case 'identifier':
      return readStated(fact, found.flatMap(identifiersOf));
    case 'codes':
      return says(sorted(codesOf(fact.of.kind === 'specimen' ? one?.type : one?.code)));
    case 'status':
      return says(textOf(one?.status));
    case 'interpretation':
      return says(sorted(codesOf(one?.interpretation)));
    case 'range':
      return says(
        plain(
          objectsIn(one?.referenceRange)
            .map(({ text }) => textOf(text))
            .join(' '),
        ),
      );
    case 'note':
      return says(
        plain(
          objectsIn(one?.note)
            .map(({ text }) => textOf(text))
            .join(' '),
        ),
      );
    case 'time':
      return readTime(fact, one);
    case 'value':
      return readValue(one, fact.of.kind === 'observation' ? view.reportOf(fact.of.index, stated) : [], view);
    case 'unit':
      return readUnit(one);
    case 'comparator':
      return says(
        quantitiesOf(one)
          .map(({ comparator }) => textOf(comparator))
          .find((text) => text !== '') ?? '',
      );
    default:
      return readPatient(fact, found);
  }
}

function readPatient(fact: Fact, patients: readonly Json[]): Reading {
  const every = (name: string) => patients.flatMap((one) => objectsIn(one[name]));
  switch (fact.kind) {
    case 'family':
      return readStated(
        fact,
        every('name').map(({ family }) => textOf(family)),
      );
    case 'given':
      return readStated(
        fact,
        every('name').flatMap(({ given }) => (Array.isArray(given) ? given.map(textOf) : [])),
      );
    case 'date': {
      const [date = ''] = patients.map(({ birthDate }) => textOf(birthDate));
      return says(date);
    }
    case 'gender':
      return says(patients.map(({ gender }) => textOf(gender))[0] ?? '');
    case 'place':
      return readStated(
        fact,
        every('address').flatMap(({ city, state, postalCode }) => [city, state, postalCode].map(textOf)),
      );
    case 'telecom':
      return readTelecom(fact, every('telecom'));
    default:
      return says('');
  }
}

/** Those of the texts that the message states, in its order. */
function readStated(fact: Fact, texts: readonly string[]): Reading {
  const there = new Set(texts.flatMap((text) => [plain(text), ...plain(text).split(' ')]));
  return says(
    fact.stated
      .map(plain)
      .filter((text) => there.has(text))
      .join(' | '),
  );
}

/** The contact with the digits (or the address) that the message states: digits only. */
function readTelecom(fact: Fact, contacts: readonly Json[]): Reading {
  const [wanted = ''] = fact.stated;
  const normal = (text: string) => (text.includes('@') ? text.toLowerCase() : text.replaceAll(/\D/g, ''));
  // Some converters say a number in parts alone, which HL7's extensions of a contact point are for.
  const texts = contacts.flatMap(({ value, extension }) => [
    textOf(value),
    ...objectsIn(extension).map(({ valueString }) => textOf(valueString)),
  ]);
  const values = texts.map(normal).filter((value) => value !== '');
  return says(values.some((value) => value.includes(normal(wanted))) ? normal(wanted) : (values[0] ?? ''));
}

/** Instants where the message gives an offset, else local digits; no finer than the message. */
function readTime(fact: Fact, resource: Json | undefined): Reading {
  const collection = objectsIn(resource?.collection)[0];
  const period = objectsIn(resource?.effectivePeriod ?? collection?.collectedPeriod)[0];
  const text = textOf(resource?.effectiveDateTime ?? collection?.collectedDateTime ?? period?.start);
  const stated = parseDateTime(fact.stated[0] ?? '');
  if (text === '' || stated === null) return says(text);
  const digits = { year: 4, month: 7, day: 10, hour: 10, minute: 16, second: 19, fraction: 19 }[stated.precision];
  if (stated.offsetMinutes === null || !text.includes('T')) return says(text.slice(0, digits));
  return says(new Date(text).toISOString().slice(0, digits));
}

function quantitiesOf(resource: Json | undefined): Json[] {
  const range = objectsIn(resource?.valueRange).flatMap(({ low, high }) => [...objectsIn(low), ...objectsIn(high)]);
  const ratio = objectsIn(resource?.valueRatio).flatMap(({ numerator, denominator }) => [
    ...objectsIn(numerator),
    ...objectsIn(denominator),
  ]);
  return [...objectsIn(resource?.valueQuantity), ...range, ...ratio];
}

function readUnit(resource: Json | undefined): Reading {
  const [quantity] = quantitiesOf(resource);
  if (quantity === undefined) return says(unitOfText(resource));
  const [code, unit] = [plain(textOf(quantity?.code)), plain(textOf(quantity?.unit))];
  return says(unit || code, code === '' ? {} : { 'unit by code': code });
}

/** What stands behind a text in HL7's extension for the original text: `<15 mL`. */
function unitOfText(resource: Json | undefined): string {
  const text = textOf(resource?.valueString);
  const [written = ''] = objectsIn(objectsIn(resource?._valueString)[0]?.extension).map((one) =>
    textOf(one.valueString),
  );
  return written.startsWith(text) ? plain(written.slice(text.length)) : '';
}

/** A decimal without leading and trailing zeros; '' where it is none. */
function decimal(value: unknown): string {
  const parts = /^([+-]?)0*(\d*)(?:\.(\d*?)0*)?$/.exec(textOf(value));
  if (parts === null || textOf(value) === '') return '';
  const [, sign = '', whole = '', fraction = ''] = parts;
  return `${sign === '-' ? '-' : ''}${whole || '0'}${fraction === '' ? '' : `.${fraction}`}`;
}

const TEXT_POLICY = 'text and number with comparator, or text and concept without codes';

function readValue(one: Json | undefined, reports: readonly Json[], view: BundleView): Reading {
  const components = objectsIn(one?.component);
  if (components.length > 0 && !hasValue(one)) {
    const parts = components.map((component) => readValue(component, [], view).text);
    return says(parts.join(' ; '), { 'repetitions as components or as lines': squeeze(parts.join('')) });
  }
  const [quantity] = objectsIn(one?.valueQuantity);
  if (quantity !== undefined && decimal(quantity.value) !== '') {
    const number = decimal(quantity.value);
    return says(`number ${number}`, { [TEXT_POLICY]: squeeze(`${textOf(quantity.comparator)}${number}`) });
  }
  const [concept] = objectsIn(one?.valueCodeableConcept);
  if (concept !== undefined) {
    const codes = sorted(codesOf(concept));
    const display =
      objectsIn(concept.coding)
        .map((coding) => textOf(coding.display))
        .find((text) => text !== '') ?? '';
    const text = textOf(concept.text) || display;
    return says(
      codes === '' ? `text ${plain(text)}` : `codes ${codes}`,
      codes === '' ? { [TEXT_POLICY]: squeeze(text) } : {},
    );
  }
  const [range] = objectsIn(one?.valueRange);
  if (range !== undefined) return says(`range ${endOf(range.low)} ${endOf(range.high)}`);
  const [ratio] = objectsIn(one?.valueRatio);
  if (ratio !== undefined) return says(`ratio ${endOf(ratio.numerator)} ${endOf(ratio.denominator)}`);
  const [period] = objectsIn(one?.valuePeriod);
  if (period !== undefined)
    return says(`period ${textOf(period.start).slice(0, 10)} ${textOf(period.end).slice(0, 10)}`);
  const time = textOf(one?.valueDateTime) || textOf(one?.valueTime);
  if (time !== '') return says(`time ${time.replace(/(?:Z|[+-]\d\d:\d\d)$/, '').replace(/:00$/, '')}`);
  const text = plain(textOf(one?.valueString));
  if (text !== '') {
    const squeezed = squeeze(text);
    return says(`text ${text}`, { [TEXT_POLICY]: squeezed, 'repetitions as components or as lines': squeezed });
  }
  return readAttachments(one, reports, view);
}

const hasValue = (one: Json | undefined) => Object.keys(one ?? {}).some((name) => name.startsWith('value'));
const squeeze = (text: string) => text.replaceAll(/\s/g, '').toLowerCase();
const endOf = (quantity: unknown) => decimal(objectsIn(quantity)[0]?.value);

/** Documents by the hash of their data, wherever they stand. */
function readAttachments(one: Json | undefined, reports: readonly Json[], view: BundleView): Reading {
  const own = objectsIn(one?.extension).flatMap(({ valueAttachment }) => objectsIn(valueAttachment));
  const forms = reports.flatMap(({ presentedForm }) => objectsIn(presentedForm));
  const documents = view
    .all('DocumentReference')
    .flatMap(({ content }) => objectsIn(content).flatMap((part) => objectsIn(part.attachment)));
  const hashes = [...own, ...forms, ...documents].map(({ data, url }) =>
    createHash('sha1')
      .update(textOf(data) === '' ? textOf(url) : Buffer.from(textOf(data), 'base64'))
      .digest('hex'),
  );
  return says(hashes.length === 0 ? '' : `document ${sorted(hashes)}`);
}

/** v2 codes the guide has no status for; FHIR demands one. @see v2-to-FHIR, tables 0085 and 0123 */
const STATUS_WITHOUT_TARGET = {
  observation: ['B', 'I', 'N', 'O', 'R', 'S', 'V', 'U'],
  report: ['A', 'Y', 'Z', 'M', 'N'],
};

/** The policy under which two readings agree; null = they differ. */
function excuse(fact: Fact, left: Reading, right: Reading): string | null {
  for (const [policy, text] of Object.entries(left.also)) {
    if (text !== '' && text === right.also[policy]) return policy;
  }
  if (fact.kind === 'status' && (fact.of.kind === 'observation' || fact.of.kind === 'report')) {
    const isOpen = STATUS_WITHOUT_TARGET[fact.of.kind].includes(fact.stated[0] ?? '');
    const fits = (text: string) =>
      ['unknown', 'registered', 'preliminary', 'partial', 'final', 'cancelled'].includes(text);
    if (isOpen && fits(left.text) && right.text === 'unknown') return 'a status the guide has no target for';
  }
  return null;
}

/** Which side repeats the message, for kinds that are repeated rather than converted. */
function judge(fact: Fact, left: Reading, right: Reading): Comparison['fits'] {
  const wanted = wantedText(fact);
  if (wanted === null) return 'unknown';
  const [a, b] = [left, right].map(({ text, also }) => text === wanted || Object.values(also).includes(wanted));
  return a && b ? 'both' : a ? 'ours' : b ? 'theirs' : 'neither';
}

function wantedText(fact: Fact): string | null {
  switch (fact.kind) {
    case 'event':
    case 'control-id':
    case 'count':
      return fact.stated[0] ?? null;
    case 'identifier':
    case 'family':
    case 'given':
    case 'place':
      return fact.stated.map(plain).join(' | ');
    case 'codes':
    case 'interpretation':
      return sorted(fact.stated);
    case 'range':
    case 'note':
      return plain(fact.stated.join(' '));
    default:
      return null;
  }
}
