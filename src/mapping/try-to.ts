import { Fault } from '../contracts/fault.ts';
import type { Found, Scope } from './scope.ts';
import type { Evaluate } from './surroundings.ts';
import type { Trail } from './trail.ts';

/** Keeps a fault, and goes on. */
export function tryTo(evaluate: Evaluate, scope: Scope): Found | null {
  try {
    return evaluate(scope);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    scope.faults.add(error);
    return null;
  }
}

/** The same, below the element that is being made. */
export function tryWithin(trail: Trail, step: string, evaluate: Evaluate, scope: Scope): Found | null {
  return trail.within(step, () => tryTo(evaluate, scope));
}

/** What `make` makes, or where a fault keeps it from that, what `otherwise` makes of the fault. */
export function orOnFault<Made>(make: () => Made, otherwise: (fault: Fault) => Made): Made {
  try {
    return make();
  } catch (error) {
    if (error instanceof Fault) return otherwise(error);
    throw error;
  }
}
