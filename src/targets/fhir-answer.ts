import { Fault, type FaultCode } from '../contracts/fault.ts';
import { classifyAnswer, type Failure, readRetryAfter } from './classify.ts';
import type { Exchanged } from './exchange.ts';
import type { FhirRequest } from './fhir-request.ts';

/** What an answer means for the delivery. */
export type Judged =
  /** Taken; `problem` = why the answer is not what was asked for, null where it is. */
  | { readonly kind: 'taken'; readonly problem: string | null }
  | {
      readonly kind: 'failed';
      readonly failure: Failure;
      /** Another token might be taken where this one was not. */
      readonly concernsToken: boolean;
    };

/** The errors of an OperationOutcome. */
interface Outcome {
  /** Codes of FHIR's issue-type, each once; what is none of them is left out. */
  readonly codes: readonly string[];
  /** The first element that is complained about; null = none is named. */
  readonly expression: string | null;
}

/** @see FHIR R4 valueset-issue-type.html */
const ISSUE_TYPES: ReadonlySet<string> = new Set([
  ...['invalid', 'structure', 'required', 'value', 'invariant', 'security', 'login', 'unknown', 'expired', 'forbidden'],
  ...['suppressed', 'processing', 'not-supported', 'duplicate', 'multiple-matches', 'not-found', 'deleted', 'too-long'],
  ...['code-invalid', 'extension', 'too-costly', 'business-rule', 'conflict', 'transient', 'lock-error', 'no-store'],
  ...['exception', 'timeout', 'incomplete', 'throttled', 'informational'],
]);
/** Issues that pass by themselves. */
const PASSING: ReadonlySet<string> = new Set([
  ...['transient', 'lock-error', 'no-store', 'exception', 'timeout', 'incomplete', 'throttled'],
]);
const UNKNOWN_CALLER: ReadonlySet<string> = new Set(['security', 'login', 'expired']);

/**
 * Judges a FHIR server's answer by status and body. A fault's detail has the status, codes of issues and the path of an
 * element, and never a diagnostic: those quote what was sent.
 * @param now ms since the epoch, for a Retry-After that is a date.
 */
export function judgeFhirAnswer(answer: Exchanged, request: FhirRequest, now: number): Judged {
  const json = answer.complete ? parse(answer.body) : undefined;
  if (answer.status < 200 || answer.status > 299) return judgeFailure(answer, json, request, now, '');
  if (!answer.complete) return { kind: 'taken', problem: 'larger than maxAnswer, or compressed' };
  return request.entries === null ? judgeSingle(answer, json, request) : judgeEntries(answer, json, request, now);
}

/** Of a single write, no body at all is an answer too: that is what `return=minimal` asks for. */
function judgeSingle({ body }: Exchanged, json: unknown, { types }: FhirRequest): Judged {
  if (body.length === 0) return { kind: 'taken', problem: null };
  if (!isObject(json)) return { kind: 'taken', problem: 'no JSON object in UTF-8' };
  const type = String(json.resourceType);
  const isExpected = types.has(type) || type === 'OperationOutcome';
  return { kind: 'taken', problem: isExpected ? null : 'another resource than was sent' };
}

function judgeEntries(answer: Exchanged, json: unknown, request: FhirRequest, now: number): Judged {
  if (!isObject(json)) return { kind: 'taken', problem: 'no JSON object in UTF-8' };
  const isResponse = json.resourceType === 'Bundle' && /^(transaction|batch)-response$/.test(String(json.type));
  if (!isResponse) return { kind: 'taken', problem: 'no Bundle of type transaction-response' };
  const entries: unknown[] = Array.isArray(json.entry) ? json.entry : [];
  const failures: Extract<Judged, { kind: 'failed' }>[] = [];
  let problem: string | null = null;
  entries.forEach((entry, index) => {
    const response = isObject(entry) && isObject(entry.response) ? entry.response : {};
    const status = Number(/^\d{3}\b/.exec(String(response.status))?.[0] ?? Number.NaN);
    if (Number.isNaN(status)) problem ??= `entry[${index}].response.status is missing`;
    // An entry's answer has no headers of its own; those of the whole are meant for it too.
    else if (status >= 400) {
      const own = { ...answer, status, contentType: null, body: new Uint8Array(0) };
      const failed = judgeFailure(own, response.outcome, request, now, `entry[${index}]: `);
      if (failed.kind === 'failed') failures.push(failed);
    }
  });
  // What only a person can mend is told before what passes.
  const [worst] = failures.sort((a, b) => Number(isOfWorld(a)) - Number(isOfWorld(b)));
  if (worst !== undefined) return worst;
  if (entries.length !== request.entries) problem ??= `${entries.length} entries for ${request.entries}`;
  return { kind: 'taken', problem };
}

const isOfWorld = ({ failure }: { failure: Failure }): boolean => failure.fault.blame === 'world';

function judgeFailure(answer: Exchanged, json: unknown, request: FhirRequest, now: number, prefix: string): Judged {
  const plain = classifyAnswer(answer, now);
  if (plain === null) return { kind: 'taken', problem: null };
  const outcome = readOutcome(json, request.types);
  const { status } = answer;
  const code = refine(plain.fault.code, status, outcome?.codes ?? []);
  const words = (outcome?.codes ?? []).slice(0, 5).join(', ');
  const place = outcome?.expression == null ? '' : ` at ${outcome.expression}`;
  const detail = `${prefix}HTTP ${status}${words === '' ? '' : ` ${words}`}${place}`;
  const fault = new Fault(code, { detail });
  const retryAfterMs = fault.blame === 'world' ? readRetryAfter(answer.retryAfter, now) : null;
  const concernsToken =
    code === 'target-unauthorized' || (status === 403 && (outcome?.codes ?? []).some((one) => UNKNOWN_CALLER.has(one)));
  return { kind: 'failed', failure: { fault, retryAfterMs }, concernsToken };
}

/** What the issues say where they say more than the status does. */
function refine(byStatus: FaultCode, status: number, codes: readonly string[]): FaultCode {
  const is4xx = status >= 400 && status < 500;
  if (byStatus === 'target-unauthorized' || status < 400) return byStatus;
  // Not where a content error stands beside it: that would be sent in vain for ever.
  if (codes.length > 0 && codes.every((code) => PASSING.has(code))) {
    return codes.includes('exception') ? 'target-failing' : 'target-busy';
  }
  // A 403 says who is meant already, and pauses less.
  if (is4xx && status !== 403 && codes.some((code) => UNKNOWN_CALLER.has(code))) return 'target-unauthorized';
  if (is4xx && codes.length > 0 && codes.every((code) => code === 'forbidden')) return 'target-forbidden';
  // Several records match where one may: no waiting mends that, a person has to.
  if (status === 412 && codes.includes('multiple-matches')) return 'target-unexpected';
  return byStatus;
}

function readOutcome(json: unknown, types: ReadonlySet<string>): Outcome | null {
  if (!isObject(json) || json.resourceType !== 'OperationOutcome' || !Array.isArray(json.issue)) return null;
  const errors = json.issue.filter(isObject).filter(({ severity }) => severity === 'error' || severity === 'fatal');
  const codes = errors.map(({ code }) => String(code)).filter((code) => ISSUE_TYPES.has(code));
  const places = errors.flatMap(({ expression, location }) => [expression, location].flat());
  const expression = places.find((one): one is string => isElementPath(one, types)) ?? null;
  return { codes: [...new Set(codes)], expression };
}

const STEP = String.raw`\.(?:ofType\([A-Z][A-Za-z]{1,40}\)|[a-z][A-Za-z]{0,40}(?:\[x\]|\[\d{1,5}\])?)`;
const ELEMENT_PATH = new RegExp(`^([A-Z][A-Za-z]{1,40})(?:${STEP}){0,20}$`);

/** A plain path from a type that was sent; whatever else stands there might be somebody's name. */
function isElementPath(text: unknown, types: ReadonlySet<string>): boolean {
  if (typeof text !== 'string' || text.length > 200) return false;
  const type = ELEMENT_PATH.exec(text)?.[1];
  return type === 'Bundle' || (type !== undefined && types.has(type));
}

/** Made once: that costs more than reading an answer with it. */
const UTF8 = new TextDecoder('utf-8', { fatal: true });

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(UTF8.decode(bytes));
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
