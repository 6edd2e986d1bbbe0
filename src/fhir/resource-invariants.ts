import { has, hasChoice, type Inspection, isObject, type JsonObject, objectsOf, report } from './inspection.ts';
import type { Invariant } from './type-invariants.ts';

/**
 * FHIR's invariants of resources, by the type or group of elements they are about. Its warnings (con-3, dom-6) are left
 * out: they make nothing invalid.
 * @see HL7 FHIR 4.0.1, each resource's page, "Constraints"
 */
export const RESOURCE_INVARIANTS: ReadonlyMap<string, Invariant> = new Map<string, Invariant>([
  ['Condition', checkCondition],
  [
    'Condition.stage',
    (inspection, value) => {
      if (!has(value, 'summary') && !has(value, 'assessment')) report(inspection, 'con-1');
    },
  ],
  [
    'Condition.evidence',
    (inspection, value) => {
      if (!has(value, 'code') && !has(value, 'detail')) report(inspection, 'con-2');
    },
  ],
  ['Observation', checkObservation],
  [
    'Observation.referenceRange',
    (inspection, value) => {
      if (!has(value, 'low') && !has(value, 'high') && !has(value, 'text')) report(inspection, 'obs-3');
    },
  ],
  ['Organization', checkOrganization],
  [
    'Patient.contact',
    (inspection, value) => {
      const names = ['name', 'telecom', 'address', 'organization'];
      if (!names.some((name) => value[name] !== undefined)) report(inspection, 'pat-1');
    },
  ],
  [
    'ServiceRequest',
    (inspection, value) => {
      if (value.orderDetail !== undefined && value.code === undefined) report(inspection, 'prr-1', null, 'orderDetail');
    },
  ],
]);

function checkObservation(inspection: Inspection, value: JsonObject): void {
  if (value.dataAbsentReason === undefined && value.component === undefined) return;
  if (!hasChoice(value, 'value')) return;
  if (value.dataAbsentReason !== undefined) report(inspection, 'obs-6', null, 'dataAbsentReason');
  const own = codingsOf(value.code);
  for (const [index, component] of objectsOf(value.component)) {
    // FHIRPath would compare whole codings; another display or version does not make another code of it.
    const isSame = codingsOf(component.code).some((coding) =>
      own.some((other) => coding.code !== undefined && coding.code === other.code && coding.system === other.system),
    );
    if (isSame) report(inspection, 'obs-7', null, 'component', index, 'code');
  }
}

function checkOrganization(inspection: Inspection, value: JsonObject): void {
  if (!has(value, 'name') && value.identifier === undefined) report(inspection, 'org-1');
  for (const [index, address] of objectsOf(value.address)) {
    if (address.use === 'home') report(inspection, 'org-2', null, 'address', index, 'use');
  }
  for (const [index, telecom] of objectsOf(value.telecom)) {
    if (telecom.use === 'home') report(inspection, 'org-3', null, 'telecom', index, 'use');
  }
}

function checkCondition(inspection: Inspection, value: JsonObject): void {
  const clinical = codingsOf(value.clinicalStatus).map((coding) => coding.code);
  const hasEnded = clinical.some((code) => code === 'inactive' || code === 'resolved' || code === 'remission');
  if (hasChoice(value, 'abatement') && !hasEnded) report(inspection, 'con-4', null, 'clinicalStatus');
  const isError = codingsOf(value.verificationStatus).some((coding) => coding.code === 'entered-in-error');
  if (isError && value.clinicalStatus !== undefined) report(inspection, 'con-5', null, 'clinicalStatus');
}

function codingsOf(concept: unknown): readonly JsonObject[] {
  return isObject(concept) ? objectsOf(concept.coding).map(([, coding]) => coding) : [];
}
