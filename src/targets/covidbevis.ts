import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { byteSize } from '../contracts/byte-size.ts';
import { duration } from '../contracts/duration.ts';
import { Fault } from '../contracts/fault.ts';
import type { Host, TargetPlugin } from '../contracts/plugin.ts';
import type { Delivery, Operation, Response, Target, Verdict } from '../contracts/target.ts';
import { classifyAnswer, classifyError } from './classify.ts';
import { recoveryCertificateAnswer, testCertificateAnswer } from './covidbevis-answer.ts';
import { compareProof } from './covidbevis-proof.ts';
import { type CertificateRequest, recoveryCertificateRequest, testCertificateRequest } from './covidbevis-request.ts';
import { type Exchanged, exchange } from './exchange.ts';
import { readTrustList } from './health-certificate.ts';
import { createPools } from './pools.ts';
import { createQrReader } from './qr-reader.ts';

const path = z.string().regex(/^\/[^\s?#]*$/);
const config = z.strictObject({
  url: z
    .url({ protocol: /^https$/, error: 'must be https, as in https://host.example', abort: true })
    .refine((url) => !/[?#]/.test(url), 'must have no query and no fragment')
    .describe('Base URL of the service, such as https://api.covidbevis.se.'),
  ca: z
    .string()
    .min(1)
    .optional()
    .describe(
      "PEM file with the authorities that may have issued the service's certificate; else those of the system.",
    ),
  paths: z
    .strictObject({
      observation: path.default('/observation').describe('Where negative tests go.'),
      recovery: path.default('/recovery').describe('Where positive tests go.'),
      ping: path.default('/ping').describe('Where the connection is tried.'),
    })
    .prefault({})
    .describe('Paths below the base URL.'),
  connectTimeout: duration('Longest time connecting may take.', '10s', '10m'),
  maxAnswer: byteSize('Largest answer that is read.', '4 MB', { least: '1 kB', most: '64 MB' }),
  uvciHoldsIdentifier: z
    .boolean()
    .default(true)
    .describe('Whether the certificate identifier must contain the identifier we sent. That it does is deduced.'),
  readQr: z
    .boolean()
    .default(true)
    .describe(
      'Whether the QR code is read back and compared with what was asked; a difference holds what would follow.',
    ),
  trustList: z
    .string()
    .min(1)
    .optional()
    .describe('PEM file of certificates or public keys that may have signed the QR code; absent = not checked.'),
});

const operations = {
  'test-certificate': {
    summary: 'Test certificate for a negative test: POST of a FHIR Observation, answered with the certificate.',
    inDoubt: 'repeat',
    onCorrection: 'hold',
  },
  'recovery-certificate': {
    summary: 'Recovery certificate for a positive test: POST of a FHIR Observation, answered with the certificate.',
    inDoubt: 'repeat',
    onCorrection: 'hold',
  },
  ping: { summary: 'Tries connection and certificate.', inDoubt: 'repeat', onCorrection: 'hold' },
} as const satisfies Record<string, Operation>;

/** The covid certificate service of E-hälsomyndigheten, or whatever speaks like it. */
export const covidbevisTarget: TargetPlugin<typeof config> = {
  kind: 'target',
  name: 'covidbevis',
  summary: 'Certificate service for covid tests: JSON over mutual TLS, under the certificate of the delivery’s party.',
  config,
  create: createCovidbevisTarget,
};

function createCovidbevisTarget(settings: z.output<typeof config>, host: Host): Target {
  const ca = settings.ca === undefined ? null : readFileSync(host.resolvePath(settings.ca), 'utf8');
  const pools = createPools(host.parties, { connectTimeoutMs: settings.connectTimeout, ca });
  const trusted =
    settings.trustList === undefined ? [] : readTrustList(readFileSync(host.resolvePath(settings.trustList), 'utf8'));
  const qrCodes = createQrReader();
  const base = settings.url.replace(/\/$/, '');

  async function checkProof(kind: 'test' | 'recovery', proof: Proof, request: CertificateRequest) {
    const { metadata, subject, qrCode } = proof;
    if (settings.uvciHoldsIdentifier && !metadata.uvci.includes(request.identifier[0].value)) {
      return `${kind}Proof.metadata.uvci does not match`;
    }
    if (!settings.readQr) return null;
    if (qrCode.mimetype !== 'image/png') return 'qrCode is not a PNG';
    const text = await qrCodes.read(Buffer.from(qrCode.image, 'base64'));
    if (text === null) return 'qrCode cannot be read';
    return compareProof(text, request, { uvci: metadata.uvci, subject }, { kind, trusted });
  }

  async function post(delivery: Delivery, plan: Plan, signal: AbortSignal): Promise<Verdict> {
    const request = readRequest(delivery.body, plan.request);
    const answer = await exchange({
      dispatcher: pools.of(delivery.party),
      url: base + plan.path,
      method: request === null ? 'GET' : 'POST',
      headers: { accept: 'application/json', ...(request === null ? {} : { 'content-type': 'application/json' }) },
      body: request === null ? null : delivery.body,
      signal,
      maxAnswerBytes: settings.maxAnswer,
    });
    const failure = classifyAnswer(answer, host.clock.now());
    if (failure !== null) return { ok: false, ...failure, response: toResponse(answer, null) };
    const problem = request === null || plan.read === null ? null : await plan.read(answer, request);
    const fault = problem === null ? null : new Fault('answer-unreadable', { detail: problem });
    return { ok: true, response: toResponse(answer, fault) };
  }

  const { paths } = settings;
  const plans: Readonly<Record<string, Plan>> = {
    'test-certificate': {
      path: paths.observation,
      request: testCertificateRequest,
      async read(answer, request) {
        const read = readAnswer(answer, testCertificateAnswer);
        if (typeof read === 'string') return read;
        const { test } = read.testProof;
        if (test.typeOfTest.code !== request.code.coding[0].code) return 'testProof.test.typeOfTest does not match';
        if (test.testResult.code !== request.valueCodeableConcept.coding[0].code) {
          return 'testProof.test.testResult does not match';
        }
        return await checkProof('test', read.testProof, request);
      },
    },
    'recovery-certificate': {
      path: paths.recovery,
      request: recoveryCertificateRequest,
      async read(answer, request) {
        const read = readAnswer(answer, recoveryCertificateAnswer);
        return typeof read === 'string' ? read : await checkProof('recovery', read.recoveryProof, request);
      },
    },
    ping: { path: paths.ping, request: null, read: null },
  };

  return {
    operations,
    async send(delivery, signal) {
      try {
        const plan = Object.hasOwn(plans, delivery.operation) ? plans[delivery.operation] : undefined;
        if (plan === undefined) throw new Fault('mapping-incomplete', { detail: `no operation ${delivery.operation}` });
        return await post(delivery, plan, signal);
      } catch (error) {
        return { ok: false, ...classifyError(error, signal), response: null };
      }
    },
    async stop() {
      await pools.stop();
      await qrCodes.stop();
    },
  };
}

type Proof = Pick<z.output<typeof testCertificateAnswer>['testProof'], 'metadata' | 'subject' | 'qrCode'>;

interface Plan {
  readonly path: string;
  /** null = the operation sends nothing. */
  readonly request: z.ZodType<CertificateRequest> | null;
  /** What is wrong with a 2xx answer, as an element's name; null = nothing. */
  readonly read: ((answer: Exchanged, request: CertificateRequest) => Promise<string | null>) | null;
}

/** @throws Fault `mapping-incomplete` with the element that breaks a rule, never its value */
function readRequest(body: Uint8Array, schema: Plan['request']): CertificateRequest | null {
  if (schema === null) return null;
  const read = schema.safeParse(parseJson(body));
  if (read.success) return read.data;
  throw new Fault('mapping-incomplete', { detail: describePath('Observation', read.error) });
}

function readAnswer<Schema extends z.ZodType>(answer: Exchanged, schema: Schema): z.output<Schema> | string {
  if (!answer.complete) return 'larger than maxAnswer';
  const json = parseJson(answer.body);
  if (json === undefined) return 'not JSON in UTF-8';
  const read = schema.safeParse(json);
  return read.success ? read.data : describePath('answer', read.error);
}

/** Made once: that costs more than reading an answer with it. */
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Undefined where the bytes are not JSON in UTF-8. */
function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(UTF8.decode(bytes));
  } catch {
    return undefined;
  }
}

/** The first element that breaks a rule: `Observation.contained[0].identifier[0].value`. */
function describePath(root: string, error: z.ZodError): string {
  const steps = error.issues[0]?.path ?? [];
  return steps.reduce<string>(
    (text, step) => text + (typeof step === 'number' ? `[${step}]` : `.${String(step)}`),
    root,
  );
}

function toResponse(answer: Exchanged, fault: Fault | null): Response {
  return { status: answer.status, contentType: answer.contentType, body: answer.body, fault };
}
