import { FAULTS, type FaultRecord } from '../contracts/fault.ts';
import { diffJudged, type LocatedChange, showChange } from './diff-judged.ts';
import { explainDelivery, listUnused } from './explanation.ts';
import { judge } from './judge.ts';
import { type JudgedMessage, nameOf, showJudged, showSummary } from './show-judged.ts';
import { paint, type Terminal } from './terminal.ts';
import type { Bench, Workbench } from './workbench.ts';

/** Takes judged messages one at a time, so that none has to be kept; `end` says what was cut. */
export interface JudgedWriter {
  write(one: JudgedMessage): void;
  end(): void;
}

/** So many messages are shown in full; a file of thousands is nothing that anybody reads. */
const MAX_FULL = 20;
/** So many more are named if something is wrong with them, or differs. */
const MAX_NAMED = 100;

/** The bodies alone. */
export function writeBodies(terminal: Terminal): JudgedWriter {
  return {
    write({ judged }) {
      for (const { isSent, value } of judged.deliveries) if (isSent) terminal.print(JSON.stringify(value, null, 2));
    },
    end() {},
  };
}

/** One JSON list of all messages, written an item at a time. */
export function writeJson(isExplained: boolean, workbench: Workbench, terminal: Terminal): JudgedWriter {
  return writeItems((one) => toJson(one, isExplained, workbench), terminal);
}

function writeItems(toItem: (one: JudgedMessage) => object, terminal: Terminal): JudgedWriter {
  let last: string | null = null;
  return {
    write(one) {
      terminal.print(last === null ? '[' : `${last},`);
      last = JSON.stringify(toItem(one), null, 2).replace(/^/gm, '  ');
    },
    end() {
      if (last !== null) terminal.print(last);
      terminal.print(last === null ? '[]' : ']');
    },
  };
}

/** For people: the first messages in full, of the others those that something is wrong with, and how many came to what. */
export function writeText(isExplained: boolean, workbench: Workbench, terminal: Terminal): JudgedWriter {
  const states = new Map<string, number>();
  const codes = new Map<string, number>();
  const count = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1);
  let all = 0;
  let named = 0;
  let unnamed = 0;
  return {
    write(one) {
      const { state, faults } = one.judged;
      all += 1;
      count(states, state);
      for (const code of new Set(faults.map((fault) => fault.code))) count(codes, code);
      if (all <= MAX_FULL) {
        if (all > 1) terminal.print('');
        showJudged(one, isExplained, workbench, terminal);
      } else if (state === 'refused' || state === 'held') {
        if (named < MAX_NAMED) {
          terminal.print('');
          showSummary(one.message, one.judged, workbench, terminal);
          named += 1;
        } else unnamed += 1;
      }
    },
    end() {
      if (all < 2) return;
      terminal.print('');
      terminal.print(`${all} messages: ${[...states].map(([state, many]) => `${many} ${state}`).join(', ')}`);
      for (const [code, many] of codes) terminal.print(`  ${many} with ${code}`);
      if (all <= MAX_FULL) return;
      const rest =
        named + unnamed === 0
          ? ''
          : `, of the others those refused or held${unnamed === 0 ? '' : ` (${unnamed} more are not)`}`;
      terminal.print(
        `Shown are the first ${MAX_FULL} in full${rest}. --message <number> shows one, --json prints all.`,
      );
    },
  };
}

/** What another mapping would make of each message. */
export function writeDiffs(other: Bench, isJson: boolean, workbench: Workbench, terminal: Terminal): JudgedWriter {
  const compare = ({ message, judged }: JudgedMessage) => {
    const now = judge(message.bytes, other);
    return { message, states: [judged.state, now.state] as const, changes: diffJudged(judged, now, workbench) };
  };
  if (isJson) {
    return writeItems((one) => {
      const { message, states, changes } = compare(one);
      const [before, after] = states;
      return { file: message.file, number: message.number, state: { before, after }, changes };
    }, terminal);
  }
  let all = 0;
  let same = 0;
  let cut = 0;
  return {
    write(one) {
      const { message, states, changes } = compare(one);
      const isSame = changes.length === 0 && states[0] === states[1];
      all += 1;
      if (isSame) same += 1;
      if (all > MAX_FULL && isSame) return;
      if (all - same > MAX_NAMED) cut += 1;
      else showDiff(nameOf(message), states, changes, terminal);
    },
    end() {
      if (all <= MAX_FULL) return;
      terminal.print('');
      const rest = cut === 0 ? '' : `; ${cut} that differ are not shown, --json prints all`;
      terminal.print(`${all} messages: ${same} without a difference${rest}.`);
    },
  };
}

function showDiff(
  name: string,
  [before, after]: readonly [string, string],
  changes: readonly LocatedChange[],
  terminal: Terminal,
): void {
  terminal.print(paint(terminal, 'bold', name));
  if (before !== after) terminal.print(`  state ${before} → ${after}`);
  if (changes.length === 0 && before === after) terminal.print('  no difference');
  const told = changes.filter((change) => !isDerived(change.before) || !isDerived(change.after));
  for (const change of told) showChange(change, terminal);
  const derived = changes.length - told.length;
  if (derived > 0) terminal.print(paint(terminal, 'dim', `  ~ ${derived} ids and references, as their keys differ`));
}

/** True of ids that we derive, and of what refers to them: where a key differs, all of them do. */
function isDerived(value: unknown): boolean {
  return typeof value === 'string' && /^(urn:uuid:[0-9a-f-]{36}|([A-Z][A-Za-z]+\/)?[0-9a-f]{32})$/.test(value);
}

function toJson({ message, judged }: JudgedMessage, isExplained: boolean, workbench: Workbench) {
  const locate = (fault: FaultRecord) => ({
    ...fault,
    where: fault.where === null ? null : workbench.locate(fault.where),
    text: FAULTS[fault.code].text,
  });
  const read = judged.explanation?.message ?? null;
  return {
    file: message.file,
    number: message.number,
    controlId: judged.header?.controlId ?? null,
    channel: judged.channel,
    state: judged.state,
    answer: judged.answer,
    deliveries: judged.deliveries
      .filter(({ isSent }) => isSent || isExplained)
      .map((delivery) => ({
        target: delivery.target,
        operation: delivery.operation,
        party: delivery.party,
        mapping: delivery.mapping,
        at: delivery.at,
        sent: delivery.isSent,
        notBefore: delivery.notBefore === null ? null : new Date(delivery.notBefore).toISOString(),
        body: delivery.value,
        ...(isExplained ? { elements: explainDelivery(delivery, read, workbench.locate) } : {}),
      })),
    skipped: judged.skipped,
    faults: judged.faults.map(locate),
    warnings: judged.warnings.map(locate),
    ...(isExplained ? { unused: listUnused(judged) } : {}),
  };
}
