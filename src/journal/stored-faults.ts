import { FAULTS, type FaultRecord } from '../contracts/fault.ts';

/** Faults as they are stored; see `readFault`. */
export function readFaults(text: string): FaultRecord[] {
  return (JSON.parse(text) as FaultRecord[]).map(known);
}

/**
 * A fault as it is stored. What a newer version stored, which works on the same journal or did before, may have a code that
 * is not in the table here: it is shown as `internal`, with its code as the detail.
 */
export function readFault(text: string): FaultRecord;
export function readFault(text: string | null): FaultRecord | null;
export function readFault(text: string | null): FaultRecord | null {
  return text === null ? null : known(JSON.parse(text));
}

function known(fault: FaultRecord): FaultRecord {
  return Object.hasOwn(FAULTS, fault.code) ? fault : { ...fault, code: 'internal', detail: fault.code };
}
