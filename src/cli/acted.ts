import type { DeliveryActed } from '../contracts/operations.ts';
import { type ExitCode, paint, type Terminal } from './terminal.ts';

/** Beyond so many, single ends are not told but counted. */
const TELL = 40;

const TEXTS: Readonly<Record<DeliveryActed['result'], string>> = {
  released: 'released',
  cancelled: 'cancelled',
  stale: 'cancelled as stale',
  'in-flight': 'not done: an attempt is under way',
  'not-held': 'not done: it is not held',
  ended: 'not done: it has ended already',
  replay: 'not done: the mapping holds it; mend that and sluss replay it, or sluss cancel it',
  unmade: 'not done: it still cannot be made of the answer; mend the mapping, or sluss cancel it',
  'not-permitted': 'not done: its target or care provider is not configured for its channel',
  'not-found': 'not found',
};

/** Tells what became of deliveries, and gives the exit code: 0 = everything that was asked for was done. */
export function showActed(ends: readonly DeliveryActed[], terminal: Terminal): ExitCode {
  for (const { messageId, deliveryId, result, overtakenBy } of ends.slice(0, TELL)) {
    const message = messageId === null ? '' : `${messageId}`;
    const what = deliveryId === null ? message : `d${deliveryId}${message === '' ? '' : ` of ${message}`}`;
    const by = overtakenBy === null ? '' : `: overtaken by message ${overtakenBy}`;
    const style = isDone(result) ? 'green' : result === 'stale' ? 'yellow' : 'red';
    terminal.print(`${what.padEnd(16)}  ${paint(terminal, style, TEXTS[result])}${by}`);
  }
  if (ends.length > TELL) {
    terminal.print(`… and ${ends.length - TELL} more`);
    const counts = new Map<string, number>();
    for (const { result } of ends) counts.set(result, (counts.get(result) ?? 0) + 1);
    terminal.print([...counts].map(([result, count]) => `${count} ${result}`).join(', '));
  }
  return ends.every(({ result }) => isDone(result)) ? 0 : 1;
}

function isDone(result: DeliveryActed['result']): boolean {
  return result === 'released' || result === 'cancelled';
}
