import { CODES } from './codes.ts';
import { type Demand, demandKeys, isList, isObject, isText, type Json } from './demand.ts';
import { isCalendarDate, readPersonNumber } from './person-number.ts';

/** A person as the caller stated them. */
export type Subject =
  | { readonly number: string; readonly birthDate: string }
  | { readonly number: null; readonly family: string; readonly given: readonly string[]; readonly birthDate: string };

/** Reads a contained Patient: a person number and nothing else, or name and birth date. */
export function readSubject(demand: Demand, patient: Json): Subject | null {
  return patient.identifier === undefined ? readNamedPatient(demand, patient) : readNumberedPatient(demand, patient);
}

function readNumberedPatient(demand: Demand, patient: Json): Subject | null {
  demandKeys(demand, patient, 'Patient with identifier', ['resourceType', 'id', 'meta', 'identifier', 'contact']);
  const list = patient.identifier;
  const at = 'Patient.identifier';
  if (!demand(isList(list) && list.length === 1 && isObject(list[0]), at, 'must be exactly one')) return null;
  const only = (list as Json[])[0] ?? {};
  const systems: unknown[] = [CODES.personnummer, CODES.samordningsnummer];
  if (!demand(systems.includes(only.system), `${at}[0].system`, `must be ${systems.join(' or ')}`)) return null;
  const number = isText(only.value) ? readPersonNumber(only.value) : null;
  const good = demand(number !== null, `${at}[0].value`, 'must be 12 digits with a valid date and check digit');
  if (!good || number === null) return null;
  demand(only.system === CODES[number.kind], `${at}[0].system`, 'must be that of the number’s kind');
  return { number: String(only.value), birthDate: number.birthDate };
}

function readNamedPatient(demand: Demand, patient: Json): Subject | null {
  demandKeys(demand, patient, 'Patient without identifier', [
    'resourceType',
    'id',
    'meta',
    'name',
    'birthDate',
    'contact',
  ]);
  const name = isList(patient.name) && isObject(patient.name[0]) ? patient.name[0] : {};
  const given = isList(name.given) ? name.given : [];
  const birthDate = isText(patient.birthDate) ? patient.birthDate : '';
  const named = demand(isText(name.family), 'Patient.name[0].family', 'is required without an identifier');
  const called = demand(given.length > 0 && given.every(isText), 'Patient.name[0].given', 'must be a list of names');
  const born = demand(isCalendarDate(birthDate), 'Patient.birthDate', 'must be YYYY-MM-DD without an identifier');
  return named && called && born
    ? { number: null, family: String(name.family), given: given as string[], birthDate }
    : null;
}
