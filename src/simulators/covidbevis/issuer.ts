import QRCode from 'qrcode';
import { CODES } from './codes.ts';
import { createDccSigner, type DccSigner, transliterateName } from './dcc.ts';
import { drawDocument, NOT_VALID } from './document.ts';
import { hasDigitalMailbox, lookUpName } from './population.ts';
import type { Submission, Submitting } from './submission.ts';

const DAY_MS = 86_400_000;
const QR_PIXELS = 300;
const DISPLAY: Readonly<Record<string, string>> = {
  [CODES.naat]: 'Nucleic acid amplification with probe detection',
  [CODES.rat]: 'Rapid immunoassay',
  [CODES.negative]: 'Not detected',
  [CODES.covid19]: 'COVID-19',
};

export type IssuerAnswer = 'full' | 'canned' | 'small';

const SMALL_PICTURE = new Uint8Array(450);
const SMALL_DOCUMENT = Buffer.from('%PDF-1.4 '.padEnd(450, ' '));

/** What the public specification leaves open; each is our assumption. */
export interface IssuerAssumptions {
  /** metadata.issuer. */
  readonly issuer: string;
  /** metadata.validThrough of a test certificate, hours after the sample. */
  readonly testValidHours: number;
  /** delivery.serviceSupplier of those who have a digital mailbox. */
  readonly mailbox: string;
}

export const ISSUER_ASSUMPTIONS: IssuerAssumptions = {
  issuer: 'E-hälsomyndigheten',
  testValidHours: 72,
  mailbox: 'Min myndighetspost',
};

export interface Issuer {
  readonly signer: DccSigner;
  /**
   * Makes the certificate of a submission: the TestSubmissionResponse or RecoveryProofResponse as UTF-8 JSON.
   * @param issuedAt ms since the epoch.
   */
  issue(submission: Submission, submitting: Submitting, uvci: string, issuedAt: number): Promise<Uint8Array>;
}

/** The certificate's unique identifier; how the service makes it is deduced from published samples (§3.5). */
export function makeUvci(submitting: Submitting, uvciPrefix: string, identifier: string): string {
  return `URN:UVCI:01:SE:EHM/${submitting === 'observation' ? 'T' : 'R'}${uvciPrefix}${identifier}`;
}

/**
 * Issues answers as the specification's §4 draws them.
 * @param answer `full` = a certificate of its own each time; `canned` = the person's data and the identifier are right,
 * but QR image and PDF are always the same ones, made once: for load tests; `small` = likewise, and they are a few bytes
 * that are no picture and no document.
 */
export function createIssuer(answer: IssuerAnswer, assumptions: IssuerAssumptions): Issuer {
  const signer = createDccSigner();
  let canned: Promise<{ qrPng: Uint8Array; pdf: Uint8Array }> | null = null;

  const draw = async (facts: Facts): Promise<{ qrPng: Uint8Array; pdf: Uint8Array }> => {
    const expiresAt = facts.validThrough;
    const text = signer.sign(makeDcc(facts), Math.floor(facts.issuedAt / 1000), Math.floor(expiresAt / 1000));
    const qrPng = await QRCode.toBuffer(text, { errorCorrectionLevel: 'Q', width: QR_PIXELS, margin: 2, type: 'png' });
    const title = facts.submitting === 'observation' ? 'Testbevis' : 'Tillfrisknandebevis';
    const { modules } = QRCode.create(text, { errorCorrectionLevel: 'Q' });
    const qr = { size: modules.size, isDark: (row: number, column: number) => modules.get(row, column) === 1 };
    const pdf = drawDocument({ title, lines: makeLines(facts), qr, issuedAt: facts.issuedAt });
    return { qrPng, pdf };
  };

  return {
    signer,
    async issue(submission, submitting, uvci, issuedAt) {
      const facts = gatherFacts(submission, submitting, uvci, issuedAt, assumptions);
      if (answer === 'canned') canned ??= draw(facts);
      if (answer === 'small') canned ??= Promise.resolve({ qrPng: SMALL_PICTURE, pdf: SMALL_DOCUMENT });
      const drawn = await (canned ?? draw(facts));
      return Buffer.from(JSON.stringify(makeAnswer(facts, drawn, assumptions)), 'utf8');
    },
  };
}

/** Everything a certificate says, from which QR, PDF and JSON are made. */
interface Facts {
  readonly submission: Submission;
  readonly submitting: Submitting;
  readonly uvci: string;
  readonly issuedAt: number;
  readonly validThrough: number;
  readonly given: string;
  readonly family: string;
  /** Swedish local date of the sample. */
  readonly sampleDate: string;
}

function gatherFacts(
  submission: Submission,
  submitting: Submitting,
  uvci: string,
  issuedAt: number,
  assumptions: IssuerAssumptions,
): Facts {
  const { subject } = submission;
  const name =
    subject.number === null ? { given: subject.given.join(' '), family: subject.family } : lookUpName(subject.number);
  const sampleDate = swedishDate(Date.parse(submission.sampledAt));
  const validThrough =
    submitting === 'observation'
      ? Date.parse(submission.sampledAt) + assumptions.testValidHours * 3_600_000
      : Date.parse(`${addDays(sampleDate, 180)}T23:59:59Z`);
  return { submission, submitting, uvci, issuedAt, validThrough, sampleDate, ...name };
}

function makeDcc(facts: Facts): Record<string, unknown> {
  const { submission, given, family } = facts;
  const entry = { tg: CODES.covid19, co: 'SE', is: 'Swedish eHealth Agency', ci: facts.uvci };
  const test = {
    ...entry,
    tt: submission.kind === 'naat' ? CODES.naat : CODES.rat,
    ...(submission.deviceName === null ? {} : { nm: submission.deviceName }),
    ...(submission.deviceId === null ? {} : { ma: submission.deviceId }),
    sc: new Date(submission.sampledAt).toISOString().replace('.000Z', 'Z'),
    tr: CODES.negative,
    ...(submission.site === null ? {} : { tc: submission.site }),
  };
  const recovery = {
    ...entry,
    fr: facts.sampleDate,
    df: addDays(facts.sampleDate, 11),
    du: addDays(facts.sampleDate, 180),
  };
  return {
    ver: '1.3.0',
    nam: {
      fn: family.slice(0, 80),
      fnt: transliterateName(family),
      gn: given.slice(0, 80),
      gnt: transliterateName(given),
    },
    dob: submission.subject.birthDate,
    ...(facts.submitting === 'observation' ? { t: [test] } : { r: [recovery] }),
  };
}

function makeAnswer(
  facts: Facts,
  drawn: { qrPng: Uint8Array; pdf: Uint8Array },
  assumptions: IssuerAssumptions,
): Record<string, unknown> {
  const { submission, submitting } = facts;
  const { subject } = submission;
  const size = Buffer.from(drawn.qrPng).readUInt32BE(16);
  const proof = {
    qrCode: { mimetype: 'image/png', width: size, height: size, image: toBase64(drawn.qrPng) },
    metadata: {
      uvci: facts.uvci,
      issuanceDate: swedishDate(facts.issuedAt),
      validThrough: new Date(facts.validThrough).toISOString(),
      issuer: assumptions.issuer,
      country: 'SE',
    },
    subject: {
      ...(subject.number === null ? {} : { identity: subject.number }),
      givenName: facts.given,
      familyName: facts.family,
      birthDate: subject.birthDate,
      birthDateString: subject.birthDate,
    },
  };
  const paper = {
    mimetype: 'application/pdf',
    content: toBase64(drawn.pdf),
    fileName: submitting === 'observation' ? 'testbevis.pdf' : 'tillfrisknandebevis.pdf',
    delivery: hasDigitalMailbox(subject.number)
      ? { serviceSupplier: assumptions.mailbox, delivered: true, message: 'Delivered to the digital mailbox.' }
      : { serviceSupplier: assumptions.mailbox, delivered: false, message: 'The person has no digital mailbox.' },
  };
  return submitting === 'observation'
    ? { testProof: { ...proof, test: makeTest(submission) }, proofTypes: [paper] }
    : { recoveryProof: { ...proof, recovery: { positiveTestResultDate: facts.sampleDate } }, proofTypes: [paper] };
}

function makeTest(submission: Submission): Record<string, unknown> {
  const code = submission.kind === 'naat' ? CODES.naat : CODES.rat;
  return {
    id: submission.identifier,
    typeOfTest: makeCoding(code),
    testResult: makeCoding(CODES.negative),
    targetDisease: makeCoding(CODES.covid19),
    ...(submission.deviceName === null ? {} : { testName: submission.deviceName }),
    sampleCollectionDateTime: new Date(submission.sampledAt).toISOString(),
    ...(submission.deviceId === null
      ? {}
      : { testManufacturer: { code: submission.deviceId, display: `JRC device ${submission.deviceId}` } }),
    ...(submission.site === null ? {} : { testProvider: { code: submission.site, display: submission.site } }),
  };
}

function makeLines(facts: Facts): [string, string][] {
  const { submission } = facts;
  const head: [string, string][] = [
    ['Name', `${facts.family}, ${facts.given}`],
    ['Date of birth', submission.subject.birthDate],
    ['Unique certificate identifier', facts.uvci],
    ['Country', 'SE'],
  ];
  if (facts.submitting === 'recovery') {
    return [
      ...head,
      ['Disease', 'COVID-19'],
      ['Date of first positive test', facts.sampleDate],
      ['Valid from', addDays(facts.sampleDate, 11)],
      ['Valid to', addDays(facts.sampleDate, 180)],
      ['Notice', NOT_VALID],
    ];
  }
  return [
    ...head,
    ['Type of test', DISPLAY[submission.kind === 'naat' ? CODES.naat : CODES.rat] ?? ''],
    ['Disease', 'COVID-19'],
    ['Result', 'Not detected'],
    ['Test name or manufacturer', submission.deviceName ?? submission.deviceId ?? '–'],
    ['Date and time of sampling', submission.sampledAt],
    ['Place of sampling', submission.site ?? '–'],
    ['Notice', NOT_VALID],
  ];
}

const makeCoding = (code: string) => ({ code, display: DISPLAY[code] ?? code });
const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const swedishDates = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Europe/Stockholm', dateStyle: 'short' });
const swedishDate = (time: number): string => swedishDates.format(time);
const addDays = (date: string, days: number): string =>
  new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
