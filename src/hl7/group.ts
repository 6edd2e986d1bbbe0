import type { Message, Segment } from './message.ts';

/** A group of segments of one message, named as in the standard's abstract message syntax. */
export interface Group {
  readonly name: string;
  readonly parent: Group | null;
  /** Segments that stand directly in this group. */
  readonly segments: readonly Segment[];
  readonly children: readonly Group[];
  /** What was found from here by name. Most rules ask for the same few segments; only filled once all groups stand. */
  readonly known: Map<string, readonly Segment[]>;
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
  NTE: ['OBSERVATION', 'SPECIMEN_OBSERVATION', 'PATIENT_OBSERVATION', 'SPECIMEN', 'ORDER_OBSERVATION', 'PATIENT'],
  PRT: ['OBSERVATION', 'SPECIMEN_OBSERVATION', 'PATIENT_OBSERVATION', 'ORDER_OBSERVATION', 'VISIT', 'PATIENT'],
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
 * ORC or a further OBR opens an order, but an ORC behind the OBR it goes with stays there; OBX after a specimen belongs
 * to the specimen only if the order had observations before it; NTE belongs to what stands before it; a visit or next of
 * kin before its PID is that patient's. Never throws: a segment that cannot be placed stays in the open group.
 * @see HL7 v2.5.1 §7.3.1
 */
export function arrangeGroups(message: Message): Group {
  const builder = new GroupBuilder(message.segments);
  for (let index = 0; index < message.segments.length; index += 1) builder.place(index);
  return builder.root;
}

class GroupBuilder {
  readonly root: OpenGroup = { name: 'ORU_R01', parent: null, segments: [], children: [], known: new Map() };
  readonly #all: readonly Segment[];
  #open: OpenGroup = this.root;

  constructor(all: readonly Segment[]) {
    this.#all = all;
  }

  /** Segments are placed one after the other, from the first. */
  place(index: number): void {
    const segment = this.#all[index] as Segment;
    this.#open = this.#homeOf(segment.name, index);
    this.#open.segments.push(segment);
  }

  #homeOf(name: string, index: number): OpenGroup {
    switch (name) {
      case 'MSH':
      case 'SFT':
      case 'UAC':
      case 'DSC':
        return this.root;
      case 'PID':
        return this.#patientWithoutPid() ?? openGroup(openGroup(this.root, 'PATIENT_RESULT'), 'PATIENT');
      case 'PD1':
      case 'NK1':
      case 'ARV':
        return this.#lastOrOpen(this.#patientResult(), 'PATIENT');
      case 'PV1':
      case 'PV2':
        return this.#lastOrOpen(this.#lastOrOpen(this.#patientResult(), 'PATIENT'), 'VISIT');
      case 'ORC':
        return this.#orderOf('ORC', this.#nextOrderSegment(index) !== 'OBR');
      case 'OBR':
        return this.#orderOf('OBR', true);
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
  #orderOf(name: 'ORC' | 'OBR', mayFollow: boolean): OpenGroup {
    const patientResult = this.#patientResult();
    const last = lastChild(patientResult, 'ORDER_OBSERVATION');
    if (last === null || last.children.some(isObservation)) return openGroup(patientResult, 'ORDER_OBSERVATION');
    const isTaken = last.segments.some((segment) => segment.name === name);
    const hasOther = last.segments.some((segment) => segment.name === (name === 'ORC' ? 'OBR' : 'ORC'));
    return isTaken || (hasOther && !mayFollow) ? openGroup(patientResult, 'ORDER_OBSERVATION') : last;
  }

  /** An ORC with an OBR of its own to come is not the one of the OBR before it. */
  #nextOrderSegment(index: number): string | null {
    for (let next = index + 1; next < this.#all.length; next += 1) {
      const name = this.#all[next]?.name ?? '';
      if (name === 'OBR' || name === 'ORC' || name === 'OBX' || name === 'PID') return name;
    }
    return null;
  }

  #patientWithoutPid(): OpenGroup | null {
    const last = lastChild(this.root, 'PATIENT_RESULT');
    const patient = last === null ? null : lastChild(last, 'PATIENT');
    if (last === null || patient === null || lastChild(last, 'ORDER_OBSERVATION') !== null) return null;
    return patient.segments.some((segment) => segment.name === 'PID') ? null : patient;
  }

  #homeOfObservation(): OpenGroup {
    const patientResult = this.#patientResult();
    const order = lastChild(patientResult, 'ORDER_OBSERVATION');
    if (order === null) {
      return openGroup(this.#lastOrOpen(patientResult, 'PATIENT'), 'PATIENT_OBSERVATION');
    }
    // Never looked for among the children: a report may have thousands.
    const specimen = this.#open.name === 'SPECIMEN' ? this.#open : this.#open.parent;
    const isAfterSpecimen = specimen !== null && specimen.name === 'SPECIMEN' && specimen.parent === order;
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
  const group: OpenGroup = { name, parent, segments: [], children: [], known: new Map() };
  parent.children.push(group);
  return group;
}

function lastChild(parent: OpenGroup, name: string): OpenGroup | null {
  return parent.children.findLast((child) => child.name === name) ?? null;
}

/** All groups of a name at or below a group, in message order. */
export function findGroups(from: Group, name: string): Group[] {
  const found: Group[] = [];
  addGroups(from, name, found);
  return found;
}

function addGroups(group: Group, name: string, found: Group[]): void {
  if (group.name === name) found.push(group);
  else if (mayHold(group.name, name)) for (const child of group.children) addGroups(child, name, found);
}

/**
 * The segments a name means when it is said within a group: those of the group where it may stand there, else those of
 * the nearest group around it where it may. An NTE said within OBSERVATION is therefore never another observation's.
 */
export function findSegments(scope: Group, name: string): readonly Segment[] {
  let found = scope.known.get(name);
  if (found === undefined) {
    found = lookForSegments(scope, name);
    scope.known.set(name, found);
  }
  return found;
}

function lookForSegments(scope: Group, name: string): readonly Segment[] {
  const homes = HOMES[name];
  // A segment that was made a group of its own (each: NK1) is what its name means within it.
  if (scope.name === name) return scope.segments;
  if (homes === undefined) {
    const found = collectSegments(scope, name);
    return found.length > 0 || scope.parent === null ? found : findSegments(scope.parent, name);
  }
  if (homes.includes(scope.name)) return scope.segments.filter((segment) => segment.name === name);
  if (scope.parent === null || mayHoldBelow(scope.name, homes)) return collectSegments(scope, name);
  return findSegments(scope.parent, name);
}

/**
 * The segments that `GROUP.NAME` means when it is said within a group: those of the group itself where it bears that
 * name, else those of the groups of that name in the nearest group around it that may hold such. Where the segment may
 * stand in the named group directly, the group's own are meant and none further below.
 */
export function findSegmentsOf(scope: Group, groupName: string, name: string): readonly Segment[] {
  const key = `${groupName}.${name}`;
  let found = scope.known.get(key);
  if (found === undefined) {
    found = lookForSegmentsOf(scope, groupName, name);
    scope.known.set(key, found);
  }
  return found;
}

function lookForSegmentsOf(scope: Group, groupName: string, name: string): readonly Segment[] {
  if (scope.name !== groupName && scope.parent !== null && !mayHoldBelow(scope.name, [groupName]))
    return findSegmentsOf(scope.parent, groupName, name);
  const isOwn = HOMES[name]?.includes(groupName) ?? false;
  return findGroups(scope, groupName).flatMap((group) =>
    isOwn ? group.segments.filter((segment) => segment.name === name) : collectSegments(group, name),
  );
}

/** The segments of a name at or below a group, in message order. */
export function collectSegments(group: Group, name: string): Segment[] {
  const found: Segment[] = [];
  addSegments(group, name, found);
  return found;
}

function addSegments(group: Group, name: string, found: Segment[]): void {
  for (const segment of group.segments) if (segment.name === name) found.push(segment);
  for (const child of group.children) addSegments(child, name, found);
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

/** True if groups of the second name stand somewhere below groups of the first. */
export function mayHold(groupName: string, below: string): boolean {
  for (let name = PARENTS[below]; name !== undefined; name = PARENTS[name]) if (name === groupName) return true;
  return false;
}

function mayHoldBelow(groupName: string, homes: readonly string[]): boolean {
  for (const home of homes) if (mayHold(groupName, home)) return true;
  return false;
}
