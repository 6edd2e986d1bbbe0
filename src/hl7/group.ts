import type { Message, Segment } from './message.ts';

/** A group of segments of one message, named as in the standard's abstract message syntax. */
export interface Group {
  readonly name: string;
  readonly parent: Group | null;
  /** Segments that stand directly in this group. */
  readonly segments: readonly Segment[];
  readonly children: readonly Group[];
}

interface OpenGroup extends Group {
  readonly parent: OpenGroup | null;
  readonly segments: Segment[];
  readonly children: OpenGroup[];
}

/** Where a segment belongs in ORU_R01. A segment that is not listed (Z-segments too) belongs to the group that is open. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  MSH: ['ORU_R01'],
  SFT: ['ORU_R01'],
  UAC: ['ORU_R01'],
  DSC: ['ORU_R01'],
  PID: ['PATIENT'],
  PD1: ['PATIENT'],
  NK1: ['PATIENT'],
  ARV: ['PATIENT'],
  PV1: ['VISIT'],
  PV2: ['VISIT'],
  ORC: ['ORDER_OBSERVATION'],
  OBR: ['ORDER_OBSERVATION'],
  CTD: ['ORDER_OBSERVATION'],
  FT1: ['ORDER_OBSERVATION'],
  CTI: ['ORDER_OBSERVATION'],
  TQ1: ['TIMING_QTY'],
  TQ2: ['TIMING_QTY'],
  OBX: ['OBSERVATION', 'SPECIMEN_OBSERVATION', 'PATIENT_OBSERVATION'],
  SPM: ['SPECIMEN'],
  NTE: ['OBSERVATION', 'SPECIMEN', 'ORDER_OBSERVATION', 'PATIENT'],
  PRT: ['OBSERVATION', 'SPECIMEN_OBSERVATION', 'ORDER_OBSERVATION', 'VISIT', 'PATIENT'],
};

const GROUP_NAMES = [
  'ORU_R01',
  'PATIENT_RESULT',
  'PATIENT',
  'VISIT',
  'PATIENT_OBSERVATION',
  'ORDER_OBSERVATION',
  'TIMING_QTY',
  'OBSERVATION',
  'SPECIMEN',
  'SPECIMEN_OBSERVATION',
] as const;

/** Group names a path or `each` may use. */
export function isGroupName(name: string): boolean {
  return (GROUP_NAMES as readonly string[]).includes(name);
}

/**
 * Arranges a result message into the groups of ORU_R01, also where senders leave segments out or change their order:
 * ORC or a further OBR opens an order; OBX after a specimen belongs to the specimen only if the order had observations
 * before it; NTE belongs to what stands before it. Never throws: a segment that cannot be placed stays in the open group.
 * @see HL7 v2.5.1 §7.3.1
 */
export function arrangeGroups(message: Message): Group {
  const builder = new GroupBuilder();
  for (const segment of message.segments) builder.place(segment);
  return builder.root;
}

class GroupBuilder {
  readonly root: OpenGroup = { name: 'ORU_R01', parent: null, segments: [], children: [] };
  #open: OpenGroup = this.root;

  place(segment: Segment): void {
    this.#open = this.#homeOf(segment.name);
    this.#open.segments.push(segment);
  }

  #homeOf(name: string): OpenGroup {
    switch (name) {
      case 'MSH':
      case 'SFT':
      case 'UAC':
      case 'DSC':
        return this.root;
      case 'PID':
        return openGroup(openGroup(this.root, 'PATIENT_RESULT'), 'PATIENT');
      case 'PD1':
      case 'NK1':
      case 'ARV':
        return this.#lastOrOpen(this.#patientResult(), 'PATIENT');
      case 'PV1':
      case 'PV2':
        return this.#lastOrOpen(this.#lastOrOpen(this.#patientResult(), 'PATIENT'), 'VISIT');
      case 'ORC':
        return this.#orderFor('ORC');
      case 'OBR':
        return this.#orderFor('OBR');
      case 'TQ1':
        return openGroup(this.#lastOrOpen(this.#patientResult(), 'ORDER_OBSERVATION'), 'TIMING_QTY');
      case 'OBX':
        return this.#homeOfObservation();
      case 'SPM':
        return openGroup(this.#lastOrOpen(this.#patientResult(), 'ORDER_OBSERVATION'), 'SPECIMEN');
      default:
        return HOMES[name] === undefined ? this.#open : this.#nearest(HOMES[name]);
    }
  }

  /** An order holds one ORC and one OBR, in either order; what would be the second opens the next order. */
  #orderFor(name: 'ORC' | 'OBR'): OpenGroup {
    const patientResult = this.#patientResult();
    const last = lastChild(patientResult, 'ORDER_OBSERVATION');
    const isTaken =
      last === null || last.children.some(isObservation) || last.segments.some((segment) => segment.name === name);
    return isTaken || (name === 'ORC' && last.segments.some((segment) => segment.name === 'OBR'))
      ? openGroup(patientResult, 'ORDER_OBSERVATION')
      : last;
  }

  #homeOfObservation(): OpenGroup {
    const patientResult = this.#patientResult();
    const order = lastChild(patientResult, 'ORDER_OBSERVATION');
    if (order === null) {
      return openGroup(this.#lastOrOpen(patientResult, 'PATIENT'), 'PATIENT_OBSERVATION');
    }
    const specimen = lastChild(order, 'SPECIMEN');
    const isAfterSpecimen = specimen !== null && (this.#open === specimen || this.#open.parent === specimen);
    return isAfterSpecimen && order.children.some(isObservation)
      ? openGroup(specimen, 'SPECIMEN_OBSERVATION')
      : openGroup(order, 'OBSERVATION');
  }

  #patientResult(): OpenGroup {
    return this.#lastOrOpen(this.root, 'PATIENT_RESULT');
  }

  #lastOrOpen(parent: OpenGroup, name: string): OpenGroup {
    return lastChild(parent, name) ?? openGroup(parent, name);
  }

  /** The open group, or the nearest one around it, that may hold the segment. */
  #nearest(homes: readonly string[]): OpenGroup {
    for (let group: OpenGroup | null = this.#open; group !== null; group = group.parent) {
      if (homes.includes(group.name)) return group;
    }
    return this.#open;
  }
}

const isObservation = (group: Group) => group.name === 'OBSERVATION';

function openGroup(parent: OpenGroup, name: string): OpenGroup {
  const group: OpenGroup = { name, parent, segments: [], children: [] };
  parent.children.push(group);
  return group;
}

function lastChild(parent: OpenGroup, name: string): OpenGroup | null {
  return parent.children.findLast((child) => child.name === name) ?? null;
}

/** All groups of a name at or below a group, in message order. */
export function findGroups(from: Group, name: string): Group[] {
  if (from.name === name) return [from];
  return from.children.flatMap((child) => findGroups(child, name));
}

/**
 * The segments a name means when it is said within a group: those of the group where it may stand there, else those of
 * the nearest group around it where it may. An NTE said within OBSERVATION is therefore never another observation's.
 */
export function findSegments(scope: Group, name: string): Segment[] {
  const homes = HOMES[name];
  // A segment that was made a group of its own (each: NK1) is what its name means within it.
  if (scope.name === name) return [...scope.segments];
  for (let group: Group | null = scope; group !== null; group = group.parent) {
    if (homes === undefined) {
      const found = collectSegments(group, name);
      if (found.length > 0) return found;
    } else if (homes.includes(group.name)) {
      return group.segments.filter((segment) => segment.name === name);
    } else if (group.parent === null || mayHoldBelow(group.name, homes)) {
      return collectSegments(group, name);
    }
  }
  return [];
}

/** The segments of a name at or below a group, in message order. */
export function collectSegments(group: Group, name: string): Segment[] {
  const found = group.segments.filter((segment) => segment.name === name);
  for (const child of group.children) found.push(...collectSegments(child, name));
  return found;
}

const PARENTS: Readonly<Record<string, string>> = {
  PATIENT_RESULT: 'ORU_R01',
  PATIENT: 'PATIENT_RESULT',
  VISIT: 'PATIENT',
  PATIENT_OBSERVATION: 'PATIENT',
  ORDER_OBSERVATION: 'PATIENT_RESULT',
  TIMING_QTY: 'ORDER_OBSERVATION',
  OBSERVATION: 'ORDER_OBSERVATION',
  SPECIMEN: 'ORDER_OBSERVATION',
  SPECIMEN_OBSERVATION: 'SPECIMEN',
};

function mayHoldBelow(groupName: string, homes: readonly string[]): boolean {
  return homes.some((home) => {
    for (let name = PARENTS[home]; name !== undefined; name = PARENTS[name]) if (name === groupName) return true;
    return false;
  });
}
