import { Fault } from '../contracts/fault.ts';
import type { Mapped } from '../contracts/mapper.ts';
import { arrangeGroups } from '../hl7/group.ts';
import { type Header, readHeader } from '../hl7/header.ts';
import { parseMessage } from '../hl7/message.ts';
import { type MessageMapping, gatherOutcomes } from './mapping.ts';
import { keepProblem, type Problem } from './problem.ts';
import type { YamlNode } from './yaml-node.ts';

/**
 * Runs the `tests:` of a mapping: each is a message in the file itself and what becomes of it. A case that ends
 * otherwise is a problem with its line.
 */
export function runCases(mapping: MessageMapping): Problem[] {
  const problems: Problem[] = [];
  for (const node of mapping.tests) keepProblem(problems, () => runCase(node, mapping), undefined);
  return problems;
}

function runCase(node: YamlNode, mapping: MessageMapping): void {
  const keys = node.keys(['name', 'message', 'expect']);
  const name = keys.get('name')?.text() ?? node.fail('A case needs a name');
  const messageNode = keys.get('message') ?? node.fail('A case needs a message');
  const expectNode = keys.get('expect') ?? node.fail('A case needs expect: …');
  const bytes = new TextEncoder().encode(messageNode.text('a message').trim().replaceAll('\n', '\r'));
  const mapped = mapCase(bytes, mapping, (message) => messageNode.fail(`Case "${name}": ${message}`));
  const made = {
    deliver: mapped.drafts.map((draft) => `${draft.target}/${draft.operation}`),
    skipped: mapped.skipped.map(({ reason }) => reason),
    faults: mapped.faults.map(({ code }) => code as string),
  };
  const expected = expectNode.keys(['deliver', 'skipped', 'faults']);
  for (const part of ['deliver', 'skipped', 'faults'] as const) {
    const wanted = (expected.get(part)?.items() ?? []).map((item) => item.text());
    if (JSON.stringify(wanted) === JSON.stringify(made[part])) continue;
    const got = made[part].length === 0 ? 'none' : made[part].join(', ');
    const want = wanted.length === 0 ? 'none' : wanted.join(', ');
    (expected.get(part) ?? expectNode).fail(`Case "${name}": ${part} expected ${want}, got ${got}`);
  }
}

function mapCase(bytes: Uint8Array, mapping: MessageMapping, fail: (message: string) => never): Mapped {
  const header = readCaseHeader(bytes, fail);
  if (mapping.refuses(header) !== null) fail(`the mapping does not take ${header.messageCode}^${header.triggerEvent}`);
  const message = parseMessage(new TextDecoder().decode(bytes), header.delimiters);
  const decodeBytes = (part: Uint8Array) => new TextDecoder().decode(part);
  const run = { message, root: arrangeGroups(message), zone: mapping.zone, decodeBytes, trail: null, warnings: [] };
  return gatherOutcomes(mapping.mapMessage(run), run.warnings);
}

function readCaseHeader(bytes: Uint8Array, fail: (message: string) => never): Header {
  try {
    return readHeader(bytes);
  } catch (error) {
    if (error instanceof Fault) return fail(error.message);
    throw error;
  }
}
