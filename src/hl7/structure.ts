import { Fault, type FaultRecord } from '../contracts/fault.ts';
import type { Group } from './group.ts';
import { locateSegment } from './path.ts';

/** Before 2.7 a result message had no observations outside an order. */
const WITHOUT_PATIENT_OBSERVATIONS = /^2\.[1-6](?:\D|$)/;

/**
 * Says which segments of a result message are missing or stand where ORU_R01 has no place for them, though it is plain
 * what they belong to: a result of nobody, a result or specimen without an order, a note that nothing stands before.
 * @throws Fault where it is not plain: a patient without results beside the one who has some, or no results at all
 * @see HL7 v2.5.1 §7.3.1
 */
export function checkStructure(root: Group, version: string): FaultRecord[] {
  const patients = root.children.filter(({ name }) => name === 'PATIENT_RESULT');
  const empty = patients.findIndex((patient) => !hasResults(patient));
  if (patients.length < 2 && (empty >= 0 || patients.length === 0)) throw new Fault('segment-sequence', { at: 'OBR' });
  // Two patients and one result: it may be of either, or that of the other was lost.
  if (empty >= 0) throw new Fault('segment-sequence', { at: locatePatient(patients[empty + 1] ?? patients[empty]) });
  const lost = root.segments.filter(({ name }) => name === 'NTE' || name === 'PRT').map(locateSegment);
  const places = [...lost, ...patients.flatMap((patient) => listOddities(patient, version))];
  return places.map((at) => new Fault('segment-sequence', { at }).record);
}

function hasResults({ children }: Group): boolean {
  return children.some(({ name, children: below }) => name === 'ORDER_OBSERVATION' || below.some(isPatientObservation));
}

const isPatientObservation = ({ name }: Group) => name === 'PATIENT_OBSERVATION';

function locatePatient(patient: Group | undefined): string {
  const pid = findPid(patient);
  return pid === undefined || pid.occurrence === 1 ? 'PID' : `PID[${pid.occurrence}]`;
}

function findPid(patientResult: Group | undefined) {
  const patient = patientResult?.children.find(({ name }) => name === 'PATIENT');
  return patient?.segments.find(({ name }) => name === 'PID');
}

function listOddities(patient: Group, version: string): string[] {
  // Of nobody there is nothing that their notes could stand in.
  const places = findPid(patient) === undefined ? ['PID', ...locateNotes(patient)] : [];
  for (const { name, segments, children } of patient.children) {
    const early = children.find(isPatientObservation);
    if (early !== undefined && WITHOUT_PATIENT_OBSERVATIONS.test(version)) places.push(...locateFirst(early));
    if (name === 'ORDER_OBSERVATION' && !segments.some((segment) => segment.name === 'OBR')) {
      places.push(...locateFirst({ segments, children }));
    }
  }
  return places;
}

function locateNotes({ children }: Group): string[] {
  const own = children.filter(({ name }) => name === 'PATIENT').flatMap(({ segments }) => segments);
  return own.filter(({ name }) => name === 'NTE').map(locateSegment);
}

/** The first segment of a group, or of the groups below it. */
function locateFirst({ segments, children }: Pick<Group, 'segments' | 'children'>): string[] {
  const first = segments[0] ?? children[0]?.segments[0];
  return first === undefined ? [] : [locateSegment(first)];
}
