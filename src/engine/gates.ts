import { isDeepStrictEqual } from 'node:util';
import type { FaultCode, FaultRecord } from '../contracts/fault.ts';
import type { Slot } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import { faultFields } from './log-fields.ts';
import type { Pauses } from './pauses.ts';
import { createRate, type Rate } from './rate.ts';
import type { TargetPlace } from './settings.ts';
import type { Standing } from './verdict.ts';

/**
 * Who may be sent to now. For each (target, party) a gate counts what is in flight and how much has begun, and closes for two reasons: a
 * *pause*, because the receiver or the certificate's state says so (a party as a whole, or one operation of it), and a
 * *breaker*, because several different deliveries failed in a row. A closed gate lets one delivery through from time to
 * time; how that one ends opens the gate or keeps it closed. One log line when a gate closes, one when it opens.
 */
export interface Gates {
  /** Room for claims, at most one entry a (target, party) and call; `probes` are to be claimed each on its own. */
  slots(now: number): { readonly open: Slot[]; readonly probes: Slot[] };
  entered(attempt: GateAttempt, now: number): void;
  /** An attempt ended; `standing` is what it says about the receiver. */
  left(attempt: GateAttempt, standing: Standing, fault: FaultRecord | null, now: number): void;
  /** When the next closed gate may be tried; null = none is closed. */
  nextProbeAt(): number | null;
  /** When the rate of an open gate lets the next attempt begin; null = no rate holds one back. */
  nextRoomAt(now: number): number | null;
  /** Lets paused parties whose certificate was renewed be tried at once. True = one was. */
  noticeRenewals(now: number): boolean;
  isPaused(): boolean;
  /** Gates that are closed, each reason for itself. */
  closed(): readonly ClosedGate[];
  /** True where no attempt has ended since the start: nothing is known of it. */
  isUntried(target: string, party: string): boolean;
  /** From now on there are these targets and parties; a gate of the same target keeps its state. */
  arrange(targets: readonly TargetPlace[], parties: readonly string[]): void;
  /** Has room for nothing of a target until it is reopened. */
  shut(target: string): void;
  reopen(target: string): void;
}

export interface ClosedGate {
  readonly target: string;
  readonly party: string;
  /** Set where only this operation is paused. */
  readonly operation: string | null;
  readonly reason: 'party' | 'operation' | 'breaker';
  /** Code of the fault that closed it; null = not known. */
  readonly fault: FaultCode | null;
}

export interface GateAttempt {
  readonly id: number;
  readonly target: string;
  readonly operation: string;
  readonly party: string;
}

interface Closure {
  readonly reason: 'party' | 'operation' | 'breaker';
  readonly fault: FaultCode | null;
  probeAt: number;
  /** Of the party's certificate when the gate closed; null = unusable then. */
  credentialsVersion: string | null;
}

interface Gate {
  place: TargetPlace;
  readonly party: string;
  /** Operation by id of the deliveries under way. */
  readonly inFlight: Map<number, string>;
  rate: Rate | null;
  pause: Closure | null;
  breaker: Closure | null;
  readonly operations: Map<string, Closure>;
  /** Deliveries that failed since the last sign of life. */
  readonly failing: Set<number>;
  /** An attempt has ended since the start. */
  isTried: boolean;
}

export function createGates(parts: {
  readonly targets: readonly TargetPlace[];
  readonly parties: readonly string[];
  /** The version of a party's certificate; null = unusable. */
  readonly credentialsVersion: (party: string) => string | null;
  /** What people paused: a gate has no room for it, and no probe. */
  readonly pauses: Pick<Pauses, 'of'>;
  readonly log: Log;
}): Gates {
  const { credentialsVersion, pauses, log } = parts;
  const gates = new Map<string, Gate>();
  const shut = new Set<string>();
  arrange(parts.targets, parts.parties);
  const gateOf = (target: string, party: string) => gates.get(`${target} ${party}`);

  function arrange(targets: readonly TargetPlace[], parties: readonly string[]) {
    const before = new Map(gates);
    gates.clear();
    for (const place of targets)
      for (const party of parties) {
        const key = `${place.name} ${party}`;
        gates.set(key, follow(before.get(key) ?? null, place, party));
      }
  }

  function close(
    gate: Gate,
    reason: Closure['reason'],
    operation: string | null,
    why: FaultRecord | null,
    now: number,
  ) {
    const { limits, name: target } = gate.place;
    const probeAt = now + (reason === 'breaker' ? limits.breakerProbeMs : limits.pauseProbeMs);
    const known = closureOf(gate, reason, operation);
    if (known !== null) {
      known.probeAt = probeAt;
      return;
    }
    const closure: Closure = {
      reason,
      fault: why?.code ?? null,
      probeAt,
      credentialsVersion: credentialsVersion(gate.party),
    };
    if (reason === 'breaker') gate.breaker = closure;
    else if (reason === 'party') gate.pause = closure;
    else gate.operations.set(operation ?? '', closure);
    const fields = { target, party: gate.party, ...(operation === null ? {} : { operation }), ...faultFields(why) };
    if (reason === 'breaker') log.warn('target-failing', fields);
    else log.error('party-paused', fields);
  }

  function open(gate: Gate, reason: Closure['reason'], operation: string | null) {
    if (closureOf(gate, reason, operation) === null) return;
    if (reason === 'breaker') gate.breaker = null;
    else if (reason === 'party') gate.pause = null;
    else gate.operations.delete(operation ?? '');
    const fields = { target: gate.place.name, party: gate.party, ...(operation === null ? {} : { operation }) };
    log.info(reason === 'breaker' ? 'target-recovered' : 'party-resumed', fields);
  }

  return {
    slots(now) {
      const slots = { open: [] as Slot[], probes: [] as Slot[] };
      for (const gate of gates.values()) {
        if (shut.has(gate.place.name)) continue;
        const stopped = pauses.of(gate.place.name, gate.party);
        if (stopped !== 'all') addSlots(gate, stopped, now, slots);
      }
      return slots;
    },
    entered(attempt, now) {
      const gate = gateOf(attempt.target, attempt.party);
      gate?.inFlight.set(attempt.id, attempt.operation);
      gate?.rate?.started(now);
    },
    left(attempt, standing, fault, now) {
      const gate = gateOf(attempt.target, attempt.party);
      if (gate === undefined) return;
      gate.inFlight.delete(attempt.id);
      gate.isTried = true;
      switch (standing) {
        case 'alive':
          gate.failing.clear();
          open(gate, 'breaker', null);
          open(gate, 'party', null);
          open(gate, 'operation', attempt.operation);
          return;
        case 'failing':
          gate.failing.add(attempt.id);
          // A probe that failed so leaves a pause as it was, till the next probe.
          postpone(gate, attempt.operation, now);
          if (gate.breaker !== null || gate.failing.size >= gate.place.limits.breakAfterDeliveries)
            close(gate, 'breaker', null, fault, now);
          return;
        case 'party-paused':
          close(gate, 'party', null, fault, now);
          return;
        case 'operation-paused':
          // The receiver knew the party well enough to refuse it one thing.
          gate.failing.clear();
          open(gate, 'breaker', null);
          open(gate, 'party', null);
          close(gate, 'operation', attempt.operation, fault, now);
          return;
        case 'unknown':
          postpone(gate, attempt.operation, now);
      }
    },
    nextProbeAt() {
      const times = [...gates.values()].flatMap((gate) => closures(gate).map((closure) => closure.probeAt));
      return times.length === 0 ? null : Math.min(...times);
    },
    nextRoomAt(now) {
      const times = [...gates.values()].map((gate) => gate.rate?.freeAt(now) ?? null).filter((at) => at !== null);
      return times.length === 0 ? null : Math.min(...times);
    },
    noticeRenewals(now) {
      let noticed = false;
      for (const gate of gates.values()) {
        for (const closure of closures(gate)) {
          if (closure.reason === 'breaker' || closure.probeAt <= now) continue;
          const version = credentialsVersion(gate.party);
          if (version === closure.credentialsVersion) continue;
          closure.credentialsVersion = version;
          closure.probeAt = now;
          noticed = true;
        }
      }
      return noticed;
    },
    arrange,
    shut(target) {
      shut.add(target);
    },
    reopen(target) {
      shut.delete(target);
    },
    closed: () => [...gates.values()].flatMap(toClosed),
    isUntried: (target, party) => gateOf(target, party)?.isTried === false,
    isPaused: () => [...gates.values()].some((gate) => gate.pause !== null || gate.operations.size > 0),
  };
}

function addSlots(gate: Gate, stopped: readonly string[], now: number, slots: { open: Slot[]; probes: Slot[] }) {
  const { place, party, inFlight } = gate;
  const unhurried = gate.rate?.free(now) ?? Number.POSITIVE_INFINITY;
  if (unhurried === 0) return;
  const paused = [...gate.operations.keys()];
  const slot = (free: number, without: readonly string[]): Slot => ({
    target: place.name,
    party,
    free,
    without: [...new Set([...without, ...stopped])],
  });
  const whole = [gate.pause, gate.breaker].filter((closure) => closure !== null);
  if (whole.length > 0) {
    // One at a time, so that it is known whose end it is.
    if (inFlight.size === 0 && whole.every((closure) => closure.probeAt <= now)) slots.probes.push(slot(1, paused));
    return;
  }
  let free = Math.min(place.limits.concurrency - inFlight.size, unhurried);
  const busy = new Set(inFlight.values());
  const due = paused.find(
    (name) => (gate.operations.get(name)?.probeAt ?? 0) <= now && !busy.has(name) && !stopped.includes(name),
  );
  if (due !== undefined && free > 0) {
    const others = Object.keys(place.target.operations).filter((name) => name !== due);
    slots.probes.push(slot(1, others));
    free -= 1;
  }
  if (free > 0) slots.open.push(slot(free, paused));
}

/** The gate of a target that may have changed: what is in flight is, whoever it was sent by. */
function follow(old: Gate | null, place: TargetPlace, party: string): Gate {
  const { rate } = place.limits;
  const isSameRate = old !== null && isDeepStrictEqual(old.place.limits.rate, rate);
  const fresh: Gate = {
    place,
    party,
    inFlight: old?.inFlight ?? new Map(),
    rate: isSameRate ? old.rate : rate === null ? null : createRate(rate),
    pause: null,
    breaker: null,
    operations: new Map(),
    failing: new Set(),
    isTried: false,
  };
  if (old === null || old.place.target !== place.target) return fresh;
  const { pause, breaker, operations, failing } = old;
  return { ...fresh, pause, breaker, operations, failing };
}

function closureOf(gate: Gate, reason: Closure['reason'], operation: string | null): Closure | null {
  if (reason === 'breaker') return gate.breaker;
  if (reason === 'party') return gate.pause;
  return gate.operations.get(operation ?? '') ?? null;
}

function toClosed(gate: Gate): ClosedGate[] {
  const of = ({ reason, fault }: Closure, operation: string | null): ClosedGate => ({
    target: gate.place.name,
    party: gate.party,
    operation,
    reason,
    fault,
  });
  return [
    ...[gate.pause, gate.breaker].filter((closure) => closure !== null).map((closure) => of(closure, null)),
    ...[...gate.operations].map(([operation, closure]) => of(closure, operation)),
  ];
}

function closures(gate: Gate): Closure[] {
  return [gate.pause, gate.breaker, ...gate.operations.values()].filter((closure) => closure !== null);
}

function postpone(gate: Gate, operation: string, now: number) {
  const { pauseProbeMs, breakerProbeMs } = gate.place.limits;
  for (const closure of [gate.pause, gate.breaker, gate.operations.get(operation) ?? null]) {
    if (closure === null || closure.probeAt > now) continue;
    closure.probeAt = now + (closure.reason === 'breaker' ? breakerProbeMs : pauseProbeMs);
  }
}
