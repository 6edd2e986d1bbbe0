import type { Clock } from '../contracts/clock.ts';
import { Fault } from '../contracts/fault.ts';
import { classifyError } from './classify.ts';

/**
 * Does something that has to end in time; what is done gets a signal that aborts with the given one or at the deadline.
 * @throws Fault `target-timeout` at the deadline · what the given signal was aborted with · the error of what is done
 */
export async function withDeadline<Made>(
  until: { readonly clock: Clock; readonly afterMs: number; readonly signal: AbortSignal },
  act: (signal: AbortSignal) => Promise<Made>,
): Promise<Made> {
  const { clock, afterMs } = until;
  const deadline = new AbortController();
  const callOff = clock.wakeAt(clock.now() + afterMs, () => {
    deadline.abort(new Fault('target-timeout', { detail: `${afterMs / 1000} s` }));
  });
  const signal = AbortSignal.any([until.signal, deadline.signal]);
  try {
    return await act(signal);
  } catch (error) {
    throw signal.aborted ? classifyError(error, signal).fault : error;
  } finally {
    callOff();
  }
}
