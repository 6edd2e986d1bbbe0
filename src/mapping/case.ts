import { Fault } from '../contracts/fault.ts';
import type { Draft, Mapped } from '../contracts/mapper.ts';
import { resolveCharset } from '../hl7/charset.ts';
import { arrangeGroups } from '../hl7/group.ts';
import { type Header, readHeader } from '../hl7/header.ts';
import { parseMessage } from '../hl7/message.ts';
import { compareOutcome } from './compare-outcome.ts';
import { readExpectation } from './expectation.ts';
import type { MessageMapping } from './mapping.ts';
import { type Problem, ProblemError } from './problem.ts';
import { gatherOutcomes, type MadeBody } from './result-outcome.ts';
import type { Run } from './scope.ts';
import { Trail } from './trail.ts';
import type { YamlNode } from './yaml-node.ts';

/** Where a case ends otherwise than it says. */
export interface CaseProblem extends Problem {
  /** `file:line:col` of the case; several problems may be one case's. */
  readonly ofCase: string;
  /** `file:line:col` of the rule that made what differs; null = no rule did. */
  readonly rule: string | null;
}

/** Which cases are run, and what they can know. */
export interface CaseChoice {
  /** null = all; else those that speak of parties, or those that do not. */
  readonly speaksOfParties: boolean | null;
  /** False where parties are not configured: then a party is not compared. */
  readonly knowsParties: boolean;
}

/**
 * Runs the `tests:` of a mapping: each is a message in the file itself and what becomes of it. Whatever ends otherwise
 * is a problem at the line that expected it.
 */
export function runCases(
  mapping: MessageMapping,
  choice: CaseChoice = { speaksOfParties: null, knowsParties: true },
): CaseProblem[] {
  return mapping.tests.flatMap((node) => {
    try {
      return runCase(node, mapping, choice);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      return [{ ...error.problem, ofCase: node.where, rule: null }];
    }
  });
}

function runCase(node: YamlNode, mapping: MessageMapping, choice: CaseChoice): CaseProblem[] {
  const keys = node.keys(['name', 'message', 'answer', 'expect', 'because']);
  const name = keys.get('name')?.text() ?? node.fail('A case needs a name');
  const messageNode = keys.get('message') ?? node.fail('A case needs a message');
  const expected = readExpectation(keys.get('expect') ?? node.fail('A case needs expect: …'));
  if (choice.speaksOfParties !== null && choice.speaksOfParties !== expected.speaksOfParties) return [];
  const bytes = new TextEncoder().encode(messageNode.text('a message').trim().replaceAll('\n', '\r'));
  const fail = (message: string) => messageNode.fail(`Case "${name}": ${message}`);
  const outcomes = mapCase(bytes, mapping, keys.get('answer') ?? null, fail);
  return compareOutcome(expected, outcomes, choice.knowsParties).map(({ node: at, text, hint, rule }) => ({
    ...at.problem(`Case "${name}": ${text}`, hint),
    ofCase: node.where,
    rule,
  }));
}

/** Mapping files are UTF-8, and so are the messages in them. */
const UTF8 = resolveCharset('UNICODE UTF-8', { default: null, force: null });

function mapCase(
  bytes: Uint8Array,
  mapping: MessageMapping,
  answer: YamlNode | null,
  fail: (message: string) => never,
): { readonly mapped: Mapped; readonly made: readonly MadeBody[] } {
  const header = readCaseHeader(bytes, fail);
  if (mapping.refuses(header) !== null) fail(`the mapping does not take ${header.messageCode}^${header.triggerEvent}`);
  const message = parseMessage(new TextDecoder().decode(bytes), header.delimiters);
  const decodeBytes = (part: Uint8Array) => new TextDecoder().decode(part);
  const trail = new Trail();
  const run = {
    message,
    root: arrangeGroups(message),
    zone: mapping.zone,
    charset: UTF8,
    decodeBytes,
    answeredAt: null,
    trail,
    warnings: [],
  };
  const results = mapping.mapMessage(run);
  const mapped = gatherOutcomes(results, run.warnings);
  if (answer === null) return { mapped, made: results.flatMap(({ drafts, made }) => pair(drafts, made)) };
  const [first] = mapped.drafts.filter(({ target, operation }) => mapping.hasFollowUps(target, operation));
  if (first === undefined) return fail('no delivery of it is answered by anything that follows');
  return mapAnswer(first, answer, mapping, { ...run, trail: new Trail(), warnings: [], answeredAt: NOW });
}

/** So that a message which follows is the same each time. */
const NOW = Date.UTC(2022, 0, 1);

function mapAnswer(first: Draft, answer: YamlNode, mapping: MessageMapping, run: Run) {
  const response = { status: 200, contentType: null, body: new Uint8Array(0), fault: null };
  const nothing = { statements: [], drafts: [], skipped: [], provides: [], faults: [], warnings: [] };
  try {
    const followUps = mapping.mapResponse(run, { ...first, at: NOW, response }, answer.literal());
    const drafts = followUps.map(({ draft }) => draft).filter(({ flaw }) => flaw === null);
    const faults = followUps.flatMap(({ draft }) => draft.flaw ?? []);
    const made = followUps.flatMap(({ body }) => body ?? []);
    return { mapped: { ...nothing, drafts, faults, warnings: run.warnings }, made };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { mapped: { ...nothing, faults: [error.record] }, made: [] };
  }
}

/** Of a result with faults there are bodies without drafts. */
function pair<Draft, Made>(drafts: readonly Draft[], made: readonly Made[]): Made[] {
  return drafts.length === 0 ? [] : [...made];
}

function readCaseHeader(bytes: Uint8Array, fail: (message: string) => never): Header {
  try {
    return readHeader(bytes);
  } catch (error) {
    if (error instanceof Fault) return fail(error.message);
    throw error;
  }
}
