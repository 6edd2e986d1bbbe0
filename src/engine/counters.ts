import type { FaultCode } from '../contracts/fault.ts';
import type { MessageState } from '../contracts/lifecycle.ts';
import type { AckCode } from '../contracts/source.ts';
import type { Counters } from '../contracts/status.ts';

/** What is counted since start. Keys are words joined by one space: `lab-nord mapped`, `lab-nord AA`, `target party delivered`. */
export interface Tally extends Counters {
  message(channel: string, state: MessageState): void;
  answer(channel: string, code: AckCode): void;
  attempt(target: string, party: string, ending: 'delivered' | 'waiting' | 'held'): void;
  fault(code: FaultCode): void;
  warning(code: FaultCode): void;
  leftUnkept(channel: string): void;
}

export function createTally(): Tally {
  const messages = new Map<string, number>();
  const answers = new Map<string, number>();
  const attempts = new Map<string, number>();
  const faults = new Map<string, number>();
  const warnings = new Map<string, number>();
  const unkept = new Map<string, number>();
  const add = (counts: Map<string, number>, ...words: string[]) => {
    const key = words.join(' ');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  };
  return {
    messages,
    answers,
    attempts,
    faults,
    warnings,
    unkept,
    message: (channel, state) => add(messages, channel, state),
    answer: (channel, code) => add(answers, channel, code),
    attempt: (target, party, ending) => add(attempts, target, party, ending),
    fault: (code) => add(faults, code),
    warning: (code) => add(warnings, code),
    leftUnkept: (channel) => add(unkept, channel),
  };
}
